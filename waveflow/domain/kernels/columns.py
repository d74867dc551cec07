"""Lowest and highest value, and the sum of the squares, of one channel in each column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.inlining import inlined
from waveflow.domain.kernels.native import Kernel

MOST_FRAMES = 2**48
MOST_COLUMNS = 2**14 + 2**13
"""Kernels count in 64 bits, and multiply frames by columns. Beyond, they would miss the columns."""


@inlined
def _extent(samples: Any, first: Any, step: Any, count: Any) -> Any:
    low = np.float64(samples[first])
    high = low
    squares = np.float64(0.0)
    for at in range(count):
        value = np.float64(samples[first + at * step])
        low = min(low, value)
        high = max(high, value)
        squares += value * value
    return low, high, squares


def _columns_of_runs(
    samples: Any,
    channel: Any,
    step: Any,
    frames: Any,
    first_frame: Any,
    total_frames: Any,
    scale: Any,
    columns: Any,
    lows: Any,
    highs: Any,
    squares: Any,
) -> Any:
    stop_frame = min(first_frame + frames, total_frames)
    frame = first_frame
    while frame < stop_frame:
        # The only column i with i*N//n <= frame < (i+1)*N//n, empty ones skipped.
        column = ((frame + 1) * columns + total_frames - 1) // total_frames - 1
        run_stop = min((column + 1) * total_frames // columns, stop_frame)
        first = (frame - first_frame) * step + channel
        low, high, sum_of_squares = _extent(samples, first, step, run_stop - frame)
        lows[column] = min(lows[column], low * scale)
        highs[column] = max(highs[column], high * scale)
        squares[column] += sum_of_squares * scale * scale
        frame = run_stop
    return 0


def _kernel(word: str) -> Kernel:
    numbers = ("i64",) * 5
    results = ("float64*",) * 3
    signature = ("i64", f"{word}*", *numbers, "f64", "i64", *results)
    return Kernel(f"columns_{word}", signature, _columns_of_runs)


_COLUMNS = {word: _kernel(word) for word in ("int16", "int32", "float32", "float64")}
KERNELS = tuple(_COLUMNS.values())


def accumulate_columns(
    block: NDArray[Any],
    channel: int,
    first_frame: int,
    total_frames: int,
    scale: float,
    into: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
) -> None:
    """Widen columns by one channel of `block`, and add its squares to theirs.

    NaN and infinity show in the sum of the squares, and there only.

    Args:
        block: (frames, channels), contiguous, int16, int32, float32 or float64.
        first_frame: index in the whole signal of the block's first frame.
        total_frames: frames of the whole signal, N, 0 to `MOST_FRAMES`. Frames at N and
            beyond are left out.
        scale: amplitude of a sample of 1: 1 / full scale.
        into: lowest, highest and sum of squares, float64 (n,) each, up to `MOST_COLUMNS`,
            updated in place. Column i is frames [i*N//n, (i+1)*N//n).
    """
    if not len(block):
        return
    lows, highs, squares = into
    frames, step = block.shape
    _COLUMNS[block.dtype.name](
        block.reshape(-1),
        channel,
        step,
        frames,
        first_frame,
        total_frames,
        scale,
        len(lows),
        lows,
        highs,
        squares,
    )
