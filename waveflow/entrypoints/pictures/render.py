"""From a file to a picture of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from attrs import frozen

from waveflow.domain.errors import InvalidMessage, PermanentError
from waveflow.entrypoints.pictures.layout import Layout, has_room_for_axis, lay_out
from waveflow.entrypoints.pictures.sizes import DEFAULT_HEIGHT, DEFAULT_WIDTH, PADDING_PX
from waveflow.entrypoints.pictures.sources import read_wave
from waveflow.entrypoints.pictures.texts import plain
from waveflow.entrypoints.pictures.themes import Style
from waveflow.entrypoints.pictures.ticks import label
from waveflow.entrypoints.pictures.wave import Wave

Format = Literal["png", "svg"]


@frozen
class Wish:
    """What a picture is to be like.

    Attributes:
        axis: None draws one where there is room for it.
        title: drawn above the wave. Without one, the picture is called after its source, and
            nothing is drawn.
        split_channels: a lane for each channel.
        normalised: draw the loudest sample, not full scale, from top to bottom.
        padding: pixels around all of it. None is none, but some around texts on a background.
    """

    format: Format
    width: int = DEFAULT_WIDTH
    height: int = DEFAULT_HEIGHT
    style: Style = Style()
    axis: bool | None = None
    title: str | None = None
    split_channels: bool = False
    normalised: bool = False
    padding: int | None = None

    @property
    def has_axis(self) -> bool:
        """Whether an axis is drawn."""
        return has_room_for_axis(self.width, self.height) if self.axis is None else self.axis

    @property
    def drawn_title(self) -> str:
        """The title as it is drawn; empty without one."""
        return plain(self.title or "")

    @property
    def inset(self) -> int:
        """Pixels on each side that nothing but the background gets to."""
        if self.padding is not None:
            return self.padding
        if self.style.background is None or not has_room_for_axis(self.width, self.height):
            return 0
        return PADDING_PX if self.has_axis or self.drawn_title else 0

    @property
    def columns(self) -> int:
        """Pixels that the wave has from left to right."""
        return self.width - 2 * self.inset


@frozen
class Picture:
    """A finished picture, and the wave in it."""

    content: bytes
    title: str
    wave: Wave


def render(source: Path, wish: Wish) -> Picture:
    """Draw the waveform of audio, or of a waveform file.

    Raises:
        InvalidMessage: when the picture is too small for what is asked of it.
        PermanentError: when the source can't be drawn, or Pillow is missing for a PNG.
        OSError: when the source can't be read.
    """
    if wish.format == "png":
        require_pillow()
    if wish.columns < 1:
        raise InvalidMessage(
            f"A padding of {wish.inset} pixels leaves no room for the wave; make the picture at"
            f" least {2 * wish.inset + 1} pixels wide (--width)."
        )
    wave = read_wave(source, wish.columns, split_channels=wish.split_channels)
    return draw(wave, wish, source.name)


def draw(wave: Wave, wish: Wish, name: str) -> Picture:
    """Draw a wave that was read for a picture of so many columns.

    Args:
        name: what the picture is called, to those who don't see it, if it has no title.

    Raises:
        InvalidMessage: when the picture is too low for what is asked of it.
    """
    layout = lay_out(
        wave,
        wish.columns,
        wish.height,
        inset=wish.inset,
        axis=wish.has_axis,
        title=bool(wish.drawn_title),
    )
    title = wish.drawn_title or plain(name)
    shown = wave.normalised() if wish.normalised else wave
    shown = shown.joined() if shown.columns == wish.columns else shown
    content = _drawn(wish.format)(shown, layout, wish.style, title, describe(wave))
    return Picture(content, title, wave)


def has_pillow() -> bool:
    """Whether PNG can be made here: the worker's image leaves Pillow out."""
    return find_spec("PIL") is not None


def require_pillow() -> None:
    """Raise PermanentError where PNG can't be made."""
    if not has_pillow():
        raise PermanentError(
            "PNG is made with Pillow, which isn't installed here. Install it (pip install pillow),"
            " or make an .svg, which needs nothing.",
            code="pillow_missing",
        )


def _drawn(kind: Format) -> Callable[[Wave, Layout, Style, str, str], bytes]:
    if kind == "svg":
        from waveflow.entrypoints.pictures.svg import svg

        return svg
    from waveflow.entrypoints.pictures.png import png

    return png


def describe(wave: Wave) -> str:
    """The wave in words, for those who don't see it."""
    facts = [
        label(wave.duration_s, 0.1, wave.duration_s),
        {1: "mono", 2: "stereo"}.get(wave.channels, f"{wave.channels} channels"),
    ]
    if not wave.largest:
        facts.append("silence")
    elif wave.lanes == wave.channels:  # The mean of channels has another peak than these.
        facts.append(f"peak {_decibels(wave.largest)} dBFS")
    return f"Waveform: {', '.join(facts)}."


def _decibels(amplitude: float) -> str:
    return f"{20 * math.log10(amplitude):.1f}"
