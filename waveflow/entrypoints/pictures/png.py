"""Pictures as PNG, one byte a pixel: the palette has the shades of wave, body and ink."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from waveflow.entrypoints.pictures.colours import Colour
from waveflow.entrypoints.pictures.layout import Layout
from waveflow.entrypoints.pictures.raster import covered
from waveflow.entrypoints.pictures.sizes import (
    LABEL_BASELINE_PX,
    LETTER_PX,
    TICK_PX,
    TITLE_BASELINE_PX,
    TITLE_LETTER_PX,
    TITLE_PX,
)
from waveflow.entrypoints.pictures.themes import Style, Theme
from waveflow.entrypoints.pictures.ticks import ticks
from waveflow.entrypoints.pictures.wave import Wave

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Pixels = NDArray[np.uint8]

_WAVE_SHADES, _BODY_SHADES = 96, 64
_WAVE_AND_BODY = _WAVE_SHADES + _BODY_SHADES
_INK_SHADES = 255 - _WAVE_AND_BODY
_SMALL_PIXELS = 4_000_000
_SMALLEST, _QUICKEST = 9, 3


def png(wave: Wave, layout: Layout, style: Style, title: str, description: str) -> bytes:
    """The picture, `title` and `description` in its metadata; the same wave, the same pixels.

    Raises:
        InvalidMessage: when there is no font here for the title.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    width, height = layout.outer
    picture = np.zeros((height, width), np.uint8)
    inside = slice(layout.inset, layout.inset + layout.height)
    pixels = picture[inside, layout.inset : layout.inset + layout.width]
    _draw_waves(pixels, wave, layout)
    if layout.has_title:
        _draw_title(pixels, layout, title)
    if layout.has_axis:
        _draw_axis(pixels, layout, wave.duration_s)
    image = Image.fromarray(picture, "P")
    opacity = _colour(image, style.fixed(), style.background)
    info = PngInfo()
    info.add_itxt("Title", title)
    info.add_itxt("Description", description)
    info.add_text("Software", "WaveFlow")
    output = io.BytesIO()
    level = _SMALLEST if picture.size <= _SMALL_PIXELS else _QUICKEST
    image.save(output, "PNG", pnginfo=info, compress_level=level, transparency=opacity)
    return output.getvalue()


def _draw_waves(pixels: Pixels, wave: Wave, layout: Layout) -> None:
    for number, lane in enumerate(layout.lanes):
        rows = slice(lane.top, lane.top + lane.height)
        for columns, outer, body in covered(wave, number, lane, layout.width):
            shades = outer * _WAVE_SHADES
            if body is not None:
                shades += body * _BODY_SHADES
            pixels[rows, columns] = np.rint(shades)


def _draw_title(pixels: Pixels, layout: Layout, title: str) -> None:
    from waveflow.entrypoints.pictures.lettering import fitted, font_for, write

    font = font_for(title, TITLE_LETTER_PX)
    with _inked(pixels[:TITLE_PX]) as draw:
        write(draw, 0, TITLE_BASELINE_PX, fitted(title, font, layout.width), font, "l")


def _draw_axis(pixels: Pixels, layout: Layout, duration_s: float) -> None:
    from waveflow.entrypoints.pictures.lettering import font_for, write

    font = font_for("0123456789:.", LETTER_PX)
    with _inked(pixels[layout.axis_top :]) as draw:
        for mark in ticks(duration_s, layout.width):
            left = min(int(mark.x), layout.width - 1)
            draw.line((left, 0, left, TICK_PX - 1), fill=255)
            anchor, x = _place(mark.x, layout.width - mark.x, font.getlength(mark.label) / 2)
            write(draw, x + mark.x, LABEL_BASELINE_PX, mark.label, font, anchor)


@contextmanager
def _inked(strip: Pixels) -> Iterator[ImageDraw]:
    """What draws on a part of the picture that has no wave; it gets there on leaving."""
    from PIL import Image, ImageDraw

    written = Image.new("L", (strip.shape[1], strip.shape[0]))
    yield ImageDraw.Draw(written)
    ink = np.asarray(written)
    shades = _WAVE_AND_BODY + np.rint(ink / 255 * _INK_SHADES)
    strip[:] = np.where(ink > 0, shades, 0).astype(np.uint8)


def _place(from_left: float, from_right: float, half: float) -> tuple[str, float]:
    """How a label stands at its tick so that it stays inside the picture."""
    if from_left < half:
        return "l", -from_left
    return ("r", from_right) if from_right < half else ("m", 0.0)


def _colour(image: Image, theme: Theme, background: Colour | None) -> bytes | None:
    """Set the palette; returns the opacity of its entries, None if nothing shines through."""
    ramps = ((theme.wave, _WAVE_SHADES), (theme.ink, _INK_SHADES))
    (waves, inks) = ([(colour, n / count) for n in range(count + 1)] for colour, count in ramps)
    bodies = [
        (theme.wave.mixed(theme.body, n / _BODY_SHADES), 1.0) for n in range(1, _BODY_SHADES + 1)
    ]
    entries = [*waves, *bodies, *inks[1:]]
    if background is None:
        image.putpalette(b"".join(bytes(colour.rgb) for colour, _ in entries))
        return bytes(round(255 * opacity) for _, opacity in entries)
    mixed = (background.mixed(colour, opacity) for colour, opacity in entries)
    image.putpalette(b"".join(bytes(colour.rgb) for colour in mixed))
    return None
