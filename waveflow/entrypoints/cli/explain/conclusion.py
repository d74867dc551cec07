"""What follows from the findings: the state something is in, and what to do about it."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from attrs import evolve, frozen

from waveflow.entrypoints.cli.explain.findings import Finding, Inquiry
from waveflow.entrypoints.cli.explain.log import LOG
from waveflow.entrypoints.cli.explain.queue import DEAD_LETTERS, QUEUE
from waveflow.entrypoints.cli.explain.storage import (
    MIXES,
    OUTCOMES,
    REMOVALS,
    UPLOADS,
    WAVEFORMS,
)
from waveflow.entrypoints.cli.moments import unix_s_of


@frozen
class Conclusion:
    """Where it stands.

    Attributes:
        state: a stable name for programs.
        commands: what helps, in this order; none when nothing is to be done.
    """

    state: str
    sentence: str
    commands: tuple[str, ...] = ()


_DECIDING = frozenset({WAVEFORMS, MIXES, REMOVALS, OUTCOMES, DEAD_LETTERS})
"""Without these, another conclusion may have been right."""


def _decides(source: str) -> bool:
    return source in _DECIDING or source.startswith(f"{UPLOADS} ")


_ENDS = ("done", "failed", "removed", "parked")
"""Outcomes of a task after which its message doesn't come back."""


def conclude(inquiry: Inquiry) -> Conclusion:
    """The first of the states that fits, from what wants doing to what is in order."""
    checks: tuple[Callable[[Inquiry], Conclusion | None], ...] = (
        _given_up,
        _untold,
        _removed,
        _failed,
        _gone,
        _mixed,
        _analysed,
        _at_work,
        _stored_only,
        _worked,
    )
    found = (conclusion for check in checks if (conclusion := check(inquiry)))
    conclusion = next(found, _nothing(inquiry))
    not_asked = sorted(filter(_decides, inquiry.unknown))
    if not not_asked:
        return conclusion
    caveat = f" This may be wrong: {', '.join(not_asked)} could not be asked."
    return evolve(conclusion, sentence=conclusion.sentence + caveat)


def _nothing(inquiry: Inquiry) -> Conclusion:
    waiting = _waiting(inquiry)
    wait = f", or be one of about {waiting} that wait" if waiting else ""
    return Conclusion(
        "unknown",
        "Nothing is known of it. The id may be another one; no message about it may have come"
        f"{wait}; or it failed for good, which only the server and a log know. A log of that time"
        " (--log), or the upload's key with --stem-id, may tell more.",
    )


def _given_up(inquiry: Inquiry) -> Conclusion | None:
    letters = inquiry.of(DEAD_LETTERS)
    if not letters:
        return None
    return Conclusion(
        "given_up",
        f"Its message was given up and waits among the dead letters: {letters[-1].facts['reason']}"
        " Mend the cause, then put it back on the queue.",
        tuple(f"waveflow queue redrive --id {each.facts['message_id']}" for each in letters),
    )


def _untold(inquiry: Inquiry) -> Conclusion | None:
    outcomes = inquiry.of(OUTCOMES)
    if not outcomes:
        return None
    if all(each.facts["event_id"] is None for each in outcomes):
        return Conclusion(
            "unsettled",
            "The work is done and the main server knows; only the queue doesn't know yet. The next"
            " delivery of the message settles it.",
        )
    return Conclusion(
        "untold",
        "The work is done, and the main server hasn't taken the webhook yet. The next delivery of"
        " the message tells it, within half an hour; there is nothing to send by hand. Workers log"
        " webhook_undelivered with what the server answered.",
        ("waveflow health", "waveflow queue status"),
    )


def _removed(inquiry: Inquiry) -> Conclusion | None:
    removed = [
        each for each in inquiry.of(REMOVALS) if _is_stored(inquiry, each.facts["path"]) is False
    ]
    if not removed:
        return None
    kept = removed[-1].facts["kept"]
    return Conclusion(
        "removed_as_duplicate",
        f"The upload was deleted because the server called it a duplicate; {kept} held the same"
        " recording. Nothing is lost as long as that is stored.",
        (f"waveflow explain {shlex.quote(kept)}",),
    )


def _failed(inquiry: Inquiry) -> Conclusion | None:
    told = [each for each in inquiry.of(LOG) if "told_status" in each.facts]
    last = max(told, key=_unix_s, default=None)
    if last is None or last.facts["told_status"] != "FAILED":
        return None
    if any(_unix_s(each) > _unix_s(last) for each in inquiry.of(WAVEFORMS)):
        return None
    return Conclusion(
        "failed",
        f"It failed for good, and the server was told why: {last.facts.get('error')}"
        f" ({last.facts.get('code')}).",
    )


