"""Energy after K-weighting: two recursive filters of second order, one after the other.

A recursion waits for itself: each output needs the two before it. So a chunk of a channel is cut
into `LANES` pieces, which are filtered side by side, each as if silence had gone before. What
really went before is added afterwards: the filters are linear, and what their state at the start
of a piece adds to its outputs is known beforehand (`responses`). Nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.inlining import inlined
from waveflow.domain.kernels.native import Kernel

LANES = 32
"""Four registers of eight numbers: as many as it takes until a result is there to be used."""

ROWS = 64
"""Longest piece, in samples: the scratch of a chunk stays in a first-level cache of 48 KiB."""

HISTORY = 2
"""How many samples, and outputs, before its first a filter looks back to."""

STATE = 4
"""Last output of the first filter and the one before, the same of the second."""

_AREA = (HISTORY + ROWS) * LANES
_FADED = 1e-30
"""Less than this is left of a sound some time after it: before it slows a processor down."""


@inlined
def _cut(samples: Any, first: Any, rows: Any, pieces: Any) -> Any:
    """Piece k into column k, after the samples before it."""
    for row in range(HISTORY + rows):
        at = first - HISTORY + row
        for lane in range(LANES):
            pieces[row * LANES + lane] = np.float64(samples[at + lane * rows])
    return 0


@inlined
def _filter(source: Any, result: Any, rows: Any, filters: Any, at: Any) -> Any:
    """Run a filter over all pieces, one row at a time, with silence before its first output."""
    b0, b1, b2 = filters[at], filters[at + 1], filters[at + 2]
    a1, a2 = filters[at + 3], filters[at + 4]
    for i in range(HISTORY * LANES):
        result[i] = 0.0
    for i in range(HISTORY * LANES, (HISTORY + rows) * LANES):
        driven = b0 * source[i] + b1 * source[i - LANES] + b2 * source[i - 2 * LANES]
        result[i] = (driven - a2 * result[i - 2 * LANES]) - a1 * result[i - LANES]
    return 0


@inlined
def _output(area: Any, row: Any, lane: Any, responses: Any, at: Any, state: Any) -> Any:
    """A true output: what the piece made by itself, and what the state before it adds."""
    u1, u2, y1, y2 = state
    r = at + row * STATE
    of_head = responses[r] * u1 + responses[r + 1] * u2
    of_both = responses[r + 2] * y1 + responses[r + 3] * y2
    return (area[row * LANES + lane] + of_head) + of_both


@inlined
def _chain(
    frames: Any, rows: Any, head: Any, whole: Any, responses: Any, states: Any, at: Any, before: Any
) -> Any:
    """Note the state before each piece, and take it on to the next."""
    state = states[at], states[at + 1], states[at + 2], states[at + 3]
    of_whole = (HISTORY + ROWS) * STATE
    for lane in range(LANES):
        before[lane] = state[0]
        before[LANES + lane] = state[1]
        before[2 * LANES + lane] = state[2]
        before[3 * LANES + lane] = state[3]
        last = HISTORY - 1 + min(max(frames - lane * rows, 0), rows)
        state = (
            _output(head, last, lane, responses, 0, state),
            _output(head, last - 1, lane, responses, 0, state),
            _output(whole, last, lane, responses, of_whole, state),
            _output(whole, last - 1, lane, responses, of_whole, state),
        )
    states[at], states[at + 1], states[at + 2], states[at + 3] = state
    return 0


@inlined
def _clear_rest(frames: Any, rows: Any, whole: Any, responses: Any, before: Any) -> Any:
    """The energy of the last piece, if it is shorter; then it and what follows are silenced."""
    energy = 0.0
    of_whole = (HISTORY + ROWS) * STATE
    for lane in range(frames // rows, LANES):
        state = (
            before[lane], before[LANES + lane], before[2 * LANES + lane], before[3 * LANES + lane],
        )  # fmt: skip
        for row in range(HISTORY, HISTORY + frames - lane * rows):
            value = _output(whole, row, lane, responses, of_whole, state)
            energy += value * value
        for row in range(HISTORY + rows):
            whole[row * LANES + lane] = 0.0
        for each in range(STATE):
            before[each * LANES + lane] = 0.0
    return energy


@inlined
def _energy_of_rows(rows: Any, whole: Any, responses: Any, before: Any, sums: Any) -> Any:
    for lane in range(LANES):
        sums[lane] = 0.0
    at = (HISTORY + ROWS + HISTORY) * STATE
    for row in range(HISTORY, HISTORY + rows):
        r0, r1, r2, r3 = responses[at], responses[at + 1], responses[at + 2], responses[at + 3]
        for lane in range(LANES):
            value = (
                whole[row * LANES + lane]
                + (r0 * before[lane] + r1 * before[LANES + lane])
                + (r2 * before[2 * LANES + lane] + r3 * before[3 * LANES + lane])
            )
            sums[lane] += value * value
        at += STATE
    energy = 0.0
    for lane in range(LANES):
        energy += sums[lane]
    return energy


@inlined
def _fade(state: Any, at: Any) -> Any:
    size = 0.0
    for each in range(STATE):
        size += abs(state[at + each])
    if size < _FADED:
        for each in range(STATE):
            state[at + each] = 0.0
    return 0


def _weigh(
    planes: Any,
    distance: Any,
    channels: Any,
    bounds: Any,
    hops: Any,
    weights: Any,
    filters: Any,
    responses: Any,
    states: Any,
    pieces: Any,
    head: Any,
    before: Any,
    sums: Any,
    energies: Any,
) -> Any:
    for hop in range(hops):
        start, stop = bounds[hop], bounds[hop + 1]
        chunks = (stop - start + LANES * ROWS - 1) // (LANES * ROWS)
        for channel in range(channels):
            if weights[channel] == 0.0:
                continue
            energy = 0.0
            for chunk in range(chunks):
                first = start + chunk * (stop - start) // chunks
                frames = start + (chunk + 1) * (stop - start) // chunks - first
                rows = (frames + LANES - 1) // LANES
                _cut(planes, channel * distance + first, rows, pieces)
                _filter(pieces, head, rows, filters, 0)
                whole = pieces
                _filter(head, whole, rows, filters, 5)
                _chain(frames, rows, head, whole, responses, states, channel * STATE, before)
                energy += _clear_rest(frames, rows, whole, responses, before)
                energy += _energy_of_rows(rows, whole, responses, before, sums)
                _fade(states, channel * STATE)
            energies[hop] += weights[channel] * energy
    return 0


_POINTERS = ("float64*",) * 9
_WEIGHING = Kernel(
    "k_weigh", ("i64", "float32*", "i64", "i64", "int64*", "i64", *_POINTERS), _weigh, fused=True
)

KERNELS = (_WEIGHING,)

SCRATCH_SIZES = (_AREA, _AREA, STATE * LANES, LANES)


def weigh(
    planes: NDArray[np.float32],
    bounds: NDArray[np.int64],
    weights: NDArray[np.float64],
    filters: NDArray[np.float64],
    responses: NDArray[np.float64],
    states: NDArray[np.float64],
    scratch: Sequence[NDArray[np.float64]],
) -> NDArray[np.float64]:
    """The weighted sum over the channels of the squares of the filtered samples, per hop.

    Args:
        planes: float32 (channels, …), C-contiguous. Hop i is columns bounds[i] to bounds[i + 1].
            `LANES` columns beyond the last are read, and make no difference, as long as they
            are finite.
        bounds: int64 (hops + 1,), from `HISTORY` on: what lies before the first hop is read.
        weights: float64 (channels,): what a channel counts for. Those of 0 aren't filtered.
        filters: float64 (2, 5): b0, b1, b2, a1, a2 of each.
        responses: float64 (2, HISTORY + ROWS, STATE): what each number of a state adds to the
            outputs after it, of the first filter and of both; the first rows are the state itself.
        states: float64 (channels, STATE); updated in place.
        scratch: float64 arrays of `SCRATCH_SIZES`, overwritten.

    Returns:
        float64 (hops,).
    """
    energies = np.zeros(len(bounds) - 1)
    _WEIGHING(
        planes.reshape(-1), planes.shape[1], len(weights), bounds, len(energies), weights,
        filters.reshape(-1), responses.reshape(-1), states.reshape(-1), *scratch, energies,
    )  # fmt: skip
    return energies
