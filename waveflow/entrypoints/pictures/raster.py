"""How much of each pixel a wave covers: exact, column by column."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from waveflow.entrypoints.pictures.layout import Lane
from waveflow.entrypoints.pictures.sizes import PEN_PX, POINTS_PEN_PX
from waveflow.entrypoints.pictures.wave import Lanes, Wave

Coverage = NDArray[np.float32]
"""0.0 to 1.0, (height of the lane, columns)."""

_STRIPS = 4
"""In a column, where the wave has fewer points than the picture has columns."""
_PIXELS_AT_ONCE = 1 << 20


def covered(
    wave: Wave, number: int, lane: Lane, width: int
) -> Iterator[tuple[slice, Coverage, Coverage | None]]:
    """What one lane of a wave covers, and within that its body, some columns at a time."""
    if wave.columns < width:
        edges, strips = _between_points(wave.low[number], wave.high[number], lane, width), _STRIPS
        body = None
    else:
        edges, strips = _outer(wave.low[number], wave.high[number], lane), 1
        body = None if wave.rms is None else _inner(wave, number, lane)
    step = max(1, _PIXELS_AT_ONCE // (lane.height * strips))
    for start in range(0, width, step):
        columns = slice(start, min(start + step, width))
        here = slice(columns.start * strips, columns.stop * strips)
        outer = _coverage(edges[0][here], edges[1][here], lane, strips)
        yield (
            columns,
            outer,
            None if body is None else _coverage(body[0][here], body[1][here], lane, 1),
        )


def _outer(low: Lanes, high: Lanes, lane: Lane) -> tuple[Lanes, Lanes]:
    return lane.y(high) - PEN_PX / 2, lane.y(low) + PEN_PX / 2


def _inner(wave: Wave, number: int, lane: Lane) -> tuple[Lanes, Lanes]:
    assert wave.rms is not None
    low, high, rms = wave.low[number], wave.high[number], wave.rms[number]
    return lane.y(np.clip(rms, low, high)), lane.y(np.clip(-rms, low, high))


def _between_points(low: Lanes, high: Lanes, lane: Lane, width: int) -> tuple[Lanes, Lanes]:
    """Straight lines from point to point, drawn by a square pen: upper and lower edge by strip."""
    points = (np.arange(len(low)) + 0.5) * width / len(low)
    places = np.arange(width * _STRIPS + 1) / _STRIPS
    reach = round((POINTS_PEN_PX * _STRIPS - 1) / 2)
    upper = np.interp(places, points, lane.y(high))
    lower = np.interp(places, points, lane.y(low))
    highest = _of_neighbours(np.minimum(upper[1:], upper[:-1]), reach, np.minimum)
    lowest = _of_neighbours(np.maximum(lower[1:], lower[:-1]), reach, np.maximum)
    return highest - POINTS_PEN_PX / 2, lowest + POINTS_PEN_PX / 2


def _of_neighbours(values: Lanes, reach: int, choose: np.ufunc) -> Lanes:
    """The chosen one, lowest or highest, of each value and so many on both sides of it."""
    padded = np.pad(values, reach, mode="edge")
    chosen: Lanes = choose.reduce(
        [padded[shift : shift + len(values)] for shift in range(2 * reach + 1)]
    )
    return chosen


def _coverage(upper: Lanes, lower: Lanes, lane: Lane, strips: int) -> Coverage:
    """Which part of each row lies between two edges, the mean of so many strips a column."""
    rows = np.arange(lane.top, lane.top + lane.height, dtype=np.float32)[:, np.newaxis]
    ends = np.minimum(lower.astype(np.float32), rows + 1)
    part: Coverage = np.clip(ends - np.maximum(upper.astype(np.float32), rows), 0.0, 1.0)
    return part if strips == 1 else part.reshape(lane.height, -1, strips).mean(axis=2)
