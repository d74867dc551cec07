"""What the main server is told. `adapters.notifier.wire` turns these into webhook bodies."""

from __future__ import annotations

from attrs import frozen

from waveflow.domain.content import ContentHash
from waveflow.domain.errors import PermanentError
from waveflow.domain.levels import Levels


@frozen
class HashGenerated:
    """A stem was hashed.

    Attributes:
        event_id: the same for every attempt at this event.
        duplicate_of: key of the copy that owns this content in the track; None when it is
            this one.
    """

    event_id: str
    stem_id: str
    user_id: str | None
    track_id: str | None
    stage_id: str | None
    filepath: str
    audio_hash: ContentHash
    timestamp: str | int | float | None
    original_filename: str
    duplicate_of: str | None


@frozen
class StemAnalyzed:
    """The waveform of a stem is stored.

    Attributes:
        levels: None where they weren't asked for.
        dat_path: key of the `.dat` beside the waveform; None where there is none.
    """

    audio_hash: ContentHash
    waveform_path: str
    size_bytes: int
    duration_s: float
    sample_rate_hz: int
    num_peaks: int
    levels: Levels | None = None
    dat_path: str | None = None


@frozen
class DuplicateDeleted:
    """The copy that was called a duplicate is gone, and its owner holds the recording."""

    audio_hash: ContentHash


@frozen
class Failure:
    """The work has failed for good; `error` is a sentence for a musician."""

    error: str
    code: str

    @classmethod
    def of(cls, error: PermanentError) -> Failure:
        """The failure that `error` stands for."""
        return cls(str(error), error.code)


@frozen
class StemCompleted:
    """A message about one stem has come to its end.

    Attributes:
        completed_at: UTC, ISO 8601 with microseconds and `Z`.
    """

    event_id: str
    stem_id: str
    user_id: str | None
    track_id: str | None
    upstream_id: str | None
    original_filename: str | None
    completed_at: str
    processing_time_s: float
    outcome: StemAnalyzed | DuplicateDeleted | Failure


@frozen
class MixStored:
    """The mix of a stage and its waveform are stored; the rest is as of `StemAnalyzed`."""

    mix_path: str
    waveform_path: str
    levels: Levels | None = None
    dat_path: str | None = None


@frozen
class StageMixed:
    """A message about one stage has come to its end.

    Attributes:
        processed_at: UTC, ISO 8601 with microseconds and `Z`.
    """

    event_id: str
    stage_id: str
    upstream_id: str | None
    task_id: str
    stem_paths: tuple[str, ...]
    processed_at: str
    outcome: MixStored | Failure


Event = HashGenerated | StemCompleted | StageMixed
