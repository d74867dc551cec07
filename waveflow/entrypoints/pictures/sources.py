"""What a picture is drawn from: audio of any supported format, or a waveform file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from waveflow.domain.audio import NO_LIMITS
from waveflow.domain.errors import EmptyObject, PermanentError
from waveflow.entrypoints.pictures.wave import Wave

_SHORTEST_FOR_RMS_S = 0.01
"""Of a column. Shorter ones don't hold a period of the lower notes: their RMS would flicker."""
_HEAD_BYTES = 64
_DAT_VERSIONS = (b"\x01\0\0\0", b"\x02\0\0\0")


def read_wave(path: Path, width: int, *, split_channels: bool) -> Wave:
    """What a picture of so many columns shows of a file, told by its content.

    Audio is read at the picture's own resolution. A waveform file has another, mostly: it is
    brought down to the picture's, or drawn with as many points as it has.

    Args:
        split_channels: a lane for each channel. Else there is one, for the mean of the channels
            of audio; of a waveform file, which doesn't have that, for all channels together.

    Raises:
        EmptyObject: for a file of 0 bytes.
        PermanentError: when the file is neither, or damaged; the message names it.
        OSError: when it can't be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise EmptyObject(f"{path} is empty (0 bytes). Please export it again.")
    try:
        if _is_waveform(head):
            return _of_waveform(path, split_channels).fitted(width)
        return _of_audio(path, width, split_channels)
    except PermanentError as error:
        raise PermanentError(f"{path}: {error}", code=error.code) from error


def _is_waveform(head: bytes) -> bool:
    """No container of audio begins like JSON, or like the version of a `.dat`."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"{") or head.startswith(_DAT_VERSIONS)


def _of_waveform(path: Path, split_channels: bool) -> Wave:
    from waveflow.application.waveform_files import read_waveform_file

    drawn = read_waveform_file(path)
    low, high, channels = drawn.low, drawn.high, len(drawn.low)
    if not split_channels:
        low, high = low.min(axis=0, keepdims=True), high.max(axis=0, keepdims=True)
    return Wave(low, np.maximum(low, high), None, drawn.duration_s, drawn.sample_rate_hz, channels)


def _of_audio(path: Path, width: int, split_channels: bool) -> Wave:
    from waveflow.adapters.codec.reader import open_reader
    from waveflow.domain.columns import columns_of

    columns = columns_of(
        lambda: open_reader(path, NO_LIMITS), width, NO_LIMITS, split_channels=split_channels
    )
    duration_s = columns.frames / columns.header.sample_rate_hz
    return Wave(
        columns.low,
        columns.high,
        columns.rms if duration_s >= _SHORTEST_FOR_RMS_S * width else None,
        duration_s,
        columns.header.sample_rate_hz,
        columns.header.channels,
    )
