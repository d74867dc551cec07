"""What is made beside every waveform when a setting says so, and where it goes."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from waveflow.application.extras import Dat, Extras
from waveflow.application.ports import AudioStorage
from waveflow.application.transfer import store_made
from waveflow.domain.keys import dat_key

DAT_CONTENT_TYPE = "application/octet-stream"

_DAT_SHARE = 8
"""A `.dat` has 4 bytes for 512 frames, or 375 a second: an eighth of what speech takes in Opus."""


@frozen
class WaveformOptions:
    """What the settings ask for.

    Attributes:
        levels: whether documents and events say how loud the audio is.
        dat_bits: 8 or 16 for a `.dat` beside each waveform; 0 for none.
    """

    levels: bool = False
    dat_bits: int = 0

    def extras(self, folder: Path) -> Extras:
        """What the codec is asked for; a `.dat` goes into `folder`, which is the task's own."""
        dat = Dat(folder / "waveform.dat", bits=self.dat_bits) if self.dat_bits else None
        return Extras(self.levels, dat)

    def dat_bytes(self, audio_bytes: int) -> int:
        """Room for the `.dat` of a file of that size, as a rule."""
        return audio_bytes // _DAT_SHARE if self.dat_bits else 0


NOTHING_MORE = WaveformOptions()


def store_dat(storage: AudioStorage, waveform_key: str, extras: Extras) -> None:
    """Store the `.dat` that the codec wrote, if any, under `dat_key(waveform_key)`.

    It comes before its waveform, which is the last object of a message.

    Raises:
        DecoderFailed, StorageUnavailable: as `store_made`.
    """
    if extras.dat is not None:
        made = extras.dat.destination
        store_made(storage, dat_key(waveform_key), made, content_type=DAT_CONTENT_TYPE)
