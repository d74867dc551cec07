"""Pictures as SVG: a path for the wave, one for its body, and an axis."""

from __future__ import annotations

from xml.sax.saxutils import escape

import numpy as np

from waveflow.entrypoints.pictures.layout import Lane, Layout
from waveflow.entrypoints.pictures.sizes import (
    LABEL_BASELINE_PX,
    LETTER_PX,
    POINTS_PEN_PX,
    TICK_PX,
    TITLE_BASELINE_PX,
    TITLE_LETTER_PX,
)
from waveflow.entrypoints.pictures.texts import shortened
from waveflow.entrypoints.pictures.themes import Style, Theme
from waveflow.entrypoints.pictures.ticks import Tick, ticks
from waveflow.entrypoints.pictures.wave import Lanes, Wave

_FONT = "system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans KR',sans-serif"
_FINENESS = 10
"""Coordinates are rounded to a tenth of a pixel."""


def svg(wave: Wave, layout: Layout, style: Style, title: str, description: str) -> bytes:
    """The picture, as valid XML in UTF-8; the same wave gives the same bytes.

    Args:
        title: what the picture shows; drawn if the layout has a place for it, and read out to
            those who don't see it in any case. `texts.plain` has been at it.
    """
    theme, dark = style.themes()
    width, height = layout.outer
    drawn = [
        *_waves(wave, layout, theme),
        *(_title(layout, title, theme) if layout.has_title else []),
        *(_axis(layout, wave.duration_s, theme) if layout.has_axis else []),
    ]
    if layout.inset:
        drawn = [f'<g transform="translate({layout.inset} {layout.inset})">', *drawn, "</g>"]
    if style.background is not None:
        fill = style.background.hex
        drawn.insert(0, f'<rect width="{width}" height="{height}" fill="{fill}"/>')
    if dark is not None:
        drawn.insert(0, _dark_style(theme, dark))
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img">'
        ),
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        *drawn,
        "</svg>\n",
    ]
    return "\n".join(lines).encode()


def _dark_style(theme: Theme, dark: Theme) -> str:
    """What a dark page changes. Attributes have the rest: they yield to any style."""
    rules = {
        "wave": (theme.wave, f"fill:{dark.wave.hex};stroke:{dark.wave.hex}", dark.wave),
        "body": (theme.body, f"fill:{dark.body.hex}", dark.body),
        "ink": (theme.ink, f"fill:{dark.ink.hex}", dark.ink),
    }
    changed = "".join(
        f".waveflow-{name}{{{rule}}}" for name, (own, rule, its) in rules.items() if own != its
    )
    return f"<style>@media(prefers-color-scheme:dark){{{changed}}}</style>"


def _waves(wave: Wave, layout: Layout, theme: Theme) -> list[str]:
    outlines = "".join(
        _outline(lane, low, high, layout.width)
        for lane, low, high in zip(layout.lanes, wave.low, wave.high, strict=True)
    )
    colour = theme.wave.hex
    pen = "" if wave.columns == layout.width else f' stroke-width="{POINTS_PEN_PX}"'
    paths = [
        (
            f'<path class="waveflow-wave" fill="{colour}" stroke="{colour}"{pen}'
            f' stroke-linejoin="round" d="{outlines}"/>'
        )
    ]
    if wave.rms is not None:
        bodies = "".join(
            _outline(lane, np.clip(-rms, low, high), np.clip(rms, low, high), layout.width)
            for lane, low, high, rms in zip(
                layout.lanes, wave.low, wave.high, wave.rms, strict=True
            )
        )
        paths.append(f'<path class="waveflow-body" fill="{theme.body.hex}" d="{bodies}"/>')
    return paths


def _outline(lane: Lane, low: Lanes, high: Lanes, width: int) -> str:
    """Along the upper edge to the right, and back along the lower one."""
    columns = len(low)
    centres = (np.arange(columns) + 0.5) * width / columns
    across = np.concatenate([[0.0], centres, [float(width)]])
    upper, lower = (
        np.concatenate([edge[:1], edge, edge[-1:]]) for edge in (lane.y(high), lane.y(low))
    )
    x = np.concatenate([across, across[::-1]])
    y = np.concatenate([upper, lower[::-1]])
    return _path(np.rint(x * _FINENESS).astype(int), np.rint(y * _FINENESS).astype(int))


def _path(x: Lanes, y: Lanes) -> str:
    """A closed path; steps of one direction and length follow each other as one step."""
    steps = np.stack([np.diff(x), np.diff(y)], axis=1)
    begins = np.concatenate([[True], (steps[1:] != steps[:-1]).any(axis=1)])
    runs = np.add.reduceat(steps, np.flatnonzero(begins), axis=0).tolist()
    moves = "".join(f"{_number(dx, ' ')}{_number(dy, ' ')}" for dx, dy in runs if dx or dy)
    return f"M{_number(int(x[0]))}{_number(int(y[0]), ' ')}l{moves.lstrip()}z"


def _number(tenths: int, apart: str = "") -> str:
    """A coordinate in as few letters as there can be; a sign also sets it apart."""
    whole, rest = divmod(abs(tenths), _FINENESS)
    digits = f"{whole or ''}.{rest}" if rest else str(whole)
    return f"-{digits}" if tenths < 0 else f"{apart}{digits}"


def _title(layout: Layout, title: str, theme: Theme) -> list[str]:
    text = shortened(title, layout.width, TITLE_LETTER_PX)
    return [
        (
            f'<text class="waveflow-ink" y="{TITLE_BASELINE_PX}" fill="{theme.ink.hex}"'
            f' font-family="{_FONT}" font-size="{TITLE_LETTER_PX}" font-weight="600"'
            f' aria-hidden="true">{escape(text)}</text>'
        )
    ]


def _axis(layout: Layout, duration_s: float, theme: Theme) -> list[str]:
    marks = ticks(duration_s, layout.width)
    top = layout.axis_top
    lines = "".join(f"M{_left(mark, layout.width):g} {top}h1v{TICK_PX}h-1z" for mark in marks)
    labels = [_label(mark, layout) for mark in marks]
    return [
        (
            f'<g class="waveflow-ink" fill="{theme.ink.hex}" font-family="{_FONT}"'
            f' font-size="{LETTER_PX}" aria-hidden="true">'
        ),
        f'<path d="{lines}"/>',
        *labels,
        "</g>",
    ]


def _left(mark: Tick, width: int) -> int:
    """A tick is one pixel wide, and inside the picture."""
    return min(int(mark.x), width - 1)


def _label(mark: Tick, layout: Layout) -> str:
    y = layout.axis_top + LABEL_BASELINE_PX
    if mark.x <= 0:
        return f'<text y="{y}">{mark.label}</text>'
    anchor, x = "middle", mark.x
    if layout.width - mark.x < 3 * len(mark.label):
        anchor, x = "end", float(layout.width)
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{mark.label}</text>'
