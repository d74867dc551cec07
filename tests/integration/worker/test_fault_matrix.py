"""The fault matrix, whole: see `tests.campaigns.fault_matrix` and `docs/fault-matrix.md`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from tests.campaigns.fault_matrix_faults import (
    KINDS,
    RESET_AFTER,
    S3,
    SERVICES,
    Call,
    Cell,
    Kind,
    Persistence,
    impossible,
)
from tests.campaigns.fault_matrix_oracle import Findings, problems_of
from tests.campaigns.fault_matrix_scenarios import SCENARIOS, A, B
from tests.campaigns.fault_matrix_world import Objects

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "fault-matrix.md"
TIMEOUT_S = 3600.0


TOLD = ("msg_1.completion.success", {"status": "SUCCESS", "result": {}})
CONTRADICTION = ("msg_1.completion.failed", {"status": "FAILED", "result": {"code": "x"}})
CLEAN = Findings(Objects({A: "md5", "ledger": "line"}), [TOLD], [], (0, 0), [], "1", 1)


def with_objects(**changes: str) -> Findings:
    kept = {key: text for key, text in (CLEAN.objects.by_key | changes).items() if text}
    return evolve(CLEAN, objects=Objects(kept))


@pytest.mark.parametrize("persistence", Persistence, ids=lambda each: each.value)
@pytest.mark.parametrize(
    "found",
    [
        pytest.param(with_objects(**{A: ""}), id="an upload is gone"),
        pytest.param(with_objects(**{A: "another"}), id="an upload has changed"),
        pytest.param(with_objects(ledger=""), id="the ledger line is gone"),
        pytest.param(with_objects(**{"mixed/2.wav": "md5"}), id="an object is left over"),
        pytest.param(evolve(CLEAN, events=[]), id="the server wasn't told"),
        pytest.param(evolve(CLEAN, events=[TOLD, CONTRADICTION]), id="it was told otherwise"),
        pytest.param(
            evolve(CLEAN, events=[("msg_2.completion.success", TOLD[1])]), id="under another id"
        ),
        pytest.param(
            evolve(CLEAN, events=[(TOLD[0], {**TOLD[1], "status": "other"})]), id="other facts"
        ),
        pytest.param(evolve(CLEAN, letters=[("body", "reason")]), id="the message was parked"),
        pytest.param(evolve(CLEAN, depth=(0, 1)), id="the message is still lent out"),
        pytest.param(evolve(CLEAN, work_files=["task-1"]), id="a work file is left"),
    ],
)
def test_the_oracle_sees_what_is_wrong(found: Findings, persistence: Persistence) -> None:
    [scenario] = [each for each in SCENARIOS if each.name == "duplicate that is deleted"]
    call = Call(S3, "DELETE", f"/{{bucket}}/{B}", 1, 0)
    cell = Cell(scenario, call, RESET_AFTER, persistence)
    assert problems_of(cell, CLEAN, CLEAN) == []
    assert problems_of(cell, CLEAN, found) != []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_fault_is_possible_somewhere(kind: Kind) -> None:
    calls = [Call(service, "GET", "/x", 1, 0) for service in SERVICES]
    calls.append(Call(S3, "PUT", "/x", 1, 0))
    assert any(impossible(call, kind) is None for call in calls)


def run_matrix(*runs: list[str]) -> None:
    """Run the campaign several times side by side, each with a server of its own.

    Each is a process: one has no more than one processor's worth of Python.
    """
    command = [sys.executable, "-m", "tests.campaigns.fault_matrix"]
    started = [
        subprocess.Popen(
            [*command, *run],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for run in runs
    ]
    try:
        for process in started:
            printed, _ = process.communicate(timeout=TIMEOUT_S)
            assert process.returncode == 0, printed[-20_000:]
            assert " cells, 0 bad" in printed
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.mark.slow
def test_every_call_survives_every_fault_and_the_page_names_them_all() -> None:
    halves = [["--server", "ministack", "--part", part] for part in ("1/2", "2/2")]
    halves[0] += ["--check", str(PAGE)]
    run_matrix(*halves)


@pytest.mark.slow
def test_a_seeded_share_of_them_does_on_another_server() -> None:
    run_matrix(["--server", "moto", "--share", "0.03", "--seed", "4"])
