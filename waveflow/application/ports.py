"""The roles that the outside world plays: three for the use cases, and the queue for the worker.

Adapters subclass these protocols explicitly; each port has one contract suite in
`tests/support/contracts/` that all of its adapters pass.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from waveflow.application.events import HashGenerated, StageMixed, StemCompleted
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import TransientError
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis


@frozen
class ObjectStat:
    """What a storage says of one object.

    Attributes:
        etag: opaque name of this version of the object; changes whenever its bytes do.
    """

    key: str
    size_bytes: int
    etag: str


class ObjectStream(Protocol):
    """One version of one object, being read. Iterate once, to the end, for all of its bytes."""

    @property
    @abstractmethod
    def stat(self) -> ObjectStat:
        """The version that is being read."""

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]:
        """The object's bytes in order, in chunks of bounded size.

        Raises:
            StorageUnavailable: when the bytes end before `stat.size_bytes`, or go on after.
            ObjectChanged: when the rest of this version can no longer be read.
        """


@frozen
class IfAbsent:
    """Write only where nothing is stored yet."""


@frozen
class IfMatch:
    """Write only over the version named by `etag`."""

    etag: str


WriteCondition = IfAbsent | IfMatch


class AudioStorage(Protocol):
    """Objects under keys: stems that people uploaded, and what WaveFlow makes of them.

    Every method raises `InvalidKey` for a key that `domain.keys.require_key` refuses or that
    this storage can't hold, and `StorageUnavailable` when the storage doesn't answer.
    """

    @abstractmethod
    def stat(self, key: str) -> ObjectStat:
        """The current version of the object. Raises `ObjectNotFound`."""

    @abstractmethod
    def read(
        self, key: str, *, if_match: str | None = None
    ) -> AbstractContextManager[ObjectStream]:
        """Open one version of the object for reading.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when `if_match` is given and is not the current version.
        """

    @abstractmethod
    def write(
        self,
        key: str,
        body: bytes | Path,
        *,
        content_type: str,
        condition: WriteCondition | None = None,
    ) -> ObjectStat:
        """Store `body` (bytes, or the content of a local file) under `key`, whole or not at all.

        Raises:
            ObjectChanged: when `condition` isn't met; nothing is written.
            OSError: when `body` is a local file that can't be read; `disk_errors.NotAFile` for
                a link, which is not followed, and whatever else is no regular file.
        """

    @abstractmethod
    def delete(self, key: str, *, if_match: str) -> None:
        """Delete the object if it is still the version named by `if_match`.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when another version is; it is kept.
        """

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """All objects whose key begins with `prefix` (any string, also empty), in key order."""


class Notifier(Protocol):
    """Tells the main server what came of a message.

    Every method returns once the server has taken the event in (2xx) and raises
    `NotifierUnavailable` when that is not certain. The same event may be sent again: it
    carries the same `event_id` each time.
    """

    @abstractmethod
    def hash_generated(self, event: HashGenerated) -> None:
        """A stem was hashed: `/hash-check`."""

    @abstractmethod
    def stem_completed(self, event: StemCompleted) -> None:
        """A stem was analysed, deleted as a duplicate, or has failed for good: `/completion`."""

    @abstractmethod
    def stage_mixed(self, event: StageMixed) -> None:
        """A stage was mixed, or its mix has failed for good: `/mixing-complete`."""


class AudioCodec(Protocol):
    """Opens, decodes, resamples and encodes audio files; what is computed is domain code."""

    @abstractmethod
    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        """The waveform of one file, and what `extras` ask for.

        Raises:
            PermanentError: InvalidAudio, UnsupportedAudio or AudioTooLarge, as the file deserves.
            WorkFolderUnavailable: when a file can't be read or written.
        """

    @abstractmethod
    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        """Mix one or more files into a new mono 16-bit WAV file at `destination`.

        The waveform is of the mix before it was rounded; `extras` are made of that file's samples.

        Raises:
            UnreadableStem: names the first file that can't be read, and why.
            AudioTooLarge: when the mix doesn't fit in a WAV file.
        """


MAX_BATCH = 10
"""Messages in one request to a queue, at most, as with SQS."""
LONGEST_LOAN_S = 12 * 3600.0
"""From when a message was received, as with SQS."""


@frozen
class ReceivedMessage:
    """A message on loan from the queue.

    Attributes:
        receipt: names this delivery; another delivery of the message makes it stale.
        receive_count: deliveries so far, this one included.
        sent_at_ms: when the message was sent, Unix time in milliseconds.
        lease_ends_s: monotonic time at which the loan certainly has not ended yet; it may last
            a little longer.
        attributes: what the sender attached to the body.
    """

    message_id: str
    body: str
    receipt: str
    receive_count: int
    sent_at_ms: int
    lease_ends_s: float = math.inf
    attributes: Mapping[str, str] = field(factory=dict)


class MessageQueue(Protocol):
    """A queue with the semantics of SQS: a message that is not deleted comes back.

    Every method raises `QueueUnavailable` when the queue doesn't answer. Methods that take a
    message raise `LeaseLost` when its receipt is stale.
    """

    @abstractmethod
    def receive(self, max_messages: int, wait_s: float) -> list[ReceivedMessage]:
        """Up to `max_messages` (1 to 10); waits up to `wait_s` for the first."""

    @abstractmethod
    def delete(self, message: ReceivedMessage) -> None:
        """The message is dealt with."""

    @abstractmethod
    def change_visibility(self, message: ReceivedMessage, timeout_s: float) -> None:
        """Hide the message for `timeout_s` from now; 0 gives it back at once.

        A message can't be hidden for more than 12 hours after it was received: `timeout_s` is
        cut to what is left of them.
        """

    @abstractmethod
    def change_visibility_of_all(
        self, messages: Sequence[ReceivedMessage], timeout_s: float
    ) -> Mapping[str, TransientError]:
        """The same for any number of messages, in few requests.

        Returns:
            By receipt, what kept a message from being hidden: `LeaseLost` or
            `QueueUnavailable`. Nothing is raised.
        """

    @abstractmethod
    def park(self, message: ReceivedMessage, reason: str) -> None:
        """Move the message to the dead-letter queue, with the reason.

        Raises:
            NoDeadLetterQueue: when there is none; the message stays where it is.
        """

    @abstractmethod
    def send(self, body: str, *, delay_s: float = 0.0) -> str:
        """Put a message on the queue and return its id."""
