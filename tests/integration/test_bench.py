"""`python -m benchmarks --short`, as CI runs it: that it works, not how fast anything is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio_files import tone, write_audio

ROOT = Path(__file__).parents[2]
LIMIT_S = 600


def bench(
    folder: Path, *options: str, exit_code: int = 0, **environment: str
) -> tuple[str, dict[str, Any]]:
    """Run the bench; gives what it printed, and the figures that it wrote."""
    figures = folder / "figures.json"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--short", "--json", str(figures), *options],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ran.returncode == exit_code, ran.stdout + ran.stderr
    return ran.stdout, json.loads(figures.read_text()) if figures.exists() else {}


def done(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["name"]: case for case in figures["cases"] if case["status"] == "done"}


@pytest.mark.slow
class TestTheShortForm:
    def test_every_case_gives_figures_and_says_what_it_was_measured_on(
        self, tmp_path: Path
    ) -> None:
        table = tmp_path / "table.md"
        printed, figures = bench(tmp_path, "--markdown", str(table))

        assert figures["failed"] == []
        families = {name.split("-")[0] for name in done(figures)}
        assert families == {
            "kernel", "analyse", "hash", "memory", "levels", "mix", "command", "worker",
        }  # fmt: skip
        for case in done(figures).values():
            ours = [each for each in case["subjects"] if each["role"] == "ours"]
            assert ours, case["name"]
            assert all(each["wall_s"]["runs"] >= 1 for each in ours)
        assert figures["machine"]["cpu"]
        assert figures["machine"]["packages"]["numpy"]
        assert "16-bit stereo" in printed
        assert len(table.read_text().splitlines()) > len(done(figures))

    def test_without_any_other_program_ours_and_the_floors_are_measured(
        self, tmp_path: Path
    ) -> None:
        printed, figures = bench(
            tmp_path, "--only", "mix-wav", "command-analyze-mp3", PATH="/nowhere", AUDIOWAVEFORM=""
        )

        assert "Missing: ffmpeg" in printed
        assert "apt-get install sox" in printed
        assert set(done(figures)) == {"mix-wav", "command-analyze-mp3"}
        assert [target["met"] for case in figures["cases"] for target in case["targets"]] == [
            None,
            None,
        ]

    def test_another_checkout_is_measured_in_the_same_rounds(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        (other / "waveflow").symlink_to(ROOT / "waveflow")
        (other / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")

        _, figures = bench(
            tmp_path, "--only", "analyse-wav-16", "command-mix", "--against", str(other)
        )

        for case in done(figures).values():
            ours, before = case["subjects"][:2]
            assert before["role"] == "before"
            assert ours["ours_to_before"]["wall_s"] > 0
        assert len(done(figures)) == 2

    def test_somebodys_own_files_are_measured(self, tmp_path: Path) -> None:
        folder = tmp_path / "songs"
        folder.mkdir()
        for number in range(2):
            write_audio(folder / f"{number}.wav", tone(44_100, seed=number))

        _, figures = bench(
            tmp_path, "--only", "analyse-wav", "mix-wav", "mix-flac", "--audio", str(folder)
        )

        statuses = {case["name"]: case["status"] for case in figures["cases"]}
        assert statuses["analyse-wav-16"] == statuses["mix-wav"] == "done"
        assert statuses["analyse-wav-24"] == statuses["mix-flac"] == "skipped"

    def test_a_wrong_answer_is_an_exit_code(self, tmp_path: Path) -> None:
        # Every Python of the run loads this when it starts.
        (tmp_path / "sitecustomize.py").write_text(
            "from waveflow.domain.waveform import PeakAccumulator\n"
            "add = PeakAccumulator.add\n"
            "PeakAccumulator.add = lambda self, block: add(self, block[:1])\n"
        )

        printed, figures = bench(
            tmp_path, "--only", "kernel-16-bit-2ch", exit_code=1, PYTHONPATH=str(tmp_path)
        )

        assert figures["failed"] == ["kernel-16-bit-2ch"]
        assert "a peak is off" in printed

    def test_a_run_that_is_broken_off_tells_what_it_has(self, tmp_path: Path) -> None:
        figures = tmp_path / "figures.json"
        command = [sys.executable, "-m", "benchmarks", "--short", "--json", str(figures)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("peaks kernel, 24-bit"):  # The first is down by then.
                    break
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.wait(LIMIT_S) == 143

        assert "kernel-16-bit-2ch" in done(json.loads(figures.read_text()))


def test_the_cases_can_be_listed(tmp_path: Path) -> None:
    printed, _ = bench(tmp_path, "--list", "--only", "mix")

    assert [line.split()[0] for line in printed.splitlines()] == [
        "mix-wav",
        "mix-flac",
        "mix-resampled",
    ]


@pytest.mark.parametrize(
    "options", [("--only", "nothing"), ("--audio", "/no/folder"), ("--against", "/no/folder")]
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, options: tuple[str, ...]) -> None:
    bench(tmp_path, *options, exit_code=2)


def test_a_folder_without_waveflow_is_nothing_to_measure_against(tmp_path: Path) -> None:
    printed, figures = bench(tmp_path, "--only", "kernel", "--against", str(tmp_path), exit_code=1)

    assert "Nothing was measured" in printed
    assert figures == {}
