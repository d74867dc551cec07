"""Pictures as files: which kind a name asks for, and writing one whole or not at all."""

from __future__ import annotations

from pathlib import Path

from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.new_files import new_file
from waveflow.entrypoints.pictures.render import Format, Picture, Wish, render
from waveflow.entrypoints.printable import printable

_FORMATS: dict[str, Format] = {".png": "png", ".svg": "svg"}


def format_of(path: Path) -> Format:
    """What the suffix asks for. Raises `ValueError` for any but .png and .svg."""
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        name = printable(str(path))
        raise ValueError(f"{name} ends neither in .png nor in .svg; pictures are made as these.")
    return kind


def render_to(source: Path, output: Path, wish: Wish) -> Picture:
    """Draw `source` and write the picture to `output`.

    Raises:
        PermanentError: when it can't be drawn or written. What was at `output` is still there.
    """
    picture = render(source, wish)
    try:
        with new_file(output) as written:
            written.write_bytes(picture.content)
    except OSError as error:
        raise PermanentError(
            f"{output} can't be written ({error.strerror}); name another place with -o.",
            code="not_writable",
        ) from error
    return picture
