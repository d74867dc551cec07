"""Messages parsed strictly into commands.

What form a message has is told by `kombu_envelope` and `celery_messages`; here the fields become
a command, or a sentence says what is wrong with them. Unknown fields are ignored; a wrong type or
a missing required field is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

import cattrs
from attrs import Factory, field, fields_dict, frozen
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
from waveflow.application.events import Failure
from waveflow.application.failures import StageSubject, StemSubject, Subject
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage, UnreadableMessage
from waveflow.application.strict_json import is_text, kind_of, strict_converter, texts
from waveflow.application.strict_json import text as checked_text
from waveflow.domain.errors import InvalidMessage
from waveflow.domain.keys import basename
from waveflow.entrypoints.celery_messages import Call, Schedule, call_in, schedule_of
from waveflow.entrypoints.kombu_envelope import unwrap

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


_REMEMBERED = 128
_REMEMBERED_CHARACTERS = 8192
"""Longer bodies, of up to a megabyte, are taken apart anew each time."""


@frozen
class _Order:
    """A call of a known task, with fields to read, and what is wrong with the rest of it."""

    task: str
    task_id: str | None
    fields: dict[str, Any]
    schedule: Schedule
    problems: list[str]


@frozen
class MessageParser:
    """Turns the body of a queue message into a command.

    What it made of the latest bodies is remembered: the poller, the log and the slot ask in turn.

    Attributes:
        default_num_peaks: for analysis requests that don't say.
    """

    default_num_peaks: int
    _remembering: Callable[[str], ParsedMessage] = field(
        default=Factory(lambda self: lru_cache(_REMEMBERED)(self._parse), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )

    def parse(self, body: str) -> ParsedMessage:
        """The command in `body`, and when to carry it out.

        Raises:
            UnreadableMessage: when it can't be told what the message is about.
            RefusedMessage: when it names its stem or stage, but is malformed.
        """
        is_short = len(body) <= _REMEMBERED_CHARACTERS
        return self._remembering(body) if is_short else self._parse(body)

    def _parse(self, body: str) -> ParsedMessage:
        order = _order(call_in(unwrap(body), bare_task=HASH_TASK))
        problems = list(order.problems)
        try:
            command = self._command(order)
        except cattrs.ClassValidationError as error:
            problems += _problems(error)
        if problems:
            _refuse(order, f"{order.task}: {'; '.join(problems)}.")
        schedule = order.schedule
        return ParsedMessage(
            command,
            order.task_id,
            not_before_s=schedule.not_before_s,
            expires_s=schedule.expires_s,
            earlier_tries=schedule.earlier_tries,
        )

    def _command(self, order: _Order) -> Command:
        request = _REQUESTS[order.task]
        # Null means absent.
        fields = {name: value for name, value in order.fields.items() if value is not None}
        if request is AnalysisRequest:
            fields.setdefault("num_peaks", self.default_num_peaks)
        return _CONVERTER.structure(fields, request)


def _order(call: Call) -> _Order:
    task = _known_task(call.task)
    task_id = call.task_id if is_text(call.task_id) else None
    fields = {} if call.kwargs is None else call.kwargs
    if not isinstance(fields, dict):
        raise UnreadableMessage(f"{task}: kwargs is {kind_of(fields)}, not an object.")
    schedule, mistimed = schedule_of(call.options)
    problems = [*call.problems, *mistimed]
    if call.args:
        problems.append("args must be empty, with the fields named in kwargs")
    return _Order(task, task_id, fields, schedule, problems)


def _known_task(task: Any) -> str:
    if task is None:
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
    return task


def _refuse(order: _Order, problem: str) -> NoReturn:
    subject = _subject(order)
    if subject is None:
        raise UnreadableMessage(problem)
    failure = Failure(problem, InvalidMessage.default_code)
    raise RefusedMessage(failure, subject, order.task_id, _REQUESTS[order.task])


def _subject(order: _Order) -> Subject | None:
    """Whom the message is about, as far as its fields have the right type."""

    def text(name: str) -> str | None:
        value = order.fields.get(name)
        return value if is_text(value) else None

    stem_id, stage_id = text("stemId"), text("stageId")
    if order.task == MIX_TASK and stage_id:
        paths = order.fields.get("stem_paths")
        valid = isinstance(paths, list) and all(map(is_text, paths))
        return StageSubject(
            stage_id=stage_id,
            upstream_id=text("upstreamId"),
            stem_paths=tuple(paths) if valid and paths else (),
        )
    if order.task != MIX_TASK and stem_id:
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
