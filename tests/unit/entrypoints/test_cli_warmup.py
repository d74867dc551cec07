"""`waveflow warmup`: kernels ahead of their first use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.twins import JIT_IS_OFF
from tests.unit.entrypoints.command_line import CommandLine
from waveflow.domain.kernels import cache
from waveflow.domain.kernels.target import Target
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
