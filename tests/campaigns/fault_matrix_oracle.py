"""What has to be true after a cell, told from bucket, queues, webhooks and work folder alone."""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import frozen

from tests.campaigns.fault_matrix_faults import (
    DUPLICATE,
    RESET_AFTER,
    S3,
    SQS,
    STALL,
    TRICKLE,
    TRUNCATE,
    Cell,
    Persistence,
)
from tests.campaigns.fault_matrix_scenarios import (
    LEDGER,
    MIX,
    MIX_WAVEFORM,
    OWNER_TOKEN,
    REMOVAL,
    TRACK,
    WAVEFORM,
    Expected,
    Scenario,
)
from tests.campaigns.fault_matrix_server import md5_of
from tests.campaigns.fault_matrix_stage import Play
from tests.campaigns.fault_matrix_world import Objects, comparable, ledger_line

_LINE: Final = f"ledger/{TRACK}/{{hash}}"
_OUTCOME: Final = "outcomes/{id}.json"
_KEYS: Final = {
    LEDGER: _LINE,
    REMOVAL: "removed/s1_{hash}.json",
    WAVEFORM: "waveforms/s1_waveform_{stamp}.json",
    MIX: "mixed/g1_mixed_{stamp}.wav",
    MIX_WAVEFORM: "waveforms/g1_mixed_waveform_{stamp}.json",
}
_WORD_FOR_WORD: Final = ("hash-check.hash_generated", "completion.success")
_GIVEN_UP: Final = ("temporarily_unavailable", "internal_error")


@frozen
class Findings:
    """What is left behind when a message is over.

    Attributes:
        events: id and body of each webhook that arrived.
        letters: body and reason of each dead letter.
        receives: how often the message was received, by the queue's count.
    """

    objects: Objects
    events: list[tuple[str, dict[str, Any]]]
    letters: list[tuple[str, str | None]]
    depth: tuple[int, int]
    work_files: list[str]
    message_id: str
    receives: int

    @classmethod
    def of(cls, play: Play) -> Findings:
        world = play.world
        return cls(
            world.objects(),
            play.told(),
            world.letters(),
            world.depth(),
            [path.name for path in play.stage.folder.rglob("*")],
            world.message_id,
            play.receives,
        )

    @property
    def kinds_of_events(self) -> set[str]:
        """What each webhook is about, without the message's id."""
        return {event_id.removeprefix(f"msg_{self.message_id}.") for event_id, _ in self.events}

    @property
    def said(self) -> set[str]:
        """What the main server was told, without what may differ from try to try."""
        return {comparable(body) for _, body in self.events}


def problems_of_clean_run(scenario: Scenario, found: Findings) -> list[str]:
    """Whether a run without any fault comes to what is written down by hand."""
    expected = scenario.expected
    problems = _problems_of_rest(scenario, found)
    problems += _problems_of_webhooks(expected, found)
    problems += _problems_of_letters(scenario, found, expected.parked, copies=1)
    problems += _problems_of_uploads(scenario, found, expected.removed)
    made = {_KEYS[kind] for kind in expected.made}
    made |= {_LINE} if scenario.owner else set()
    made |= {"outcomes/{id}.json"} if expected.kept else set()
    keys = set(found.objects.by_key) - set(scenario.uploads)
    if keys != made:
        problems.append(f"made {sorted(keys)}, not {sorted(made)}")
    if expected.owner is not None:
        token = _token(scenario)
        line = ledger_line(expected.owner, token, expected.condemned)
        if found.objects.by_key.get(_LINE) != comparable(json.loads(line)):
            problems.append(f"the ledger says {found.objects.by_key.get(_LINE)}")
    return problems


def problems_of(cell: Cell, clean: Findings, found: Findings) -> list[str]:
    """What isn't as it has to be; empty if all is well."""
    problems = _problems_of_rest(cell.scenario, found)
    as_if_nothing = _problems_as_if_nothing(cell, clean, found)
    if as_if_nothing and _may_fail(cell):
        return problems + _problems_of_failure(cell, found)
    return problems + as_if_nothing


def _may_fail(cell: Cell) -> bool:
    return cell.persistence is Persistence.FOR_GOOD or (
        cell.kind.is_statement and cell.call.service == S3
    )


def _problems_as_if_nothing(cell: Cell, clean: Findings, found: Findings) -> list[str]:
    problems = []
    objects, wanted = found.objects, clean.objects
    if _outcome_is_open(cell):
        objects, wanted = objects.without(_OUTCOME), wanted.without(_OUTCOME)
    if difference := objects.beside(wanted):
        problems.append(difference)
    if found.kinds_of_events != clean.kinds_of_events:
        problems.append(f"told {sorted(found.kinds_of_events)}")
    elif found.said != clean.said:
        problems.append(f"told {sorted(found.said)}, not {sorted(clean.said)}")
    if found.kinds_of_events <= set(_WORD_FOR_WORD) and _is_stored(cell.scenario):
        bodies = {json.dumps(body, sort_keys=True) for _, body in found.events}
        if len(bodies) > 1:
            problems.append(f"told the same in different words: {sorted(bodies)}")
    copies = None if _may_be_parked_twice(cell) else len(clean.letters)
    problems += _problems_of_letters(cell.scenario, found, cell.scenario.expected.parked, copies)
    return problems


