"""`waveflow render`: pictures of waveforms."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waveflow.entrypoints.cli.output import (
    SOURCE,
    json_option,
    print_facts,
    print_json,
    regular_files,
)
from waveflow.entrypoints.cli.reading import reading
from waveflow.entrypoints.cli.whole_numbers import WholeNumber
from waveflow.entrypoints.pictures.colours import Colour, parse_colour
from waveflow.entrypoints.pictures.sizes import (
    DEFAULT_HEIGHT,
    DEFAULT_WIDTH,
    MOST_HEIGHT,
    MOST_PADDING,
    MOST_WIDTH,
    PADDING_PX,
)
from waveflow.entrypoints.pictures.themes import THEMES, Style

if TYPE_CHECKING:
    from waveflow.entrypoints.pictures.render import Format, Picture, Wish

_STANDARD_OUTPUT = Path("-")
_OUTPUT = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)


class _Colour(click.ParamType[Colour | None]):
    """A colour as CSS writes it, or where `transparent` is one, None for that."""

    name = "colour"

    def __init__(self, *, transparent: bool = False) -> None:
        self._transparent = transparent

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Colour | None:
        if self._transparent and str(value).lower() in ("transparent", "none"):
            return None
        try:
            return parse_colour(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("source", type=SOURCE)
@click.option(
    "-o",
    "--output",
    type=_OUTPUT,
    required=True,
    help="The picture to write, .png or .svg; - for standard output, with --format.",
)
@click.option(
    "--format", "kind", type=click.Choice(["png", "svg"]), help="Rather than by the suffix."
)
@click.option(
    "--width",
    type=WholeNumber(1, MOST_WIDTH),
    default=DEFAULT_WIDTH,
    show_default=True,
    help="In pixels.",
)
@click.option(
    "--height",
    type=WholeNumber(1, MOST_HEIGHT),
    default=DEFAULT_HEIGHT,
    show_default=True,
    help="In pixels, with axis and title.",
)
@click.option(
    "--theme",
    type=click.Choice(THEMES),
    default="auto",
    show_default=True,
    help="Colours for a light or for a dark page; auto suits both.",
)
@click.option(
    "--colour", "--color", "wave", type=_Colour(), help="Of the wave: orange, #f80, #ff8800 …"
)
@click.option(
    "--background",
    type=_Colour(transparent=True),
    help="A colour, or transparent.  [default: transparent]",
)
@click.option(
    "--padding",
    type=WholeNumber(0, MOST_PADDING),
    help=f"Pixels around all of it.  [default: 0, or {PADDING_PX} around texts on a background]",
)
@click.option(
    "--axis/--no-axis", default=None, help="A time axis.  [default: where there is room for one]"
)
@click.option("--title", help="A line of text above the wave.")
@click.option("--split-channels", is_flag=True, help="A wave for each channel, not for their mean.")
@click.option(
    "--scale",
    type=click.Choice(["absolute", "normalised"]),
    default="absolute",
    show_default=True,
    help="What reaches the edges: full scale, or the loudest sample.",
)
@json_option
def render(
    source: str,
    output: Path,
    kind: Format | None,
    width: int,
    height: int,
    theme: str,
    wave: Colour | None,
    background: Colour | None,
    padding: int | None,
    axis: bool | None,
    title: str | None,
    split_channels: bool,
    scale: str,
    as_json: bool,
) -> None:
    """Draw the waveform of SOURCE as a picture, PNG or SVG.

    SOURCE is audio, or a waveform file: JSON of `waveflow analyze`, JSON or .dat of audiowaveform.

    The light wave reaches from the lowest to the highest sample, the strong one within it as far
    as the RMS level. That one is left out of waveform files, which don't have it, and where a
    pixel is less than 10 ms wide.

    \b
    Examples:
      waveflow render song.wav -o song.png
      waveflow render song.flac -o song.svg --width 800 --height 160 --title "Song"
      waveflow render song.json -o song.png --colour tomato --background white
      waveflow render song.wav -o - --format svg --no-axis > song.svg
    """
    [path] = regular_files((source,))
    kind = kind or _format_of(output)
    if as_json and output == _STANDARD_OUTPUT:
        raise click.UsageError("Standard output can't have both the picture and --json.")
    if output == _STANDARD_OUTPUT:
        _require_place(kind)
    from waveflow.entrypoints.pictures.render import Wish

    wish = Wish(
        kind,
        width,
        height,
        Style(theme, wave, background),
        axis,
        title,
        split_channels,
        normalised=scale == "normalised",
        padding=padding,
    )
    _render(path, output, wish, as_json)


def _require_place(kind: Format) -> None:
    """Refuse a standard output that would lose the picture, or show it as noise."""
    if sys.stdout is None:
        raise click.UsageError("Standard output is closed; name a file with -o.")
    if kind == "png" and sys.stdout.isatty():
        raise click.UsageError("A terminal can't show a PNG; send it to a file: > song.png")


def _format_of(output: Path) -> Format:
    from waveflow.entrypoints.pictures.files import format_of

    if output == _STANDARD_OUTPUT:
        raise click.UsageError("Say which picture standard output gets: --format png or svg.")
    try:
        return format_of(output)
    except ValueError as error:
        raise click.UsageError(f"{error} Or say which with --format png or svg.") from error


def _render(path: Path, output: Path, wish: Wish, as_json: bool) -> None:
    from waveflow.entrypoints.new_files import writable
    from waveflow.entrypoints.pictures.files import render_to
    from waveflow.entrypoints.pictures.render import render as drawn

    doing = f"Drawing {path.name}"
    if output == _STANDARD_OUTPUT:
        with reading(doing, [path]):
            content = drawn(path, wish).content
        click.echo(content, nl=False)
        return
    destination = writable(output, [path])
    with reading(doing, [path]):
        picture = render_to(path, destination, wish)
    facts = _facts(output, picture, wish)
    if as_json:
        print_json(facts)
        return
    print_facts(
        {
            "picture": output,
            "size": f"{wish.width} x {wish.height} pixels, {len(picture.content):,} bytes",
            "duration": f"{picture.wave.duration_s:.3f} s",
            "channels": picture.wave.channels,
        }
    )


def _facts(output: Path, picture: Picture, wish: Wish) -> dict[str, Any]:
    return {
        "picture": str(output),
        "format": wish.format,
        "width": wish.width,
        "height": wish.height,
        "bytes": len(picture.content),
        "title": picture.title,
        "duration": picture.wave.duration_s,
        "sample_rate": picture.wave.sample_rate_hz,
        "channels": picture.wave.channels,
        "waves": picture.wave.lanes,
    }
