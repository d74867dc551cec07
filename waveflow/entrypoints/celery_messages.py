"""The five forms of a message, brought to one: the call of a task, and when to carry it out.

Bare, flat and nested are the main server's. The others are Celery's: protocol 1 (which has the
keys of the nested form, and more) and protocol 2 (task and id in the envelope's headers, and
`[args, kwargs, embed]` as content). `eta`, `expires`, `retries` and workflows are looked at
wherever `task` stands with `args` or `kwargs`, so a nested message may have them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, field, frozen

from waveflow.application.parsed_message import UnreadableMessage
from waveflow.application.strict_json import kind_of
from waveflow.entrypoints.kombu_envelope import Unwrapped

MAX_RETRIES = 2**31 - 1
"""More than any count; it keeps what is computed from it small."""

_WORKFLOW_KEYS = ("callbacks", "errbacks", "chain", "chord")
_HEADER_KEYS = ("task", "id", "eta", "expires", "retries")


@frozen
class Call:
    """The call of a task as it came: nothing in it is checked.

    Attributes:
        options: the message's `eta`, `expires` and `retries`, where they count.
        problems: what is wrong with the form of the message.
    """

    task: Any
    task_id: Any = None
    args: Any = None
    kwargs: Any = None
    options: Mapping[str, Any] = field(factory=dict)
    problems: tuple[str, ...] = ()


@frozen
class Schedule:
    """When a call is to be carried out, and how often that has failed; see `ParsedMessage`."""

    not_before_s: float | None = None
    expires_s: float | None = None
    earlier_tries: int = 0


def call_in(message: Unwrapped, *, bare_task: str) -> Call:
    """The call that a message makes, whatever form it has.

    Args:
        bare_task: what a request without a task asks for.

    Raises:
        UnreadableMessage: when it has none of the five forms.
    """
    content, headers = message.content, message.headers
    if isinstance(content, list):
        call = _protocol_2(headers, content)
    elif isinstance(content, dict):
        call = _from_object_and_headers(content, headers, bare_task)
    else:
        raise UnreadableMessage(
            f"The body in the envelope is {kind_of(content)}, and neither an object nor a list."
        )
    problems = (message.problem,) if message.problem else ()
    return evolve(call, problems=problems + call.problems)


def _from_object_and_headers(
    content: dict[str, Any], headers: Mapping[str, Any], bare_task: str
) -> Call:
    if headers.get("task") is None:
        return _from_object(content, bare_task)
    # Celery clients that address both protocols at once name the task in the headers, with
    # protocol 1 as content. The headers count then, as they do for Celery itself.
    named = {key: headers[key] for key in _HEADER_KEYS if headers.get(key) is not None}
    document = content | named
    return evolve(_from_object(document, bare_task), options=document)


def _from_object(document: dict[str, Any], bare_task: str) -> Call:
    task, task_id = document.get("task"), document.get("id")
    if task is None and ("stemId" in document or "filepath" in document):
        return Call(bare_task, kwargs=document)
    if "kwargs" in document or "args" in document:
        problems = tuple(_workflow_problems(document))
        args, kwargs = document.get("args"), document.get("kwargs")
        return Call(task, task_id, args, kwargs, document, problems)
    # Beside the fields of the flat form, `eta` is an unknown field like any other.
    return Call(task, task_id, kwargs=document)


def _protocol_2(headers: Mapping[str, Any], content: list[Any]) -> Call:
    args, kwargs, embed = (*content, None, None, None)[:3]
    problems = []
    if len(content) != 3:
        problems.append(
            f"the body must be a list of args, kwargs and embed, but has length {len(content)}"
        )
    if isinstance(embed, dict):
        problems.extend(_workflow_problems(embed))
    elif embed is not None:
        problems.append(f"embed must be an object, but is {kind_of(embed)}")
    task, task_id = headers.get("task"), headers.get("id")
    return Call(task, task_id, args, kwargs, headers, tuple(problems))


def _workflow_problems(document: Mapping[str, Any]) -> Iterator[str]:
    # To leave them out would lose the work they stand for.
    if names := [name for name in _WORKFLOW_KEYS if document.get(name)]:
        yield (
            f"{', '.join(names)} can't be carried out: this worker runs single tasks, no"
            " workflows; send what follows once the webhook has come"
        )


def schedule_of(options: Mapping[str, Any]) -> tuple[Schedule, list[str]]:
    """What `options` ask for, and what is wrong with them. Null means absent."""
    values: dict[str, Any] = {}
    problems = []
    readers = (
        ("eta", "not_before_s", _unix_time),
        ("expires", "expires_s", _unix_time),
        ("retries", "earlier_tries", _count),
    )
    for name, attribute, read in readers:
        try:
            if (value := options.get(name)) is not None:
                values[attribute] = read(value)
        except (TypeError, ValueError) as error:
            problems.append(f"{name} {error}")
    return Schedule(**values), problems


def _unix_time(value: Any) -> float:
    what = "must be an ISO 8601 time such as '2025-07-16T07:39:22Z'"
    if not isinstance(value, str):
        raise TypeError(f"{what}, but is {kind_of(value)}")
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{what}, but is {value[:40]!r}") from error
    # Celery takes a time without a zone for UTC as well.
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _count(value: Any) -> int:
    what = "must be a whole number, 0 or more"
    if type(value) is not int:
        raise TypeError(f"{what}, but is {kind_of(value)}")
    if not 0 <= value <= MAX_RETRIES:
        raise ValueError(f"{what}, but is {str(value)[:20]}")
    return value