def _outcome_is_open(cell: Cell) -> bool:
    """Whether there is no saying if an outcome is kept.

    One may stay behind, until the bucket's lifecycle rule removes it: a message that is off the
    queue never comes again, so that nobody would look for it. So it is when the outcome itself
    can't be deleted, and when SQS deletes the message and can't say so for as long as its lease
    lasts. The other way round, what can't be kept of a message that stays is found out anew.
    """
    if cell.call.service == S3 and cell.call.pattern.startswith("/{bucket}/outcomes/"):
        return cell.call.method in ("HEAD", "DELETE") or cell.scenario.expected.kept
    lost = cell.kind in (RESET_AFTER, TRUNCATE) and cell.persistence is Persistence.DELIVERY
    return lost and cell.call.method == "DeleteMessageBatch"


def _is_stored(scenario: Scenario) -> bool:
    """Whether what is told comes from the message or a stored document, and no clock."""
    return bool(scenario.expected.made) or scenario.use_case == "IngestStem"


def _may_be_parked_twice(cell: Cell) -> bool:
    """A dead letter is sent before its message is deleted: two copies rather than none.

    Within one delivery it is known that a copy was sent, and no second one is.
    """
    if cell.call.method == "SendMessage":
        return cell.kind in (DUPLICATE, RESET_AFTER, TRUNCATE, TRICKLE, STALL)
    return cell.call.service == SQS and cell.persistence is not Persistence.ONCE


def _problems_of_failure(cell: Cell, found: Findings) -> list[str]:
    """The message failed for good: the server knows, and nothing is gone.

    Or S3 was believed that a copy is gone already that was to be deleted; it stays, then.
    """
    problems = _problems_of_uploads(cell.scenario, found, frozenset())
    kinds = found.kinds_of_events
    if cell.scenario.worked_before and cell.persistence is Persistence.FOR_GOOD:
        # What the worker told that died then; nobody can know of it.
        kinds = kinds - {cell.scenario.expected.event}
    believed = cell.kind.is_statement and kinds == {cell.scenario.expected.event}
    if not believed and (len(kinds) != 1 or not all(each.endswith(".failed") for each in kinds)):
        problems.append(f"told {sorted(kinds)}")
    results = [body.get("result") or {} for _, body in found.events]
    codes = {result["code"] for result in results if "code" in result}
    if cell.persistence is Persistence.FOR_GOOD:
        if not codes <= set(_GIVEN_UP):
            problems.append(f"failed with {sorted(codes)}")
        problems += _problems_of_letters(cell.scenario, found, "temporarily_unavailable", 1)
    elif found.letters:
        problems.append(f"parked: {found.letters}")
    # A mix without its waveform, a copy condemned that was kept: nobody rests on them.
    allowed = {_KEYS[kind] for kind in cell.scenario.expected.made} | {_LINE}
    allowed |= set(cell.scenario.uploads)
    if odd := set(found.objects.by_key) - allowed:
        problems.append(f"there is {sorted(odd)}")
    if cell.scenario.owner and _LINE not in found.objects.by_key:
        problems.append("the ledger has lost its line")
    return problems


def _problems_of_rest(scenario: Scenario, found: Findings) -> list[str]:
    problems = []
    wanted = (0, 1) if scenario.expected.kept else (0, 0)
    if found.depth != wanted:
        problems.append(f"on the queue are {found.depth}, not {wanted}")
    if found.work_files:
        problems.append(f"in the work folder is {found.work_files}")
    strangers = {
        event_id
        for event_id, _ in found.events
        if not event_id.startswith(f"msg_{found.message_id}.")
    }
    if strangers:
        problems.append(f"told of {sorted(strangers)}")
    return problems


def _problems_of_webhooks(expected: Expected, found: Findings) -> list[str]:
    wanted = {expected.event} if expected.event else set()
    if found.kinds_of_events != wanted:
        return [f"told {sorted(found.kinds_of_events)}, not {sorted(wanted)}"]
    problems = []
    for _, body in found.events:
        for name, value in expected.facts.items():
            said: Any = body
            for part in name.split("."):
                said = said[part]
            if said != value:
                problems.append(f"{name} is {said!r}, not {value!r}")
    return problems


def _problems_of_letters(
    scenario: Scenario, found: Findings, reason: str | None, copies: int | None
) -> list[str]:
    """`copies`: how many there have to be; None for one or more."""
    if reason is None or scenario.expected.kept:
        return [f"parked: {found.letters}"] if found.letters else []
    problems = []
    if not found.letters or (copies is not None and len(found.letters) != copies):
        problems.append(f"{len(found.letters)} dead letters")
    for body, said in found.letters:
        if body != scenario.body or not (said or "").startswith(reason):
            problems.append(f"the dead letter is {body!r} because of {said!r}")
    return problems


def _problems_of_uploads(scenario: Scenario, found: Findings, removed: frozenset[str]) -> list[str]:
    problems = []
    for key, content in scenario.uploads.items():
        wanted = None if key in removed else md5_of(content)
        if found.objects.by_key.get(key) != wanted:
            problems.append(f"{key} is {found.objects.by_key.get(key)}, not {wanted}")
    return problems


def _token(scenario: Scenario) -> str:
    """Who wrote the line: the message, if it became or made somebody the owner."""
    writes = LEDGER in scenario.expected.made or scenario.expected.owner != scenario.owner
    return "00000000-0000-0000-0000-000000000000" if writes else OWNER_TOKEN