def _unix_s(finding: Finding) -> float:
    return unix_s_of(finding.at or "") or 0.0


def _gone(inquiry: Inquiry) -> Conclusion | None:
    missing = [key for key in inquiry.keys if _is_stored(inquiry, key) is False]
    if not missing or any(_is_stored(inquiry, key) for key in inquiry.keys):
        return None
    if not inquiry.of(WAVEFORMS) + inquiry.of(LOG) + inquiry.of("versions"):
        return None
    return Conclusion(
        "upload_gone",
        f"{missing[-1]} is not stored any more, and no record says that WaveFlow deleted it."
        " Where the bucket keeps versions, it can be brought back: docs/operations.md, Undo a"
        " deletion.",
    )


def _mixed(inquiry: Inquiry) -> Conclusion | None:
    if not inquiry.of(MIXES):
        return None
    return Conclusion(
        "mixed",
        "The mix is stored. If the server doesn't know of it, send its webhook again from a log.",
        tuple(
            f"waveflow resend --log LOG --stage-id {stage_id}" for stage_id in sorted(inquiry.ids)
        ),
    )


def _analysed(inquiry: Inquiry) -> Conclusion | None:
    waveforms = [each for each in inquiry.of(WAVEFORMS) if each.at]
    if not waveforms:
        return None
    # The webhook of the newest is the one that counts; for its key an older one does as well.
    source = "" if waveforms[0].facts["knows_request"] else " --log LOG"
    knows = any(each.facts["knows_request"] for each in waveforms)
    return Conclusion(
        "analysed",
        "The waveform is stored. If the server doesn't show it, send its webhook again; if it shows"
        " a wrong one, have it analysed again.",
        tuple(
            command
            for stem_id in _stems(inquiry)
            for command in (
                f"waveflow resend{source} --stem-id {stem_id}",
                f"waveflow again --stem-id {stem_id}" + ("" if knows else " KEY"),
            )
        ),
    )


def _at_work(inquiry: Inquiry) -> Conclusion | None:
    lines = inquiry.in_time(LOG)
    if not lines or _is_over(lines[-1]):
        return None
    return Conclusion(
        "at_work",
        "Its work has begun and has no result yet, as far as this log goes; it ends with:"
        f" {lines[-1].sentence} It comes back by itself.",
        ("waveflow queue status",),
    )


def _is_over(line: Finding) -> bool:
    event, outcome = line.facts.get("event"), line.facts.get("outcome")
    return event == "webhook_delivered" or (event == "task_ended" and outcome in _ENDS)


def _worked(inquiry: Inquiry) -> Conclusion | None:
    lines = inquiry.in_time(LOG)
    if not lines:
        return None
    return Conclusion("worked", f"Its work is over: {lines[-1].sentence}")


def _stored_only(inquiry: Inquiry) -> Conclusion | None:
    stored = [key for key in inquiry.keys if _is_stored(inquiry, key)]
    if not stored:
        return None
    if not inquiry.ids:
        return Conclusion(
            "stored",
            "The upload is stored. Waveforms are found by the stem's id: ask for that one, or give"
            " a log (--log).",
            ("waveflow explain STEM_ID",),
        )
    waiting = _waiting(inquiry)
    wait = "" if waiting is None else f" (about {waiting} do)"
    return Conclusion(
        "not_analysed",
        f"The upload is stored and has no waveform: its message waits{wait}, or was never sent, or"
        " failed for good. Only a log of that time says which (--log).",
        tuple(
            f"waveflow again --stem-id {stem_id} {shlex.quote(stored[-1])}"
            for stem_id in sorted(inquiry.ids)
        ),
    )


def _waiting(inquiry: Inquiry) -> int | None:
    waiting: int | None = next((each.facts["waiting"] for each in inquiry.of(QUEUE)), None)
    return waiting


def _stems(inquiry: Inquiry) -> list[str]:
    keys = [each.facts["key"] for each in inquiry.of(WAVEFORMS)]
    return sorted(
        each
        for each in inquiry.ids
        if any(key.startswith(f"waveforms/{each}_waveform_") for key in keys)
    )


def _is_stored(inquiry: Inquiry, key: str) -> bool | None:
    """Whether an upload is there; None when it isn't known."""
    said = [each.facts["is_stored"] for each in inquiry.of(UPLOADS) if each.facts["key"] == key]
    return said[-1] if said else None
