"""`waveflow warmup`: kernels ahead of their first use."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from tests.support.twins import JIT_IS_OFF
from tests.unit.entrypoints.command_line import CommandLine
from waveflow.domain.kernels import cache
from waveflow.domain.kernels.target import LEVELS, Target
from waveflow.domain.kernels.warmup import kernels, warm_up

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")


@pytest.fixture(autouse=True)
def _unnamed_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        monkeypatch.delenv(name, raising=False)


def test_it_says_what_is_there_and_where(waveflow: CommandLine) -> None:
    warm_up()
    outcome = waveflow("warmup")
    assert outcome.code == 0
    facts = outcome.facts
    assert (facts["kernels"], facts["compiled"]) == (str(len(list(kernels()))), "0")
    assert facts["processor"] == Target.of_this_machine().cpu
    assert all(Path(folder).is_dir() for folder in facts["folder"].split(", "))


def test_its_facts_come_as_json_too(waveflow: CommandLine) -> None:
    warm_up()
    assert waveflow("warmup", "--json").json["compiled"] == 0


def test_without_a_place_to_keep_them_it_fails_and_says_what_to_do(
    waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_up()
    code = warm_up()[0]
    monkeypatch.setattr(cache, "find", lambda name, target: (code.content, None))
    assert "NUMBA_CACHE_DIR" in waveflow.complaint(1, "warmup")


@pytest.mark.parametrize("name", ["NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"])
def test_half_a_processor_is_wrong_usage(
    waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "+avx2")
    assert "set both, or neither" in waveflow.misused("warmup")


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="levels are x86-64's")
def test_portable_kernels_are_kept_for_each_level_and_found_the_next_time(
    waveflow: CommandLine,
) -> None:
    count = len(LEVELS) * len(list(kernels()))
    made = waveflow("warmup", "--portable", "--json").json
    assert (made["processor"], made["kernels"]) == (", ".join(LEVELS), count)
    kept = [Path(folder).name for folder in made["folder"].split(", ")]
    assert [name.rpartition("-")[0] for name in kept] == list(LEVELS)
    assert waveflow("warmup", "--portable", "--json").json["compiled"] == 0


def test_where_there_are_no_levels_portable_kernels_are_this_machines(
    waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_up()
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    facts = waveflow("warmup", "--portable", "--json").json
    assert facts["processor"] == Target.of_this_machine().cpu


def test_what_keeps_a_level_from_being_compiled_is_told(
    waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho 'waveflow: There is no room.' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert waveflow.refused("warmup", "--portable") == "There is no room."
