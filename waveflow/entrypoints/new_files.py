"""Files that a command writes: whole or not at all, and never over somebody's recording."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from waveflow.domain.errors import InvalidMessage, PermanentError

if TYPE_CHECKING:
    from waveflow.application.documents import WaveformDocument


def writable(output: Path, sources: Sequence[Path]) -> Path:
    """Where to write `output`, its links followed and its folder made.

    Raises:
        PermanentError: when that would replace one of `sources`, or something that is no file,
            or when its folder can't be made.
    """
    output = output.resolve()
    if output.exists() and not output.is_file():
        raise PermanentError(f"{output} is not a file; name a file to write.", code="not_a_file")
    if output.exists() and any(source.samefile(output) for source in sources):
        raise InvalidMessage(
            f"{output} is one of the recordings and would be overwritten; name another file."
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise PermanentError(
            f"{output} can't be written: {output.parent} is not a folder.", code="not_a_folder"
        ) from error
    except OSError as error:
        raise _not_writable(output, error) from error
    return output


def _not_writable(output: Path, error: OSError) -> PermanentError:
    return PermanentError(
        f"{output} can't be written: nothing can be made in {output.parent} ({error.strerror});"
        " name another place.",
        code="not_writable",
    )


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A folder for what is to become `path`, on the same disk; it is gone on leaving.

    Raises:
        PermanentError: when nothing can be made there.
    """
    try:
        beside = tempfile.TemporaryDirectory(dir=path.parent, prefix=".waveflow-")
    except OSError as error:
        raise _not_writable(path, error) from error
    with beside as folder:
        yield Path(folder)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` on leaving, in place of what was there, unless it fails.

    The mode of the file that was there is kept; a new one has what the umask leaves.

    Raises:
        PermanentError: as `writable`.
    """
    path = writable(path, ())
    with folder_beside(path) as folder:
        # Its name may be as long as a name can be.
        written = folder / f"new{path.suffix[:16]}"
        yield written
        if path.exists():
            written.chmod(path.stat().st_mode & 0o777)
        written.replace(path)


def write_document(path: Path, document: WaveformDocument) -> None:
    """Write a waveform document as the worker stores it, whole or not at all."""
    with new_file(path) as written:
        written.write_bytes(document.encode())
