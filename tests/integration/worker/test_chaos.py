"""The chaos campaign, in short, and that it would notice what it is there to notice."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.campaigns.chaos import Aftermath, Plan, chaos
from tests.campaigns.chaos_cast import Kind, Role, Stem
from tests.campaigns.chaos_killer import Killer, TooManyLives
from tests.campaigns.chaos_server import MainServer, Sent, Told
from tests.campaigns.worker_log import Line, WorkerLog, explains_outcome
from tests.support.aws_servers import AwsServer

NOT_READY = (sys.executable, "-c", "raise SystemExit(3)")


@pytest.fixture(scope="module")
def aftermath(
    ministack: AwsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Aftermath]:
    """One run for all tests: what it found is noted before anybody spoils what is left."""
    with chaos(
        Plan(seed=1, messages=50, kills=3), ministack, tmp_path_factory.mktemp("chaos")
    ) as left:
        yield left


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_wrong_is_told_in_chaos(aftermath: Aftermath) -> None:
    assert aftermath.findings.violations == [], aftermath.findings.table


@pytest.mark.slow
def test_the_campaign_notices_whatever_is_wrong_at_the_end(aftermath: Aftermath) -> None:
    due = [spoil(aftermath.server) for spoil in _SPOILERS]
    violations = aftermath.judge().violations
    for sentence in due:
        assert any(sentence in violation for violation in violations), (sentence, violations)
    told_of = [each for each in violations if any(sentence in each for sentence in due)]
    assert told_of == violations


def test_workers_that_never_get_ready_end_the_campaign(tmp_path: Path) -> None:
    killer = Killer({}, tmp_path, random.Random(1), most_lives=3, command=NOT_READY)
    with pytest.raises(TooManyLives, match="3 workers were started"):
        killer.ready_worker()
    with pytest.raises(TooManyLives):
        killer.live_and_die()
    assert killer.kills["worker"] == 0


@pytest.mark.slow
def test_a_campaign_whose_workers_never_get_ready_has_failed(
    ministack: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.campaigns.chaos.Killer", partial(Killer, command=NOT_READY))
    with chaos(Plan(seed=1, messages=5, kills=1), ministack, tmp_path) as left:
        [violation] = left.findings.violations
    assert violation.startswith("20 workers were started")


STARTED, ENDED = "task_started", "task_ended"


def life(*events: str, attempt: int = 1, killed: bool = False) -> WorkerLog:
    """One that has said this about the message."""
    return WorkerLog("log", said(*events, attempt=attempt), killed=killed)


def said(*events: str, attempt: int) -> list[Line]:
    return [{"event": event, "message_id": "m", "attempt": attempt} for event in events]


@pytest.mark.parametrize(
    "lives",
    [
        [life(STARTED, killed=True)],
        [life(STARTED, ENDED, killed=True), life(STARTED, attempt=2, killed=True)],
        [life(STARTED, killed=True), life("lease_not_extended", attempt=2, killed=True)],
        [life(STARTED, "outcome_not_forgotten", ENDED)],
        [life(STARTED, "message_not_settled", ENDED)],
        [
            WorkerLog(
                "the first try has lost its lease, and ends last",
                [
                    *said(STARTED, attempt=1),
                    *said(STARTED, ENDED, attempt=2),
                    *said("message_not_settled", ENDED, attempt=1),
                ],
            )
        ],
    ],
)
def test_an_outcome_is_left_by_who_died_or_says_so(lives: list[WorkerLog]) -> None:
    assert explains_outcome(lives, "m")


@pytest.mark.parametrize(
    "lives",
    [
        [],
        [life()],
        [life(killed=True)],
        [life(STARTED)],
        [life(STARTED, ENDED, killed=True)],
        [life(STARTED, killed=True), life(STARTED, attempt=2)],
        [life(STARTED, killed=True), life(STARTED, ENDED, attempt=2)],
        [life(STARTED, killed=True), life(STARTED, ENDED, attempt=2, killed=True)],
        [life(STARTED, "message_not_settled", ENDED), life(STARTED, ENDED, attempt=2)],
        [
            WorkerLog(
                "log",
                [
                    *life(STARTED, "message_not_settled", ENDED).lines,
                    *said(STARTED, ENDED, attempt=2),
                ],
            )
        ],
    ],
)
def test_an_outcome_that_nothing_explains_is_a_fault(lives: list[WorkerLog]) -> None:
    assert not explains_outcome(lives, "m")
    assert not explains_outcome(lives, "another")


READY = '{"event": "worker_started", "level": "info"}\n'
CUT_OFF = '{"event": "task_star'


def test_a_kill_may_cut_a_line_off_and_nothing_else_may(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text(READY + CUT_OFF)
    assert WorkerLog.of(log, killed=True).defects() == []
    assert WorkerLog.of(log).defects() == [f"worker-1.log printed {[CUT_OFF]}"]
    log.write_text(READY + CUT_OFF + "\n" + READY)
    assert WorkerLog.of(log, killed=True).defects() == [f"worker-1.log printed {[CUT_OFF]}"]


def test_a_start_that_fails_may_say_why_in_plain_words(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text("waveflow: storage: S3 is busy or disturbed.\n")
    assert WorkerLog.of(log).defects() == []


def test_an_outage_is_the_weathers_fault_and_no_other_error_is(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text('{"event": "storage_is_away", "level": "error"}\n')
    assert WorkerLog.of(log).defects() == []
    log.write_text('{"event": "message_not_parked", "level": "error"}\n')
    [defect] = WorkerLog.of(log).defects()
    assert "message_not_parked" in defect


def _lost(server: MainServer) -> str:
    stem = _stem(server, Role.ELSEWHERE)
    _delete(server, stem.key)
    return f"LOST: {stem.key}"


def _damaged(server: MainServer) -> str:
    stem = _stem(server, Role.TOLD_TWICE)
    server.production.upload(stem.key, b"something else")
    return f"DAMAGED: {stem.key}"


def _orphan(server: MainServer) -> str:
    server.production.upload("waveforms/stem-1_waveform_of-another-try.json", b"{}")
    return "orphan: waveforms/stem-1_waveform_of-another-try.json"


def _outcome_left(server: MainServer) -> str:
    server.production.upload("outcomes/nobody.json", b"{}")
    return "outcomes/nobody.json is left"


def _innocent_parked(server: MainServer) -> str:
    server.production.sqs.send_message(
        QueueUrl=server.production.queues.dead_letter_url, MessageBody="an innocent"
    )
    return "parked, and innocent (None): an innocent"


def _poison_gone(server: MainServer) -> str:
    server.sent["poison"] = Sent("poison", Kind.UNREADABLE, "poison", _stem(server, Role.RECORDING))
    return "poison that is not parked: poison"


def _never_told(server: MainServer) -> str:
    sent = _sent(server, Kind.MIX)
    server.told[:] = [told for told in server.told if sent.message_id not in told.event_id]
    # Its objects are nobody's then.
    for key in server.production.stored():
        if key.startswith(("mixed/", "waveforms/")) and _subject_id(sent) in key:
            _delete(server, key)
    return f"{sent.message_id} ("


def _told_both_ways(server: MainServer) -> str:
    sent = _sent(server, Kind.HASH)
    event_id = f"msg_{sent.message_id}.completion.failed"
    server.told.append(Told(event_id, "/completion", {"status": "FAILED"}, True))
    return f"{sent.message_id} ("


def _told_otherwise(server: MainServer) -> str:
    sent = _sent(server, Kind.ANALYSIS)
    first = next(told for told in server.told if sent.message_id in told.event_id)
    other = first.body | {"upstreamId": "another"}
    server.told.append(Told(first.event_id, first.path, other, True))
    return "told in several ways"


def _left_on_the_queue(server: MainServer) -> str:
    server.production.send("{}")
    return "the queue holds (1, 0)"


def _outcome_left_by_nobody_who_died(server: MainServer) -> str:
    """Somebody was killed, but the message had come to its end."""
    message_id = _sent(server, Kind.HASH).message_id
    server.production.upload(f"outcomes/{message_id}.json", b"{}")
    return f"outcomes/{message_id}.json is left"


def _defect(server: MainServer) -> str:
    return _logged(server, {"event": "defect", "level": "error", "exception": "ZeroDivisionError"})


def _sweep_failed(server: MainServer) -> str:
    return _logged(server, {"event": "sweep_failed", "level": "error"})


def _thread_missing(server: MainServer) -> str:
    return _logged(server, {"event": "thread_is_missing", "level": "critical"})


def _crashed(server: MainServer) -> str:
    _write(server, "Fatal Python error: Segmentation fault")
    return "printed ['Fatal Python error: Segmentation fault']"


def _logged(server: MainServer, line: Line) -> str:
    _write(server, json.dumps(line))
    return f"says {line}"


def _write(server: MainServer, text: str) -> None:
    """Into the log of the last worker, which was ready and ended in order."""
    logs = server.production.folder.glob("worker-*.log")
    last = max(logs, key=lambda log: int(log.stem.removeprefix("worker-")))
    with last.open("a") as file:
        file.write(f"{text}\n")


_SPOILERS: tuple[Callable[[MainServer], str], ...] = (
    _lost,
    _damaged,
    _orphan,
    _outcome_left,
    _innocent_parked,
    _poison_gone,
    _never_told,
    _told_both_ways,
    _told_otherwise,
    _left_on_the_queue,
    _outcome_left_by_nobody_who_died,
    _defect,
    _sweep_failed,
    _thread_missing,
    _crashed,
)


def _stem(server: MainServer, role: Role) -> Stem:
    return next(stem for stem in server.cast.stems.values() if stem.role is role)


def _sent(server: MainServer, kind: Kind) -> Sent:
    return next(sent for sent in server.sent.values() if sent.kind is kind)


def _subject_id(sent: Sent) -> str:
    return f"{getattr(sent.subject, 'stage_id')}_mixed"  # noqa: B009


def _delete(server: MainServer, key: str) -> None:
    server.production.s3.delete_object(Bucket=server.production.bucket, Key=key)
