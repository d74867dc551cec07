"""Where everything lies in a picture, in pixels; y grows downwards."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from attrs import frozen

from waveflow.domain.errors import InvalidMessage
from waveflow.entrypoints.pictures.sizes import AXIS_PX, PEN_PX, TITLE_PX
from waveflow.entrypoints.pictures.wave import Lanes, Wave

_LEAST_WAVE_PX = 40
"""Axis and title are left out, unless they are asked for, where the wave would get less."""
_LEAST_WIDTH_FOR_AXIS_PX = 100
_GAP_SHARE = 0.06
_LEAST_LANE_PX = 3


@frozen
class Lane:
    """A strip for one wave."""

    top: int
    height: int

    @property
    def middle(self) -> float:
        """Where silence lies: in the middle of a row, as the height is odd."""
        return self.top + self.height / 2

    def y(self, amplitude: Lanes) -> Lanes:
        """Where the pen goes; what exceeds full scale ends at the edge."""
        reach = (self.height - PEN_PX) / 2
        return self.middle - np.clip(amplitude, -1.0, 1.0) * reach


@frozen
class Layout:
    """What there is room for inside the padding; all else is counted from that corner.

    Attributes:
        inset: the padding on each side.
    """

    width: int
    height: int
    lanes: tuple[Lane, ...]
    inset: int
    has_axis: bool
    has_title: bool

    @property
    def axis_top(self) -> int:
        """Where the ticks begin."""
        return self.height - AXIS_PX

    @property
    def outer(self) -> tuple[int, int]:
        """Width and height of the whole picture."""
        return self.width + 2 * self.inset, self.height + 2 * self.inset


def has_room_for_axis(width: int, height: int) -> bool:
    """Whether an axis is drawn without being asked for."""
    return height >= AXIS_PX + _LEAST_WAVE_PX and width >= _LEAST_WIDTH_FOR_AXIS_PX


def lay_out(
    wave: Wave, width: int, outer_height: int, *, inset: int = 0, axis: bool, title: bool
) -> Layout:
    """Divide a picture among padding, title, lanes and axis.

    Args:
        width: of the wave.
        outer_height: of the whole picture.

    Raises:
        InvalidMessage: when there is no room for all of it.
    """
    height = outer_height - 2 * inset
    top = TITLE_PX if title else 0
    bottom = height - (AXIS_PX if axis else 0)
    least = 1 if wave.lanes == 1 else _LEAST_LANE_PX * wave.lanes
    if bottom - top < least:
        needed = outer_height - (bottom - top) + least
        raise InvalidMessage(_too_low(wave.lanes, needed, inset=inset, axis=axis, title=title))
    edges = [top + lane * (bottom - top) // wave.lanes for lane in range(wave.lanes + 1)]
    lanes = tuple(
        _lane(start, stop, is_last=number == wave.lanes)
        for number, (start, stop) in enumerate(pairwise(edges), 1)
    )
    return Layout(width, height, lanes, inset, axis, title)


def _lane(start: int, stop: int, *, is_last: bool) -> Lane:
    height = stop - start
    if not is_last:
        height -= round(height * _GAP_SHARE)
    # An odd height has a row in its middle, for silence to be a sharp line.
    return Lane(start, height - (1 - height % 2))


def _too_low(lanes: int, needed: int, *, inset: int, axis: bool, title: bool) -> str:
    parts = ["1 channel" if lanes == 1 else f"{lanes} channels"]
    parts += ["a time axis"] if axis else []
    parts += ["a title"] if title else []
    parts += [f"a padding of {inset} pixels"] if inset else []
    return (
        f"There is no room for {' and '.join(parts)}; make the picture at least {needed} pixels"
        " high (--height)."
    )
