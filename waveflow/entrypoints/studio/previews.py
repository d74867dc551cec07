"""WAV files for browsers that don't play what was uploaded: made once, by the codec's children."""

from __future__ import annotations

import secrets
from pathlib import Path
from threading import Lock

from attrs import field, frozen

from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioLimits


@frozen
class Previews:
    """Makes them, one after the other, and keeps them in `folder`."""

    folder: Path
    codec: AudioCodec
    limits: AudioLimits
    _making: Lock = field(factory=Lock)

    def of(self, name: str, source: Path) -> Path:
        """A WAV file, mono and of 16 bits, of the audio at `source`.

        Raises:
            PermanentError: when `source` can't be decoded.
            TransientError: when it can't be now.
            OSError: when there is no room for it, or `source` has gone.
        """
        preview = self.folder / f"{name}.wav"
        with self._making:
            if not _is_of(preview, source):
                self.folder.mkdir(parents=True, exist_ok=True)
                new = self.folder / f".{secrets.token_hex(8)}"
                try:
                    # A mix of one stem is that stem, as a browser plays it.
                    self.codec.mix([source], new, 1, self.limits)
                    new.replace(preview)
                finally:
                    new.unlink(missing_ok=True)
        return preview


def _is_of(preview: Path, source: Path) -> bool:
    """Whether it was made of this very file: with a new board, ids begin anew."""
    return preview.exists() and preview.stat().st_mtime_ns >= source.stat().st_mtime_ns
