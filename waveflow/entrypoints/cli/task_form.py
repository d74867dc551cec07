"""Tasks as people name them: short names, fields as NAME=VALUE, and what would fail at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click
from attrs import fields_dict, frozen

from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
)
from waveflow.application.parsed_message import RefusedMessage, UnreadableMessage
from waveflow.domain.audio import require_num_peaks
from waveflow.domain.content import ContentHash
from waveflow.domain.errors import PermanentError
from waveflow.domain.keys import require_id, require_key, require_stem_key
from waveflow.entrypoints.messages import (
    ANALYSIS_TASK,
    CLEANUP_TASK,
    DUPLICATE_TASK,
    HASH_TASK,
    HEALTH_TASK,
    MIX_TASK,
    WIRE_NAMES,
    MessageParser,
)

_LISTS = frozenset({"stem_paths"})
_NUMBERS = frozenset({"num_peaks"})


@frozen
class TaskKind:
    """A task that can be sent.

    Attributes:
        short: what people call it.
        task: what the wire calls it.
        prefix: what the ids of its messages begin with.
    """

    short: str
    task: str
    prefix: str
    request: type[Command]

    @property
    def fields(self) -> list[str]:
        """The names of its fields on the wire."""
        return [WIRE_NAMES.get(name, name) for name in fields_dict(self.request)]

    def task_id(self, fields: Mapping[str, Any], now_ms: int) -> str:
        """A name for a message, as the main server makes them."""
        subject = fields.get("stageId" if self.request is MixRequest else "stemId")
        return "-".join(map(str, filter(None, (self.prefix, subject, now_ms))))


KINDS = (
    TaskKind("hash", HASH_TASK, "hash", HashRequest),
    TaskKind("duplicate", DUPLICATE_TASK, "duplicate", DuplicateRequest),
    TaskKind("analysis", ANALYSIS_TASK, "analysis", AnalysisRequest),
    TaskKind("mix", MIX_TASK, "mixing", MixRequest),
    TaskKind("health", HEALTH_TASK, "health", HealthRequest),
    TaskKind("cleanup", CLEANUP_TASK, "cleanup", CleanupRequest),
)
_PREFIX = "app.tasks."


def task_kind(name: str) -> TaskKind:
    """The task called `name`, by its short name or its full one. Wrong usage for any other."""
    known = {kind.short: kind for kind in KINDS} | {kind.task: kind for kind in KINDS}
    # The contract has two names for each of the tasks that look after the service.
    prefixed = {_PREFIX + kind.task: kind for kind in KINDS if not kind.fields}
    kind = (known | prefixed).get(name)
    if kind is None:
        raise click.UsageError(
            f"There is no task {name!r}{_guess(name, known)}. Known are: {', '.join(known)}."
        )
    return kind


def fields_of(kind: TaskKind, pairs: Sequence[str]) -> dict[str, Any]:
    """The fields in `pairs`, each written NAME=VALUE. Wrong usage when they can't be `kind`'s."""
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{pair!r} is no field; write NAME=VALUE.")
        require_fields(kind, [name])
        if name in _LISTS:
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise click.UsageError(f"{name} is given twice.")
        else:
            fields[name] = _whole(name, value) if name in _NUMBERS else value
    return fields


def require_fields(kind: TaskKind, names: Iterable[str]) -> None:
    """Refuse fields that `kind` doesn't have: the worker would ignore them in silence."""
    for name in names:
        if name not in kind.fields:
            takes = ", ".join(kind.fields) or "no fields"
            raise click.UsageError(
                f"{kind.short} has no field {name!r}{_guess(name, kind.fields)}. It takes {takes}."
            )


def nested_body(kind: TaskKind, task_id: str, fields: Mapping[str, Any]) -> str:
    """The message in the form in which the main server sends it."""
    message = {"task": kind.task, "id": task_id, "args": [], "kwargs": fields}
    return json.dumps(message, ensure_ascii=False, allow_nan=False)


def problem_of(body: str, parser: MessageParser, now_s: float) -> str | None:
    """Why the message in `body` would fail as soon as a worker took it up; None if it wouldn't.

    Args:
        now_s: Unix time.
    """
    try:
        parsed = parser.parse(body)
        parsed.require_not_expired(now_s)
        _require_possible(parsed.command)
    except (UnreadableMessage, RefusedMessage, PermanentError) as error:
        return str(error)
    return None


def _require_possible(command: Command) -> None:
    match command:
        case MixRequest():
            require_id("stageId", command.stage_id)
            for path in command.stem_paths:
                require_key(path)
        case AnalysisRequest():
            require_id("stemId", command.stem_id)
            require_key(command.filepath)
            require_num_peaks(command.num_peaks)
        case HashRequest() | DuplicateRequest():
            require_id("stemId", command.stem_id)
            require_stem_key(command.filepath)
            if isinstance(command, DuplicateRequest):
                ContentHash(command.audio_hash)


def _whole(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise click.UsageError(f"{name} must be a whole number, but is {value!r}.") from None


def _guess(name: str, known: Iterable[str]) -> str:
    alike = {_bare(each): each for each in known}
    found = get_close_matches(_bare(name), alike, 1, 0.6)
    return f" (did you mean {alike[found[0]]!r}?)" if found else ""


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
