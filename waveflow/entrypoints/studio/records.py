"""What the studio knows of each stem and of each mix, and what the page is told of it."""

from __future__ import annotations

from typing import Any

from attrs import asdict, define, field, frozen

QUEUED, HASHING, DECIDING = "queued", "hashing", "deciding"
ANALYZING, REMOVING, MIXING = "analyzing", "removing", "mixing"
DONE, DUPLICATE, FAILED = "done", "duplicate", "failed"
ENDS = (DONE, DUPLICATE, FAILED)
"""Steps that nothing follows."""


@frozen
class Entry:
    """One step that was taken.

    Attributes:
        at_s: seconds since the upload.
    """

    step: str
    at_s: float
    sentence: str


@frozen
class Problem:
    """Why something has failed for good: a sentence that says what to do, and its code."""

    sentence: str
    code: str


@frozen
class Measured:
    """What `/completion` says of a stem.

    Attributes:
        levels: as the waveform document has them.
    """

    duration_s: float | None = None
    sample_rate_hz: int | None = None
    num_peaks: int | None = None
    processing_time_s: float | None = None
    levels: dict[str, Any] | None = None


@define
class StemRecord:
    """One upload, from its first byte to what came of it.

    Attributes:
        key: where the upload is stored.
        uploaded_at_s: Unix time.
        step: the last one of `history`.
        duplicate_of: id of the stem that holds the same recording.
        waveform_key, dat_key: where its waveform is stored, once it is.
        has_audio: whether the upload is still there.
    """

    stem_id: str
    name: str
    key: str
    size_bytes: int
    uploaded_at_s: float
    history: list[Entry] = field(factory=list)
    audio_hash: str | None = None
    verdict: str | None = None
    duplicate_of: str | None = None
    error: Problem | None = None
    measured: Measured = field(factory=Measured)
    waveform_key: str | None = None
    dat_key: str | None = None
    has_audio: bool = True

    @property
    def step(self) -> str:
        """Where it is."""
        return self.history[-1].step if self.history else QUEUED

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.step in ENDS

    def take(self, step: str, sentence: str, now_unix_s: float) -> None:
        """Note a step."""
        at_s = round(max(now_unix_s - self.uploaded_at_s, 0.0), 3)
        self.history.append(Entry(step, at_s, sentence))

    def as_data(self, names: dict[str, str]) -> dict[str, Any]:
        """What the page is told.

        Args:
            names: of all stems, by their ids.
        """
        first = self.duplicate_of
        return {
            "stem_id": self.stem_id,
            "name": self.name,
            "size_bytes": self.size_bytes,
            "step": self.step,
            "history": [asdict(entry) for entry in self.history],
            "audio_hash": self.audio_hash,
            "duplicate_of": {"stem_id": first, "name": names.get(first, first)} if first else None,
            "error": asdict(self.error) if self.error else None,
            **asdict(self.measured),
            "has_audio": self.has_audio,
            "has_waveform": self.waveform_key is not None,
            "has_dat": self.dat_key is not None,
        }


@define
class MixRecord:
    """One mix that was asked for.

    Attributes:
        mix_id: also the id of its stage.
        gain_db: what the sum was scaled by, so that it doesn't clip; 0 for not at all.
        mix_key, waveform_key, dat_key: where it is stored, once it is.
    """

    mix_id: str
    stem_ids: list[str]
    step: str = QUEUED
    error: Problem | None = None
    duration_s: float | None = None
    gain_db: float | None = None
    levels: dict[str, Any] | None = None
    mix_key: str | None = None
    waveform_key: str | None = None
    dat_key: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.step in ENDS

    def as_data(self) -> dict[str, Any]:
        """What the page is told."""
        return {
            "mix_id": self.mix_id,
            "stem_ids": self.stem_ids,
            "step": self.step,
            "error": asdict(self.error) if self.error else None,
            "duration_s": self.duration_s,
            "gain_db": self.gain_db,
            "levels": self.levels,
            "has_audio": self.mix_key is not None,
            "has_waveform": self.waveform_key is not None,
            "has_dat": self.dat_key is not None,
        }
