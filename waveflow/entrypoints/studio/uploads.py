"""Taking an upload in: from the request to a file, within what there is room for."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from anyio import to_thread
from attrs import field, frozen
from starlette.requests import Request

from waveflow.entrypoints.studio.refusals import Refused

KEPT_FREE_BYTES = 256 * 1024**2
"""Of the disk; a full one hurts more than this studio."""
_COPIES = 3
"""Of an upload while it is taken in and worked on: the file here, the stored one, the worker's."""
_MIB = 1024**2


@frozen
class Uploads:
    """Where uploads lie while they come in.

    Attributes:
        folder: on the disk of the studio's folder.
        free_bytes: how much room there is.
    """

    folder: Path
    most_bytes: int
    free_bytes: partial[int] = field()

    @free_bytes.default
    def _free_bytes(self) -> partial[int]:
        return partial(_free_bytes_of, self.folder)

    @asynccontextmanager
    async def taken(self, request: Request) -> AsyncIterator[Path]:
        """The body of `request` as a file, for the length of the block.

        Raises:
            Refused: 400 for an empty body, 413 for too long a one, 507 when there is no room, or
                the folder can't be written to.
            ClientDisconnect: when it broke off; nothing of it is left.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdecimal():
            self._require_room(int(announced), int(announced))
        with ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                temporary = NamedTemporaryFile(dir=self.folder, prefix=".upload-")  # noqa: SIM115
                file = stack.enter_context(temporary)
                await self._copy(request, file)
            except OSError as error:
                raise self._unwritable(error) from error
            yield Path(file.name)

    async def _copy(self, request: Request, file: IO[bytes]) -> None:
        size_bytes, looked_at_bytes = 0, 0
        blocks: list[bytes] = []
        # Blocks go to the disk from a thread: others are waiting for the loop.
        async for block in request.stream():
            blocks.append(block)
            size_bytes += len(block)
            if size_bytes - looked_at_bytes >= _MIB:
                self._require_room(size_bytes, size_bytes - looked_at_bytes)
                looked_at_bytes = size_bytes
                await to_thread.run_sync(_write, file, blocks)
                blocks = []
        self._require_room(size_bytes, 0)
        await to_thread.run_sync(_write, file, blocks)
        if not size_bytes:
            raise Refused(
                400,
                "The file is empty (0 bytes). Please export it and upload it again.",
                "empty_file",
            )

    def _unwritable(self, error: OSError) -> Refused:
        return Refused(
            507,
            f"Nothing can be written to {self.folder.parent}: {error.strerror}. Look at that disk,"
            " or start the studio with --folder on another one.",
            "disk_full",
        )

    def _require_room(self, size_bytes: int, coming_bytes: int) -> None:
        if size_bytes > self.most_bytes:
            raise Refused(
                413,
                f"The file is larger than {self.most_bytes / _MIB:g} MB, which is the limit here."
                " Upload a smaller one, as FLAC perhaps, or start the studio with a larger"
                " --max-upload-mb.",
                "file_too_large",
            )
        if self.free_bytes() < coming_bytes * _COPIES + KEPT_FREE_BYTES:
            raise Refused(
                507,
                f"The disk with {self.folder.parent} is almost full. Make room there, or start the"
                " studio with --folder on another disk.",
                "disk_full",
            )


def _free_bytes_of(folder: Path) -> int:
    return shutil.disk_usage(folder if folder.exists() else folder.parent).free


def _write(file: IO[bytes], blocks: list[bytes]) -> None:
    file.writelines(blocks)
    file.flush()
