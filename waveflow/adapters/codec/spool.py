"""A mono signal kept in a file between summing and rounding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.mixing import SampleSpool


class FileSpool(SampleSpool):
    """Samples in a nameless temporary file, gone when it is closed or the process dies."""

    def __init__(self, folder: Path) -> None:
        """Make the file on the disk of `folder`."""
        # Unbuffered: blocks are large, and numpy writes straight from their memory.
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, samples: NDArray[np.float32]) -> None:
        view = samples.data.cast("B")
        while view:
            view = view[self._file.write(view) :]

    def blocks(self, block_frames: int) -> Iterator[NDArray[np.float32]]:
        self._file.seek(0)
        block = np.empty(block_frames, np.float32)
        while size_bytes := self._file.readinto(block.data.cast("B")):
            yield block[: size_bytes // block.itemsize]
