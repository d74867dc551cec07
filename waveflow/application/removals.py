"""Removals on record: which stems the server has asked to remove, and so knows the hash of."""

from __future__ import annotations

import json

import cattrs
from attrs import asdict, frozen

from waveflow.application.ports import (
    AudioStorage,
    IfAbsent,
    IfMatch,
    ObjectStream,
    WriteCondition,
)
from waveflow.application.strict_json import parse_json, strict_converter
from waveflow.application.transfer import record_body
from waveflow.domain.errors import ObjectNotFound
from waveflow.domain.keys import removal_key

_CONVERTER = strict_converter()


class StemRemoved(ObjectNotFound):
    """Raised when a stem is gone that the server had removed, as a duplicate.

    It asked for that after it had sent the hash request, so it knows the hash already: to tell
    it of a failure would contradict that.
    """


@frozen(kw_only=True)
class Removal:
    """That a stem was to be deleted, because another path holds the same recording.

    All of it comes from the message that asked and from the ledger: another delivery of that
    message writes the same.

    Attributes:
        kept: key of the copy that holds the recording.
        message_id: the message that asked for the removal.
        asked_at_ms: when that message was sent, Unix time in milliseconds.
    """

    path: str
    stem_id: str
    track_id: str | None
    audio_hash: str
    kept: str
    message_id: str
    asked_at_ms: int


def record_removal(storage: AudioStorage, removal: Removal) -> None:
    """Write down, before it happens, that a stem is removed.

    The record of one that was asked for later stays: it excuses all that this one does.

    Raises:
        StorageUnavailable: when the storage doesn't answer; nothing may be deleted then.
        ObjectChanged: when another delivery has written meanwhile; deciding anew is safe.
    """
    key = removal_key(removal.stem_id, removal.path)
    there, condition = _look_up(storage, key)
    if there is not None and there.asked_at_ms >= removal.asked_at_ms:
        return
    body = json.dumps(asdict(removal), ensure_ascii=False, sort_keys=True).encode()
    storage.write(key, body, content_type="application/json", condition=condition)


def find_removal(storage: AudioStorage, stem_id: str, path: str) -> Removal | None:
    """What is on record of the removal of a stem; None for nothing, or nothing legible.

    Raises:
        StorageUnavailable: when the storage doesn't answer.
    """
    return _look_up(storage, removal_key(stem_id, path))[0]


def removal_in(storage: AudioStorage, record_key: str) -> Removal | None:
    """What the record under that key says; None for nothing, or nothing legible.

    Raises:
        StorageUnavailable: when the storage doesn't answer.
    """
    return _look_up(storage, record_key)[0]


def _look_up(storage: AudioStorage, key: str) -> tuple[Removal | None, WriteCondition]:
    """What is on record, if it is legible, and the condition for replacing just that."""
    try:
        with storage.read(key) as stream:
            return _legible(stream), IfMatch(stream.stat.etag)
    except ObjectNotFound:
        return None, IfAbsent()


def _legible(stream: ObjectStream) -> Removal | None:
    try:
        removal: Removal = _CONVERTER.structure(parse_json(record_body(stream)), Removal)
    except (ValueError, TypeError, cattrs.BaseValidationError):
        return None
    return removal
