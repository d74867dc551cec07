"""Webhook bodies read back as events, so that what was told once can be told again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import cattrs

from waveflow.adapters.notifier.wire import (
    COMPLETION,
    HASH_CHECK,
    MIXING_COMPLETE,
    SUCCESS,
    WebhookRequest,
    completion,
    hash_check,
    mixing_complete,
)
from waveflow.application.events import (
    DuplicateDeleted,
    Event,
    Failure,
    HashGenerated,
    MixStored,
    StageMixed,
    StemAnalyzed,
    StemCompleted,
)
from waveflow.application.strict_json import strict_converter, text
from waveflow.domain.content import ContentHash
from waveflow.domain.errors import InvalidMessage, PermanentError
from waveflow.domain.levels import Levels

_Made = TypeVar("_Made")

_LEFT_OUT = re.compile(r"… \(\d+ more\)\Z|\[secret\]")
"""What stands in a log line where a text was too long, or had a secret in it."""


def event_told(endpoint: str, event_id: str, body: Mapping[str, Any]) -> Event:
    """The event whose webhook had this body, which is exactly what it has when it is sent again.

    Raises:
        InvalidMessage: when it isn't whole, was altered, or is of another version.
    """
    if endpoint not in _READERS:
        raise InvalidMessage(f"There is no endpoint {endpoint!r}; it can't be sent.")
    if any(_LEFT_OUT.search(each) for each in _texts(body)):
        raise InvalidMessage("Its body was shortened for the log; it can't be sent as it was.")
    try:
        event = _READERS[endpoint](event_id, body)
        # Python reads NaN and Infinity, which are no JSON and were never sent.
        json.dumps(body, allow_nan=False)
    except (KeyError, TypeError, ValueError, PermanentError, cattrs.BaseValidationError) as error:
        raise InvalidMessage("Its body is not whole; it can't be sent as it was.") from error
    if request_of(event).body != body:
        raise InvalidMessage("Its body is not as this version writes it; it can't be sent.")
    return event


def request_of(event: Event) -> WebhookRequest:
    """The POST that tells of `event`."""
    match event:
        case HashGenerated():
            return hash_check(event)
        case StemCompleted():
            return completion(event)
        case StageMixed():
            return mixing_complete(event)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(name)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _hash_generated(event_id: str, body: Mapping[str, Any]) -> Event:
    return _structured(
        HashGenerated,
        event_id=event_id,
        stem_id=body["stemId"],
        user_id=body["userId"],
        track_id=body["trackId"],
        stage_id=body["stageId"],
        filepath=body["filepath"],
        audio_hash=body["audio_hash"],
        timestamp=body["timestamp"],
        original_filename=body["original_filename"],
        duplicate_of=body["duplicate_of"],
    )


def _stem_completed(event_id: str, body: Mapping[str, Any]) -> Event:
    return _structured(
        StemCompleted,
        event_id=event_id,
        stem_id=body["stemId"],
        user_id=body["userId"],
        track_id=body["trackId"],
        upstream_id=body["upstreamId"],
        original_filename=body["original_filename"],
        completed_at=body["timestamp"],
        processing_time_s=body["processing_time"],
        outcome=_stem_outcome(body["status"], body["result"]),
    )


def _stem_outcome(
    status: str, result: Mapping[str, Any]
) -> StemAnalyzed | DuplicateDeleted | Failure:
    if status != SUCCESS:
        return _structured(Failure, **result)
    if "isDuplicate" in result:
        return _structured(DuplicateDeleted, audio_hash=result["audio_data_hash"])
    return _structured(
        StemAnalyzed,
        audio_hash=result["audio_data_hash"],
        waveform_path=result["waveform_data_path"],
        size_bytes=result["file_size"],
        duration_s=result["duration"],
        sample_rate_hz=result["sample_rate"],
        num_peaks=result["num_peaks"],
        **_extras(result),
    )


def _stage_mixed(event_id: str, body: Mapping[str, Any]) -> Event:
    outcome: MixStored | Failure
    if body["status"] == SUCCESS:
        outcome = _structured(
            MixStored,
            mix_path=body["mixed_file_path"],
            waveform_path=body["waveform_data_path"],
            **_extras(body),
        )
    else:
        outcome = _structured(Failure, **body["result"])
    return _structured(
        StageMixed,
        event_id=event_id,
        stage_id=body["stageId"],
        upstream_id=body["upstreamId"],
        task_id=body["task_id"],
        stem_paths=body["stem_paths"],
        processed_at=body["processed_at"],
        outcome=outcome,
    )


def _extras(body: Mapping[str, Any]) -> dict[str, Any]:
    names = {"levels": "levels", "waveform_dat_path": "dat_path"}
    return {names[key]: body[key] for key in names if key in body}


def _structured(kind: type[_Made], **fields: Any) -> _Made:
    return _CONVERTER.structure(fields, kind)


def _timestamp(value: Any, _: Any) -> Any:
    if value is None or type(value) in (int, float):
        return value
    return text(value)


def _make_converter() -> cattrs.Converter:
    converter = strict_converter()
    converter.register_structure_hook(ContentHash, lambda value, _: ContentHash(text(value)))
    converter.register_structure_hook(str | int | float | None, _timestamp)
    converter.register_structure_hook(Levels | None, lambda value, _: Levels.from_data(value))
    for made in (StemAnalyzed | DuplicateDeleted | Failure, MixStored | Failure):
        converter.register_structure_hook(made, lambda value, _: value)
    return converter


_CONVERTER = _make_converter()
_READERS: Mapping[str, Callable[[str, Mapping[str, Any]], Event]] = {
    HASH_CHECK: _hash_generated,
    COMPLETION: _stem_completed,
    MIXING_COMPLETE: _stage_mixed,
}
