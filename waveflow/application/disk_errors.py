"""What goes wrong with local files, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waveflow.domain.errors import WorkFolderUnavailable


class NotAFile(OSError):
    """Raised for a link, a pipe or a folder where a regular file is expected."""


@contextmanager
def translated(root: Path) -> Iterator[None]:
    """Turn a local file error into `WorkFolderUnavailable`, saying what to do."""
    try:
        yield
    except OSError as error:
        raise WorkFolderUnavailable(
            f"The work folder {root} can't be used ({error.strerror or error})."
            " Make room there, or point WAVEFLOW_WORK_DIR at a folder that can be written."
        ) from error
