"""Carrying out cases: rounds in turn, checks, and who may fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import place, report, tables
from benchmarks.cases.base import Case, Check, Role, Run, Subject, Target
from benchmarks.figures import Sample
from benchmarks.files import SHORT, GivenFiles, NotedFiles
from benchmarks.formats import Missing
from benchmarks.peers import Peers
from benchmarks.place import Place, RunFailed
from benchmarks.runner import DONE, FAILED, SKIPPED, Result, carried_out
from benchmarks.twin import WrongAnswer


class Bench:
    """Subjects that take as long as they are told, and a record of who ran when."""

    def __init__(self, folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        audio = NotedFiles(GivenFiles(folder))
        # No checkout and nothing launched: these subjects need none.
        launcher = place.Launcher(work)
        launcher.close()
        self.place = Place((), launcher, Peers({}), audio, SHORT, work, folder)
        self.ran: list[str] = []

    def subject(
        self,
        name: str,
        *walls_s: float | Exception,
        role: Role = Role.OURS,
        check: Check | None = None,
        most_rounds: int = 1000,
    ) -> Subject:
        left = list(walls_s)

        def run() -> Run:
            self.ran.append(name)
            wall_s = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(wall_s, Exception):
                raise wall_s
            return Run(Sample(wall_s, wall_s, 5.0))

        return Subject(name, role, run, check, most_rounds)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def case(*subjects: Subject, targets: Sequence[Target] = (), warm_up: bool = True) -> Case:
    return Case("case", "the case", lambda place: subjects, targets, warm_up=warm_up)


def floor(bench: Bench, *walls_s: float | Exception) -> Subject:
    return bench.subject("floor", *walls_s, role=Role.FLOOR)


def test_subjects_take_turns_and_another_begins_each_round(bench: Bench) -> None:
    ours, other = bench.subject("waveflow", 1.0), floor(bench, 2.0)

    carried_out(case(ours, other), bench.place, runs=3)

    assert bench.ran == ["waveflow", "floor"] * 2 + ["floor", "waveflow"] + ["waveflow", "floor"]


def test_the_warm_up_is_not_counted(bench: Bench) -> None:
    result = carried_out(case(bench.subject("waveflow", 100.0, 1.0)), bench.place, runs=2)

    assert [sample.wall_s for sample in result.taken[0].rounds.values()] == [1.0, 1.0]


def test_a_case_without_warm_up_counts_its_first_run(bench: Bench) -> None:
    subject = bench.subject("waveflow", 7.0, 1.0)

    result = carried_out(case(subject, warm_up=False), bench.place, runs=1)

    assert [sample.wall_s for sample in result.taken[0].rounds.values()] == [7.0]


def test_a_peer_that_takes_long_sits_later_rounds_out(bench: Bench) -> None:
    peer = bench.subject("peer", 9.0, role=Role.PEER, most_rounds=1)

    result = carried_out(case(bench.subject("waveflow", 1.0), peer), bench.place, runs=4)

    assert [len(taken.rounds) for taken in result.taken] == [4, 1]


def test_a_case_over_its_budget_still_gets_three_rounds(bench: Bench) -> None:
    result = carried_out(case(bench.subject("waveflow", 1.0)), bench.place, runs=9, budget_s=-1)

    assert len(result.taken[0].rounds) == 3


def test_a_peer_that_fails_is_reported_and_left_out(bench: Bench) -> None:
    peer = bench.subject("peer", RunFailed("it crashed"), role=Role.PEER)

    result = carried_out(case(bench.subject("waveflow", 1.0), peer), bench.place, runs=3)

    assert result.status == DONE
    assert result.taken[1].error == "RunFailed: it crashed"
    assert bench.ran.count("peer") == 1
    assert bench.ran.count("waveflow") == 4


def test_the_other_checkout_may_fail_too(bench: Bench) -> None:
    before = bench.subject("waveflow", RunFailed("unknown format"), role=Role.BEFORE)

    result = carried_out(case(bench.subject("waveflow", 1.0), before), bench.place, runs=1)

    assert result.status == DONE
    assert result.against(result.taken[0]) == {}


@pytest.mark.parametrize("error", [RunFailed("exit code 1"), WrongAnswer("a peak is off")])
def test_ours_failing_fails_the_case(bench: Bench, error: Exception) -> None:
    result = carried_out(case(bench.subject("waveflow", 1.0, error)), bench.place, runs=3)

    assert result.status == FAILED
    assert str(error) in result.reason


def test_a_fast_wrong_answer_fails_the_case(bench: Bench) -> None:
    def check(answer: object) -> None:
        raise WrongAnswer("a peak is off")

    result = carried_out(case(bench.subject("waveflow", 1e-9, check=check)), bench.place, runs=3)

    assert (result.status, result.taken) == (FAILED, ())


def test_answers_are_checked_once(bench: Bench) -> None:
    looks: list[object] = []
    subject = bench.subject("waveflow", 1.0, check=lambda answer: looks.append(answer))

    carried_out(case(subject), bench.place, runs=3)
    carried_out(case(subject, warm_up=False), bench.place, runs=3)

    assert len(looks) == 2


def test_what_is_missing_skips_the_case(bench: Bench) -> None:
    def subjects(place: Place) -> list[Subject]:
        raise Missing("no ffmpeg")

    result = carried_out(Case("case", "the case", subjects), bench.place)

    assert (result.status, result.reason) == (SKIPPED, "no ffmpeg")


def test_what_a_case_wrote_is_removed(bench: Bench) -> None:
    def write(answer: object) -> None:
        (bench.place.work / "mix.wav").write_bytes(b"1")
        (bench.place.work / "folder").mkdir()

    carried_out(case(bench.subject("waveflow", 1.0, check=write)), bench.place, runs=1)

    assert list(bench.place.work.iterdir()) == []


class TestReports:
    """One case with everything in it, and what is told of it."""

    def result(self, bench: Bench) -> Result:
        targets = [Target("≤ 0.4 × the floor", 0.4, ["floor"]), Target("≤ 9 × none", 9, ["none"])]
        subjects = [
            bench.subject("waveflow", 1.0, check=lambda answer: "unpacked first"),
            bench.subject("waveflow", 3.0, role=Role.BEFORE),
            floor(bench, 2.0),
            bench.subject("peer", RunFailed("no [such] file"), role=Role.PEER),
        ]
        return carried_out(case(*subjects, targets=targets), bench.place, runs=3)

    def test_json_has_figures_ratios_and_verdicts(self, bench: Bench) -> None:
        told = report.document([self.result(bench)], {"cpu": "a"}, {"runs": 3})

        (case_,) = json.loads(json.dumps(told))["cases"]
        ours, before, other, peer = case_["subjects"]
        assert told["failed"] == []
        assert ours["wall_s"] == {"median": 1.0, "smallest": 1.0, "largest": 1.0, "runs": 3}
        assert ours["ours_to_before"]["wall_s"] == pytest.approx(1 / 3)
        assert ours["note"] == "unpacked first"
        assert (before["role"], before["ours_to_this"]) == ("before", pytest.approx(1 / 3))
        assert other["ours_to_this"] == 0.5
        assert (peer["error"], peer["wall_s"]) == ("RunFailed: no [such] file", None)
        assert [target["met"] for target in case_["targets"]] == [False, None]

    def test_a_failed_case_is_named_apart(self, bench: Bench) -> None:
        failed = carried_out(case(bench.subject("waveflow", RunFailed("no"))), bench.place)

        assert report.document([failed], {}, {})["failed"] == ["case"]

    def test_the_terminal_shows_who_took_how_long_and_what_was_met(self, bench: Bench) -> None:
        console = Console(width=160, record=True, file=StringIO())
        result = self.result(bench)
        tables.print_figures([result], console)
        tables.print_targets([result], console)

        text = console.export_text()
        for expected in ("waveflow (before)", "no [such] file", "0.50", "missed", "not measured"):
            assert expected in text

    def test_the_table_goes_between_the_marks_of_a_document(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        document = tmp_path / "performance.md"
        document.write_text(f"# Speed\n\n{tables.BEGIN}\nold\n{tables.END}\n\nMethod\n")
        for _ in range(2):
            tables.write_markdown(document, tables.markdown([self.result(bench)]))

        text = document.read_text()
        assert text.startswith("# Speed\n")
        assert text.endswith(f"{tables.END}\n\nMethod\n")
        assert text.count("| the case | 1 s | 3 s | floor 2 s; peer failed |") == 1
        assert "old" not in text

    def test_a_file_without_marks_holds_the_table_alone(self, bench: Bench, tmp_path: Path) -> None:
        path = tmp_path / "table.md"
        tables.write_markdown(path, tables.markdown([self.result(bench)]))

        assert path.read_text().startswith("| case | WaveFlow |")
