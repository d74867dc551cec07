"""Messages as the main server writes them, parsed strictly into commands.

Three forms: bare (a hash request without `task`), flat (`task` beside the fields) and nested
(`task`, `id`, `args`, `kwargs`). Unknown fields are ignored; a wrong type or a missing required
field is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import cattrs
from attrs import fields_dict, frozen
from cattrs.gen import make_dict_structure_fn, override

from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
    Timestamp,
)
from waveflow.application.delivery import ParsedMessage, RefusedMessage, UnreadableMessage
from waveflow.application.events import Failure
from waveflow.application.failures import StageSubject, StemSubject, Subject
from waveflow.application.strict_json import is_text, kind_of, parse_json, strict_converter, texts
from waveflow.application.strict_json import text as checked_text
from waveflow.domain.errors import InvalidMessage
from waveflow.domain.keys import basename

HASH_TASK = "app.tasks.generate_hash_and_webhook"
DUPLICATE_TASK = "app.tasks.process_duplicate_file"
ANALYSIS_TASK = "app.tasks.process_audio_analysis"
MIX_TASK = "app.tasks.mix_stems_and_upload"
HEALTH_TASK = "health_check"
CLEANUP_TASK = "cleanup_temp_files"
_TASK_PREFIX = "app.tasks."

WIRE_NAMES = {
    "stem_id": "stemId",
    "user_id": "userId",
    "track_id": "trackId",
    "stage_id": "stageId",
    "upstream_id": "upstreamId",
}
"""Fields that the wire spells differently; all others have the same name on both sides."""

_REQUESTS: Mapping[str, type[Command]] = {
    HASH_TASK: HashRequest,
    DUPLICATE_TASK: DuplicateRequest,
    ANALYSIS_TASK: AnalysisRequest,
    MIX_TASK: MixRequest,
    HEALTH_TASK: HealthRequest,
    _TASK_PREFIX + HEALTH_TASK: HealthRequest,
    CLEANUP_TASK: CleanupRequest,
    _TASK_PREFIX + CLEANUP_TASK: CleanupRequest,
}


@frozen
class _Envelope:
    task: str
    task_id: str | None
    fields: dict[str, Any]


@frozen
class MessageParser:
    """Turns the body of a queue message into a command.

    Attributes:
        default_num_peaks: for analysis requests that don't say.
    """

    default_num_peaks: int

    def parse(self, body: str) -> ParsedMessage:
        """The command in `body`.

        Raises:
            UnreadableMessage: when it can't be told what the message is about.
            RefusedMessage: when it names its stem or stage, but is malformed.
        """
        envelope = _open(_json_object(body))
        request = _REQUESTS[envelope.task]
        # Null means absent.
        fields = {name: value for name, value in envelope.fields.items() if value is not None}
        if request is AnalysisRequest:
            fields.setdefault("num_peaks", self.default_num_peaks)
        try:
            return ParsedMessage(_CONVERTER.structure(fields, request), envelope.task_id)
        except cattrs.ClassValidationError as error:
            _refuse(envelope, f"{envelope.task}: {'; '.join(_problems(error))}.")


def _json_object(body: str) -> dict[str, Any]:
    try:
        document = parse_json(body)
    except ValueError as error:
        raise UnreadableMessage(f"The message is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnreadableMessage(
            f"The message is JSON, but {type(document).__name__} and not an object."
        )
    return document


def _open(document: dict[str, Any]) -> _Envelope:
    task, task_id = document.get("task"), document.get("id")
    if task is None:
        if "stemId" in document or "filepath" in document:
            return _Envelope(HASH_TASK, None, document)
        raise UnreadableMessage(
            "The message names no task, and is no bare hash request either"
            " (stemId and filepath are missing)."
        )
    if not isinstance(task, str):
        raise UnreadableMessage(f"The message's task is {kind_of(task)}, not text.")
    if task not in _REQUESTS:
        raise UnreadableMessage(
            f"The message names no known task: {task[:100]!r}. Known are: {', '.join(_REQUESTS)}."
        )
    nested = "kwargs" in document or "args" in document
    fields = document.get("kwargs") if nested else document
    fields = {} if fields is None else fields
    envelope = _Envelope(task, task_id if is_text(task_id) else None, fields)
    if not isinstance(fields, dict):
        raise UnreadableMessage(f"{task}: kwargs is {kind_of(fields)}, not an object.")
    if nested and document.get("args"):
        _refuse(envelope, f"{task}: args must be empty; name the fields in kwargs.")
    return envelope


def _refuse(envelope: _Envelope, problem: str) -> NoReturn:
    subject = _subject(envelope)
    if subject is None:
        raise UnreadableMessage(problem)
    raise RefusedMessage(Failure(problem, InvalidMessage.default_code), subject, envelope.task_id)


def _subject(envelope: _Envelope) -> Subject | None:
    """Whom the message is about, as far as its fields have the right type."""

    def text(name: str) -> str | None:
        value = envelope.fields.get(name)
        return value if is_text(value) else None

    stem_id, stage_id = text("stemId"), text("stageId")
    if envelope.task == MIX_TASK and stage_id:
        paths = envelope.fields.get("stem_paths")
        valid = isinstance(paths, list) and all(map(is_text, paths))
        return StageSubject(
            stage_id=stage_id,
            upstream_id=text("upstreamId"),
            stem_paths=tuple(paths) if valid and paths else (),
        )
    if envelope.task != MIX_TASK and stem_id:
        return StemSubject(
            stem_id=stem_id,
            user_id=text("userId"),
            track_id=text("trackId"),
            upstream_id=text("upstreamId"),
            original_filename=text("original_filename") or basename(text("filepath") or "") or None,
        )
    return None


def _stem_paths(value: Any, _: Any) -> tuple[str, ...]:
    paths = texts(value)
    if not paths:
        raise ValueError("must name at least one stem, but is empty")
    return paths


def _timestamp(value: Any, _: Any) -> Timestamp | None:
    if isinstance(value, str):
        return checked_text(value)
    if value is None or (isinstance(value, Timestamp) and not isinstance(value, bool)):
        return value
    raise TypeError(f"must be text or a number, but is {kind_of(value)}")


def _make_converter() -> cattrs.Converter:
    converter = strict_converter()
    converter.register_structure_hook(Timestamp | None, _timestamp)
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _stem_paths)
    for request in set(_REQUESTS.values()):
        renamed = {
            name: override(rename=WIRE_NAMES.get(name, name)) for name in fields_dict(request)
        }
        hook = make_dict_structure_fn(request, converter, **renamed)  # type: ignore[arg-type]
        converter.register_structure_hook(request, hook)
    return converter


_CONVERTER = _make_converter()


def _problems(error: cattrs.ClassValidationError) -> list[str]:
    noted, unnoted = error.group_exceptions()
    problems = []
    for cause, note in noted:
        name = WIRE_NAMES.get(note.name, note.name)
        missing = isinstance(cause, KeyError)
        problems.append(f"{name} {'is missing' if missing else cause}")
    return problems + [str(cause) for cause in unnoted]
