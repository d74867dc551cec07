"""The document says what the runs came to, and the runs are those of today's code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scaling.__main__ import DOCUMENT, RESULTS, main
from benchmarks.scaling.assumptions import KINDS, MB, Load
from benchmarks.scaling.costs import PerStem, Prices, bill
from benchmarks.scaling.experiments import RULES, experiments, of_size
from benchmarks.scaling.load import Stem
from benchmarks.scaling.requests import MIX_READS_PER_STEM, PER_MESSAGE, parts_of
from benchmarks.scaling.results import results
from benchmarks.scaling.service import Line, ServiceTimes
from benchmarks.scaling.simulation import simulate
from benchmarks.scaling.tables import backlog_target, tables, with_tables

ROOT = Path(__file__).parents[4]
MATRIX = (ROOT / "docs" / "fault-matrix.md").read_text()
COMMITTED: dict[str, Any] = json.loads(RESULTS.read_text())


def test_the_tables_are_those_of_the_committed_results() -> None:
    text = DOCUMENT.read_text()
    assert with_tables(text, tables(COMMITTED)) == text


def test_the_committed_results_are_of_todays_experiments() -> None:
    found = {name: [row["name"] for row in rows] for name, rows in COMMITTED["runs"].items()}
    assert found == {each.name: list(each.runs) for each in experiments()}


def test_a_run_made_anew_gives_the_committed_figures() -> None:
    committed = COMMITTED["runs"]["sizes"][1]
    assert committed["name"] == "100"
    outcome = simulate(of_size(100), ServiceTimes.read())
    # Another machine's logarithms may differ in their last digit, and with them what follows.
    assert outcome.stems == pytest.approx(committed["outcome"]["stems"], rel=0.02)
    assert outcome.p50_s == pytest.approx(committed["outcome"]["p50_s"], rel=0.02)
    assert outcome.p99_s == pytest.approx(committed["outcome"]["p99_s"], rel=0.1)
    cost = bill(outcome, PerStem.of(Load()), Prices())
    assert cost.total == pytest.approx(committed["bill"]["total"], rel=0.02)


def test_the_recommended_target_is_what_the_run_of_one_instance_gives() -> None:
    (row,) = COMMITTED["runs"]["one"]
    assert backlog_target(row) == pytest.approx(RULES.backlog_target, rel=0.1)


def test_requests_are_those_that_the_fault_matrix_saw() -> None:
    scenarios = {
        "hash": "IngestStem: hash of a new stem",
        "duplicate": "ResolveDuplicate: duplicate that is deleted",
        "analysis": "AnalyzeStem: analysis",
        "mix": "MixStage: mix of three stems",
    }
    for task, scenario in scenarios.items():
        _, _, section = MATRIX.partition(f"### {scenario}\n")
        seen = re.findall(r"\| S3 \| `(\w+) ", section.partition("\n### ")[0])
        reads = sum(method in ("GET", "HEAD") for method in seen)
        assumed = PER_MESSAGE[task]
        of_stems = 3 * MIX_READS_PER_STEM if task == "mix" else 0
        assert reads == assumed.reads + of_stems
        assert seen.count("PUT") == assumed.writes
        assert seen.count("DELETE") == assumed.deletes


def test_large_stems_are_read_in_parts() -> None:
    small, large = (
        Stem(1, KINDS[0], megabytes * MB / KINDS[0].bytes_per_s, False, None)
        for megabytes in (16, 50)
    )
    assert (parts_of(small), parts_of(large)) == (1, 6)


def test_a_bill_is_made_of_what_is_used() -> None:
    outcome = simulate(of_size(100), ServiceTimes.read())
    each = PerStem.of(Load())
    cost = bill(outcome, each, Prices())
    hours = outcome.instance_hours / outcome.stems * 1000
    assert cost.instances == pytest.approx(hours * (0.08925 + (40 * 0.08 + 7 * 0.30) / 730 + 0.005))
    requests = 1000 * each.messages * 3 + hours * 180
    assert cost.sqs == pytest.approx(requests * 0.40 / 1e6)
    assert bill(outcome, each, Prices(), spot_share=1.0).instances < cost.instances / 2


def test_limits_grow_with_the_stems() -> None:
    small, large = (COMMITTED["runs"]["sizes"][number]["limits"] for number in (3, 5))
    for name in ("S3 reads, users/", "S3 writes, ledger/", "webhooks, one process"):
        assert large[name] / small[name] == pytest.approx(100, rel=0.05)


def test_a_line_goes_through_what_was_measured() -> None:
    line = Line.through((10.0, 3.0), (20.0, 5.0))
    assert (line.fixed_s, line.per_unit_s) == (1.0, 0.2)
    assert line.at(30.0) == 7.0


def test_service_times_come_from_the_measured_file() -> None:
    times = ServiceTimes.read()
    measured = json.loads((RESULTS.parent / "measured.json").read_text())
    for figure in measured["figures"]:
        if figure["task"] == "analysis":
            seconds = times.decoding[figure["kind"]].at(figure["audio_s"])
            assert seconds == pytest.approx(figure["cost"]["children_ms"] / 1000, abs=1e-6)
    assert {kind.name for kind in KINDS} <= set(times.decoding)
    # A compressed stem costs more to mix than one of the same length that is read as it is.
    assert times.mixing_of("vorbis").at(190) > times.mixing_of("wav-24").at(190)


def test_a_document_without_the_marks_of_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no marks for the table 'sizes'"):
        with_tables("# Scaling\n", {"sizes": "| |"})


@pytest.mark.slow
def test_what_is_asked_for_alone_is_printed_and_nothing_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--only", "one", "--json", str(tmp_path / "results.json")]) == 0
    assert "seconds per message" in capsys.readouterr().out
    assert not (tmp_path / "results.json").exists()


@pytest.mark.slow
def test_results_hold_what_was_assumed() -> None:
    (experiment,) = (each for each in experiments() if each.name == "one")
    (row,) = results([experiment], processes=1)["runs"]["one"]
    assert row["assumed"]["group"]["most"] == 1
    assert row["outcome"]["used"]["network"] > 0.9
