"""What the logs of workers say of a stem, a stage or a message."""

from __future__ import annotations

from collections import deque
from typing import Any, TextIO

import click

from waveflow.entrypoints.cli.explain.findings import Finding, Inquiry
from waveflow.entrypoints.log_files import LogLine, LogReader

LOG = "log"
MOST_LINES = 200

_SENTENCES = {
    "task_started": "A worker began {task}, attempt {attempt}.",
    "task_ended": "The worker ended {task}: {outcome}, after {seconds} s.",
    "task_failed": "{task} failed for good ({code}); the server is told.",
    "task_interrupted": "{task} was broken off and is tried again: {reason}",
    "task_given_back": "{task} was given back: {reason}",
    "webhook_delivered": "The server took {webhook_id} ({endpoint}) with status {status}.",
    "webhook_undelivered": "The server did not take its webhook: {reason}",
    "delivered_with_error_body": "The server took its webhook, but said that its handler failed.",
    "message_refused": "Its message is malformed and was parked: {reason}",
    "message_unreadable": "Its message can't be read and was parked: {reason}",
    "stem_was_removed": "A hash request came after the stem was removed; {kept} is kept.",
    "duplicate_deleted": "The upload was deleted as a duplicate; {kept} is kept.",
}
_IDS = ("stem_id", "stage_id")
_KEYS = ("filepath", "path", "key")


def ask_log(inquiry: Inquiry, log: TextIO) -> None:
    """Take up what the log says about it, and which messages and uploads that names.

    Of very many lines the last ones are kept.

    Raises:
        UsageError: when it is no log of WaveFlow.
    """
    reader, found = LogReader(), deque[Finding](maxlen=MOST_LINES)
    matched = 0
    try:
        for line in reader.read(log):
            if _is_about(inquiry, line):
                matched += 1
                _learn(inquiry, line)
                found.append(_finding(line))
    except ValueError as error:
        raise click.UsageError(f"--log: {log.name}: {error}.") from error
    if not reader.events:
        raise click.UsageError(
            f"--log: {log.name} has no log lines of WaveFlow in JSON; LOG_FORMAT=json makes them."
        )
    inquiry.findings += found
    if matched > len(found) or reader.damaged:
        inquiry.unknown[LOG] = (
            f"{matched - len(found)} earlier lines about it are left out, and"
            f" {reader.damaged} lines of the log are cut short or damaged."
        )


def _is_about(inquiry: Inquiry, line: LogLine) -> bool:
    body = _body(line)
    return bool(
        (_texts(line.facts, *_IDS) | _texts(body, "stemId", "stageId")) & inquiry.ids
        or (_texts(line.facts, *_KEYS) | _texts(body, "filepath")) & set(inquiry.keys)
        or _texts(line.facts, "message_id") & inquiry.message_ids
    )


def _learn(inquiry: Inquiry, line: LogLine) -> None:
    body = _body(line)
    inquiry.message_ids |= _texts(line.facts, "message_id")
    # Asked by its key or its message, it is this stem or this stage from here on.
    for name in _texts(line.facts, *_IDS):
        inquiry.knows_subject(name)
    names = ("filepath", "trackId", "audio_hash")
    inquiry.knows_upload(*(next(iter(_texts(body, name)), None) for name in names))


def _finding(line: LogLine) -> Finding:
    facts = {name: value for name, value in line.facts.items() if name != "body"}
    body, result = _body(line), _body(line).get("result")
    if isinstance(result, dict) and "code" in result:
        facts |= {"code": result["code"], "error": result.get("error")}
    facts |= {"told_status": body["status"]} if "status" in body else {}
    template = _SENTENCES.get(line.event)
    if template is None:
        said = " ".join(
            f"{name}={facts[name]}" for name in ("reason", "doing", "code") if name in facts
        )
        sentence = f"{line.event} {said}".strip()
    else:
        sentence = template.format_map(_Said(facts))
    if line.event == "webhook_delivered" and facts.get("told_status") == "FAILED":
        sentence += f" It told of a failure: {facts.get('code')}, {facts.get('error')}"
    return Finding(line.text("timestamp"), LOG, sentence, facts)


class _Said(dict[str, Any]):
    """Facts for a sentence; what a log line lacks is said to be unknown."""

    def __missing__(self, _: str) -> str:
        return "?"


def _body(line: LogLine) -> dict[str, Any]:
    body = line.facts.get("body")
    return body if isinstance(body, dict) else {}


def _texts(facts: dict[str, Any], *names: str) -> set[str]:
    values = (facts.get(name) for name in names)
    return {value for value in values if isinstance(value, str)}
