"""The soak campaign, in short: memory, descriptors and threads of a worker that works and works."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import cast

import pytest
from attrs import evolve

from tests.campaigns.soak import Plan, run_soak
from tests.campaigns.soak_feed import Feeder
from tests.campaigns.soak_figures import Sample, Soaked
from tests.campaigns.worker_log import Line, WorkerLog
from tests.support.aws_servers import AwsServer
from tests.support.http_exchange import ReceivedRequest
from tests.support.production import Production

MESSAGES = 1_500


@pytest.mark.slow
def test_a_worker_that_works_on_stays_as_it_is(ministack: AwsServer, tmp_path: Path) -> None:
    plan = Plan(messages=MESSAGES, burst=40, samples=60)
    findings = run_soak(plan, ministack, tmp_path)
    # A test machine may be busy with something else: time says nothing, processor time little.
    assert findings.problems + findings.soaked.problems(judge_speed=False) == []
    _, second, *_, last = findings.soaked.fifths()
    assert last.cpu_ms < 1.5 * second.cpu_ms
    assert set(findings.latencies_s) == {"p50", "p95", "p99"}


FIRST = Sample(
    done=0,
    at_s=0.0,
    parent_mb=120.0,
    resident_mb=180.0,
    tree_mb=240.0,
    descriptors=6,
    connections=15,
    threads=14,
    worker_cpu_s=0.0,
    server_cpu_s=0.0,
)


def soaked(
    growth: float = 0.0,
    slower: float = 0.0,
    descriptors: int = 0,
    threads: int = 0,
    connections: int = 0,
) -> Soaked:
    """A run of 1000 messages, 100 a second at first, in which something grew from the 250th on."""

    def at(done: int) -> Sample:
        share = max(done - 250, 0) / 750
        return evolve(
            FIRST,
            done=done,
            at_s=done / 100 * (1 + slower * share),
            resident_mb=180.0 * (1 + growth * share),
            descriptors=6 + round(descriptors * share),
            threads=14 + round(threads * share),
            connections=15 + round(connections * share),
        )

    edges = [at(done) for done in range(0, 1001, 200)]
    samples = [at(done) for done in range(0, 1000, 10)]
    return Soaked(samples, edges[:-1], edges[1:], edges[1:], settled=250)


def test_a_run_in_which_nothing_grows_has_no_problems() -> None:
    assert soaked().problems() == []
    assert soaked(growth=0.02, slower=0.02).problems() == []


def test_memory_that_grows_is_a_problem() -> None:
    grown = "memory of the main process (RSS) has grown by 7.9%, 14.4 MB"
    assert soaked(growth=0.10).problems() == [grown]


def test_a_few_mb_more_in_a_small_process_are_none() -> None:
    assert soaked(growth=0.08).problems() == []


def test_a_descriptor_that_is_left_open_is_a_problem() -> None:
    assert soaked(descriptors=1).problems() == ["descriptors at rest: [6, 6, 6, 7, 7]"]


def test_connections_that_are_more_than_the_pools_keep_are_a_problem() -> None:
    assert soaked(connections=21).problems() == []
    assert soaked(connections=22).problems() == ["connections at rest: [15, 19, 25, 31, 37]"]


def test_a_thread_that_is_left_is_a_problem() -> None:
    assert soaked(threads=1).problems() == ["threads at rest: [14, 14, 14, 15, 15]"]


def test_a_worker_that_gets_slower_is_a_problem_where_time_is_judged() -> None:
    [problem] = soaked(slower=0.2).problems()
    assert problem.startswith("throughput: second fifth")
    assert soaked(slower=0.2).problems(judge_speed=False) == []


def blemishes(*lines: Line, strays: tuple[str, ...] = ()) -> list[str]:
    """Of a log in which the one failure that is wanted comes first."""
    failed: Line = {"event": "task_failed", "level": "warning", "message_id": "m"}
    return WorkerLog("log", [failed, *lines], strays).blemishes(failures=1)


def test_a_log_without_warnings_has_no_blemishes() -> None:
    assert blemishes() == []
    assert blemishes({"event": "task_started", "level": "info", "attempt": 1}) == []
    assert blemishes({"event": "work_folder_is_small", "level": "warning"}) == []


@pytest.mark.parametrize(
    "line",
    [
        {"event": "lease_lost", "level": "warning", "message_id": "m"},
        {"event": "defect", "level": "error"},
        {"event": "thread_ended_unexpectedly", "level": "critical"},
    ],
)
def test_a_line_above_info_is_a_blemish(line: Line) -> None:
    assert blemishes(line) == [f"log says {line}"]


def test_a_second_delivery_is_a_blemish() -> None:
    line = {"event": "task_started", "level": "info", "message_id": "m", "attempt": 2}
    assert blemishes(line) == ["m was delivered 2 times"]


def test_failures_that_nobody_wanted_or_that_are_missing_are_blemishes() -> None:
    failed = {"event": "task_failed", "level": "warning", "message_id": "another"}
    assert blemishes(failed) == ["2 tasks failed, and 1 should"]
    assert WorkerLog("log", []).blemishes(failures=1) == ["0 tasks failed, and 1 should"]


def test_an_event_that_is_told_twice_is_a_problem() -> None:
    feeder = Feeder(cast(Production, None), random.Random(1))  # nothing is sent
    told = {"stageId": "x", "status": "SUCCESS", "mixed_file_path": "a", "waveform_data_path": "b"}
    headers, body = {"webhook-id": "msg_1"}, json.dumps(told).encode()
    request = ReceivedRequest("POST", "/mixing-complete", headers, body, 1, 0.0)
    feeder.reply(request)
    assert feeder.wrong == []
    feeder.reply(request)
    assert feeder.wrong == ["told twice: msg_1"]


def test_a_traceback_in_the_log_is_a_blemish() -> None:
    assert blemishes(strays=("Traceback (most recent call last):",)) == [
        "log printed ['Traceback (most recent call last):']"
    ]
