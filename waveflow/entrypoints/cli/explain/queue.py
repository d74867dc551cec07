"""What queue and dead-letter queue know of a stem, a stage or a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waveflow.entrypoints.cli.explain.findings import Inquiry
from waveflow.entrypoints.cli.queue.access import dead_letters_of, facts_of
from waveflow.entrypoints.settings import Settings

if TYPE_CHECKING:
    from waveflow.entrypoints.container import Container

DEAD_LETTERS, QUEUE = "dead letters", "queue"
MOST_LETTERS = 500
_NOT_SET = "SQS_QUEUE_URL is not set."


def ask_dead_letters(inquiry: Inquiry, container: Container, settings: Settings) -> None:
    """Look for dead letters about it; they are borrowed for the moment, and given back."""
    if settings.queue != "sqs":
        inquiry.unknown[DEAD_LETTERS] = _NOT_SET
        return
    with inquiry.asking(DEAD_LETTERS), dead_letters_of(container) as borrowed:
        now_s, looked_at = container.clock().unix_s(), 0
        for letter in borrowed.letters(MOST_LETTERS):
            looked_at += 1
            facts = facts_of(letter, now_s)
            upload = _upload_in(letter.body)
            if _is_about(inquiry, facts, upload):
                _found(inquiry, facts, upload)
        if looked_at == MOST_LETTERS:
            inquiry.unknown[DEAD_LETTERS] = f"Only {MOST_LETTERS} of them were looked at."


def ask_queue(inquiry: Inquiry, container: Container, settings: Settings) -> None:
    """Say how much waits. Nobody can look into a queue for one message."""
    if settings.queue != "sqs":
        inquiry.unknown[QUEUE] = _NOT_SET
        return
    from waveflow.adapters.queue.sqs import SqsQueue

    with inquiry.asking(QUEUE):
        queue = container.queue()
        assert isinstance(queue, SqsQueue)
        facts = queue.facts()
        waiting = facts.visible + facts.in_flight + facts.delayed
        inquiry.found(
            QUEUE,
            f"About {waiting} messages are on the queue, {facts.in_flight} of them with a worker or"
            " put off. Whether one of them is about this can't be told.",
            waiting=waiting,
        )


def _upload_in(body: str) -> dict[str, str | None]:
    from waveflow.application.commands import DuplicateRequest, StemRequest
    from waveflow.application.parsed_message import RefusedMessage, UnreadableMessage
    from waveflow.domain.audio import MAX_PEAKS
    from waveflow.entrypoints.messages import MessageParser

    try:
        command = MessageParser(default_num_peaks=MAX_PEAKS).parse(body).command
    except (UnreadableMessage, RefusedMessage):
        return {}
    if not isinstance(command, StemRequest):
        return {}
    audio_hash = command.audio_hash if isinstance(command, DuplicateRequest) else None
    return {"key": command.filepath, "track_id": command.track_id, "audio_hash": audio_hash}


def _is_about(inquiry: Inquiry, facts: dict[str, Any], upload: dict[str, str | None]) -> bool:
    return bool(
        {facts["stemId"], facts["stageId"]} & inquiry.ids
        or {facts["message_id"], facts["original_message_id"]} & inquiry.message_ids
        or upload.get("key") in inquiry.keys
    )


def _found(inquiry: Inquiry, facts: dict[str, Any], upload: dict[str, str | None]) -> None:
    inquiry.knows_subject(facts["stemId"])
    inquiry.knows_subject(facts["stageId"])
    inquiry.message_ids |= {facts["message_id"], facts["original_message_id"]}
    if upload:
        inquiry.knows_upload(upload["key"], upload["track_id"], upload["audio_hash"])
    inquiry.found(
        DEAD_LETTERS,
        f"The message {facts['original_message_id']} ({facts['task']}) was given up:"
        f" {facts['reason']}",
        at=facts["parked_at"] or facts["sent_at"],
        message_id=facts["message_id"],
        reason=facts["reason"],
    )
