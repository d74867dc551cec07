"""The file that a decoder is given: as it lies, or with a lying header corrected."""

from __future__ import annotations

import io
from typing import BinaryIO

from waveflow.adapters.codec.containers.parsed import ParsedFile
from waveflow.adapters.codec.containers.splice import SplicedFile

_BUFFER_BYTES = 64 * 1024


def decodable(file: BinaryIO, parsed: ParsedFile) -> io.BufferedReader | None:
    """A view of `file` from which a decoder gets every frame; None when it needs no view.

    The view is read-only, takes 64 KiB whatever the file's size, and needs `file` open.
    """
    if not parsed.corrected:
        return None
    # MP3 decoders read four bytes at a time: the buffer answers these without Python code.
    return io.BufferedReader(SplicedFile(file, parsed.corrected), _BUFFER_BYTES)
