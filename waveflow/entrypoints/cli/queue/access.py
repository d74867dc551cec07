"""What the commands on queues share: the settings they need, and how letters are told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from waveflow.domain.errors import NoDeadLetterQueue
from waveflow.entrypoints.cli.moments import moment
from waveflow.entrypoints.cli.output import configured
from waveflow.entrypoints.settings import Settings, SettingsError

if TYPE_CHECKING:
    from waveflow.adapters.queue.sqs_dead_letters import SqsDeadLetters
    from waveflow.adapters.queue.sqs_letter import DeadLetter
    from waveflow.entrypoints.container import Container

RECEIVED_TOO_OFTEN = "received too often"


def require_sqs() -> Settings:
    """The settings in the environment, if they name a queue of SQS.

    Raises:
        SettingsError: when they don't.
    """
    settings = configured()
    if settings.queue != "sqs":
        raise SettingsError([_no_queue()])
    return settings


def _no_queue() -> str:
    if os.environ.get("SQS_QUEUE_URL", "").strip():
        return "WAVEFLOW_QUEUE is memory: an in-process queue is only seen by its own process."
    if os.environ.get("WAVEFLOW_QUEUE", "").strip():
        return (
            "WAVEFLOW_QUEUE is memory, and there is nothing to look at in an in-process queue;"
            " set SQS_QUEUE_URL, and WAVEFLOW_QUEUE to sqs."
        )
    return "SQS_QUEUE_URL is not set; set it to the address of the queue."


@contextmanager
def dead_letters_of(container: Container) -> Iterator[SqsDeadLetters]:
    """The dead letters, for the length of a block, at whose end they are given back.

    Raises:
        SettingsError: when there is no dead-letter queue.
    """
    try:
        with container.dead_letters() as dead_letters:
            yield dead_letters
    except NoDeadLetterQueue as error:
        raise SettingsError([str(error)]) from error


def facts_of(letter: DeadLetter, now_s: float) -> dict[str, Any]:
    """What is known of a dead letter, under the names of its JSON form.

    Args:
        now_s: Unix time.
    """
    task, subject = _asks_for(letter.body)
    return {
        "message_id": letter.message_id,
        "parked_at": letter.parked_at,
        "reason": letter.reason or RECEIVED_TOO_OFTEN,
        "task": task,
        **subject,
        "original_message_id": letter.original_message_id,
        "sent_at": moment(letter.sent_at_ms / 1000),
        "age_s": max(round(now_s - letter.sent_at_ms / 1000), 0),
        "receive_count": letter.receive_count,
    }


def duration(seconds: float) -> str:
    """A length of time in the two largest units that it has."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest_s, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def _asks_for(body: str) -> tuple[str | None, dict[str, Any]]:
    """The task in a message, however malformed the rest of it is, and whom it is about."""
    from waveflow.application.parsed_message import UnreadableMessage
    from waveflow.entrypoints.celery_messages import call_in
    from waveflow.entrypoints.kombu_envelope import unwrap
    from waveflow.entrypoints.messages import HASH_TASK

    try:
        call = call_in(unwrap(body), bare_task=HASH_TASK)
    except UnreadableMessage:
        return None, {"stemId": None, "stageId": None}
    fields = call.kwargs if isinstance(call.kwargs, dict) else {}
    ids = {name: fields.get(name) for name in ("stemId", "stageId")}
    return (
        call.task if isinstance(call.task, str) else None,
        {name: value if isinstance(value, str) else None for name, value in ids.items()},
    )
