"""What a message can ask for. Wrong types can't get here: `entrypoints.messages` parses."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import min_len

from waveflow.domain.keys import MessageStamp, basename

Timestamp = str | int | float
"""The sender's own time of a request: handed back as received, never looked at."""


@frozen
class Origin:
    """The message that a command came in.

    Attributes:
        message_id: the queue's name for it, the same at every delivery.
        sent_at_ms: when it was sent, Unix time in milliseconds.
        task_id: the sender's name for it; the message id when the sender gave none.
    """

    message_id: str
    sent_at_ms: int
    task_id: str

    @property
    def stamp(self) -> MessageStamp:
        """The `{timestamp}` of the objects that this message writes."""
        return MessageStamp.of(self.sent_at_ms, self.message_id)

    def event_id(self, event: str, status: str) -> str:
        """The id of one event: from the message, the event and its status, and nothing else."""
        return f"msg_{self.message_id}.{event}.{status.lower()}"


@frozen(kw_only=True)
class HashRequest:
    """Hash an upload and say whether its content is new in its track."""

    stem_id: str
    filepath: str
    user_id: str | None = None
    track_id: str | None = None
    stage_id: str | None = None
    timestamp: Timestamp | None = None
    original_filename: str | None = None

    @property
    def filename(self) -> str:
        """The original file name, else the last part of the key."""
        return self.original_filename or basename(self.filepath)


@frozen(kw_only=True)
class DuplicateRequest:
    """Delete the copy of a recording that the server calls a duplicate."""

    stem_id: str
    filepath: str
    audio_hash: str
    user_id: str | None = None
    track_id: str | None = None

    @property
    def filename(self) -> str:
        """The last part of the key."""
        return basename(self.filepath)


@frozen(kw_only=True)
class AnalysisRequest:
    """Draw the waveform of a stem."""

    stem_id: str
    filepath: str
    num_peaks: int
    audio_hash: str | None = None
    user_id: str | None = None
    track_id: str | None = None
    timestamp: Timestamp | None = None
    original_filename: str | None = None
    upstream_id: str | None = None

    @property
    def filename(self) -> str:
        """The original file name, else the last part of the key."""
        return self.original_filename or basename(self.filepath)


@frozen(kw_only=True)
class MixRequest:
    """Mix the stems of a stage into one track."""

    stage_id: str
    stem_paths: tuple[str, ...] = field(validator=min_len(1))
    upstream_id: str | None = None


@frozen
class HealthRequest:
    """Report how the service is."""


@frozen
class CleanupRequest:
    """Remove what crashed tasks left in the work folder."""


StemRequest = HashRequest | DuplicateRequest | AnalysisRequest
Command = StemRequest | MixRequest | HealthRequest | CleanupRequest
