"""Every error WaveFlow raises on purpose, in one tree.

WaveFlowError
├── PermanentError           repeating cannot help: report the failure, acknowledge
│   ├── InvalidMessage       the message names its stem or stage, but can't be carried out
│   ├── MessageExpired       the message came after the time limit that its sender set
│   ├── InvalidKey           a storage key or an id that can't become part of one
│   ├── ObjectNotFound       nothing is stored under the key
│   ├── EmptyObject          the stored object has no bytes
│   ├── InvalidAudio         not audio, damaged, or outside what counts as audio
│   │   ├── NotAudio
│   │   ├── TruncatedAudio
│   │   └── DecoderFailed    the decoder crashed, hung or ran out of memory
│   ├── UnsupportedAudio     recognised, but not on the list of what is decoded
│   ├── UnreadableStem       one stem of a mix met one of the above
│   ├── AudioTooLarge        more bytes, or more seconds, than the limits allow
│   ├── NotAWaveform         a file that was to be drawn is no waveform
│   └── DeletionRefused      deleting this copy could lose the recording
└── TransientError           may work later: back off, don't acknowledge
    ├── StorageUnavailable
    ├── NotifierUnavailable
    ├── QueueUnavailable
    ├── NoDeadLetterQueue    there is nowhere to park a message
    ├── WorkInterrupted      broken off for no fault of its own: give the message back
    │   └── LeaseLost        the message has been delivered again meanwhile
    ├── ObjectChanged        the object is no longer the one that was looked at
    ├── WorkFolderTooSmall   this machine's disk could never hold this one task's files
    └── MachineUnavailable   this machine lacks what the work needs: processes, say
        └── WorkFolderUnavailable

A `PermanentError` reaches a musician through the main server, so its text is one sentence
that says what to do, and `code` is a stable name for programs.
"""

from __future__ import annotations

from typing import ClassVar, Literal

StorageUse = Literal["reading", "writing", "deleting"]
"""What a storage is asked to let be done: each may fail while the others work."""


class WaveFlowError(Exception):
    """Root of all errors that WaveFlow raises on purpose."""


class PermanentError(WaveFlowError):
    """Raised when repeating the same work can't help.

    Attributes:
        code: stable snake_case name of the cause, part of the wire contract.
    """

    default_code: ClassVar[str] = "failed"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel from the compute processes to the parent: keep `code` on the way.
        return _rebuild, (type(self), str(self), self.code)


def _rebuild(cls: type[PermanentError], message: str, code: str) -> PermanentError:
    return cls(message, code=code)


class InvalidMessage(PermanentError):
    """Raised when a message is known for what it asks, but can't be carried out as written."""

    default_code = "invalid_message"


class MessageExpired(PermanentError):
    """Raised when a message comes after the time limit that its sender set."""

    default_code = "message_expired"


class InvalidKey(PermanentError):
    """Raised when a storage key, or an id that would become part of one, isn't allowed."""

    default_code = "invalid_key"


class ObjectNotFound(PermanentError):
    """Raised when nothing is stored under a key."""

    default_code = "object_not_found"


class EmptyObject(PermanentError):
    """Raised when a stored object has no bytes: there is nothing to hash or to draw."""

    default_code = "empty_file"


class InvalidAudio(PermanentError):
    """Raised when a file is damaged, or outside what counts as audio here."""

    default_code = "invalid_audio"


class NotAudio(InvalidAudio):
    """Raised when no known kind of audio is recognised in the content."""

    default_code = "not_audio"


class TruncatedAudio(InvalidAudio):
    """Raised when a file holds fewer frames than its own header announces."""

    default_code = "audio_truncated"


class DecoderFailed(InvalidAudio):
    """Raised when a decoder crashed, hung or ran out of memory on a file.

    `code` says which: `decoder_crashed`, `decoder_timeout`, `decoder_out_of_memory`.
    """

    default_code = "decoder_crashed"


class UnsupportedAudio(PermanentError):
    """Raised when a container or an encoding is recognised but not decoded here."""

    default_code = "unsupported_format"


class AudioTooLarge(PermanentError):
    """Raised when a file has more bytes, or more seconds of audio, than the limits allow."""

    default_code = "file_too_large"


class NotAWaveform(PermanentError):
    """Raised when a file that was to be drawn is no waveform, neither JSON nor `.dat`."""

    default_code = "not_a_waveform"


class UnreadableStem(PermanentError):
    """Raised when one stem keeps a mix from being made.

    Attributes:
        index: which one, counted from 0.
        cause: what it met.
    """

    default_code = "unreadable_stem"

    def __init__(self, index: int, cause: PermanentError) -> None:
        super().__init__(f"Stem {index + 1}: {cause}", code=cause.code)
        self.index = index
        self.cause = cause

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.index, self.cause)


class DeletionRefused(PermanentError):
    """Raised when a copy is kept because deleting it could lose the recording.

    `code` says why: `last_copy`, `content_changed`, `owner_lost`, `unknown_content`,
    `content_lost`.
    """

    default_code = "last_copy"


class TransientError(WaveFlowError):
    """Raised when the same work may succeed later."""


class StorageUnavailable(TransientError):
    """Raised when the storage doesn't answer, or answers with less than it holds.

    Attributes:
        use: what it was asked for; None when no request failed, but what it holds is no use.
    """

    use: StorageUse | None = None


class NotifierUnavailable(TransientError):
    """Raised when a webhook wasn't delivered; the work that it reports is done.

    Attributes:
        retry_after_s: how long the server asked to be left alone, if it did.
        refused: whether a server that is there didn't want this very event.
        too_slow: whether the server has probably taken it in, but didn't answer in time.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        refused: bool = False,
        too_slow: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.refused = refused
        self.too_slow = too_slow


class QueueUnavailable(TransientError):
    """Raised when the queue doesn't answer."""


class NoDeadLetterQueue(TransientError):
    """Raised when a message is to be parked and no dead-letter queue is known."""


class WorkInterrupted(TransientError):
    """Raised when work was broken off for no fault of its own: the service is ending, say.

    The message is given back at once; this never makes it fail.
    """


class LeaseLost(WorkInterrupted):
    """Raised when a message's receipt is stale: another delivery has taken its place."""


class ObjectChanged(TransientError):
    """Raised when a conditional read, write or delete meets another version of the object."""


class WorkFolderTooSmall(TransientError):
    """Raised when the disk could not hold one task's files even if it were empty.

    Other tasks fit, so nothing is wrong with the machine: it counts as the task's own failure.
    """


class MachineUnavailable(TransientError):
    """Raised when this machine lacks what the work needs; another one may do it."""


class WorkFolderUnavailable(MachineUnavailable):
    """Raised when the work folder is full or can't be written."""
