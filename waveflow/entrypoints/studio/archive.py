"""Everything in one ZIP file, written while it is sent."""

from __future__ import annotations

import io
import time
from collections.abc import Generator
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from attrs import frozen

from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import ObjectNotFound


@frozen
class Member:
    """An object of the storage, and what it is called in the archive."""

    name: str
    key: str


class _Outbox(io.RawIOBase):
    """What was written since it was emptied; it can't be gone back in."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: object) -> int:
        data = bytes(block)  # type: ignore[call-overload]
        self._blocks.append(data)
        return len(data)

    def emptied(self) -> bytes:
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)


def zipped(members: list[Member], storage: AudioStorage) -> Generator[bytes, None, None]:
    """The bytes of a ZIP file of `members`, block by block: stored, as audio doesn't shrink.

    What is no longer in the storage is left out: a duplicate may be deleted meanwhile. Names are
    in UTF-8, and marked so.
    """
    outbox = _Outbox()
    with ZipFile(outbox, "w", ZIP_STORED) as archive:
        for member in members:
            try:
                with storage.read(member.key) as stream:
                    info = ZipInfo(member.name, time.localtime()[:6])
                    info.external_attr = 0o644 << 16
                    with archive.open(info, "w", force_zip64=True) as entry:
                        for block in stream:
                            entry.write(block)
                            yield outbox.emptied()
            except ObjectNotFound:
                continue
            yield outbox.emptied()
    yield outbox.emptied()
