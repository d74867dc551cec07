"""Why compute processes end before their time is counted, each time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hostile_codec import HostileCodec, order
from tests.support.processes import eventually
from waveflow.adapters.codec.compute_child import ChildDied, ChildTimedOut
from waveflow.adapters.codec.deaths import Reason, reason_of
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.application.tally import Tally
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import DecoderFailed, WorkInterrupted

LIMITS = AudioLimits()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ChildTimedOut(), "timeout"),
        (ChildDied(1, None), "fork_server"),
        (ChildDied(1, -signal.SIGKILL), "killed"),
        (ChildDied(1, -signal.SIGXCPU), "cpu_limit"),
        (ChildDied(1, -signal.SIGXFSZ), "file_limit"),
        (ChildDied(1, -signal.SIGSEGV), "crashed"),
        (ChildDied(1, 3), "crashed"),
    ],
)
def test_every_end_has_a_reason(error: ChildDied | ChildTimedOut, reason: Reason) -> None:
    assert reason_of(error) == reason


class Rig:
    """One seat, and what is counted."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.wanted = True
        self.codec = IsolatedCodec(
            HostileCodec(),
            processes=1,
            tasks_per_process=3,
            task_timeout_s=20.0,
            keep_waiting=self._keep_waiting,
            tally=self.tally,
        )

    def _keep_waiting(self) -> None:
        if not self.wanted:
            raise WorkInterrupted("enough")

    def run(self, folder: Path, command: str) -> None:
        self.codec.analyse(order(folder, command), 1, LIMITS)

    def deaths(self) -> dict[tuple[str, ...], int]:
        return self.tally.parts("compute_process_death")

    def recycled(self) -> int:
        return self.tally.counts().get("compute_process_recycled", 0)


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    with rig.codec:
        yield rig


def test_both_tries_of_a_file_that_kills_are_counted(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(DecoderFailed):
        rig.run(tmp_path, "segfault")
    assert rig.deaths() == {("crashed",): 2}
    assert rig.recycled() == 0


def test_one_that_had_done_its_share_is_recycled_and_not_dead(rig: Rig, tmp_path: Path) -> None:
    for number in range(7):
        rig.run(tmp_path, f"answer {number}")
    assert rig.recycled() == 2
    assert rig.deaths() == {}


def test_one_that_is_killed_while_it_has_nothing_to_do_was_idle(rig: Rig, tmp_path: Path) -> None:
    rig.run(tmp_path, "answer 1")
    [seat] = rig.codec._seats.all
    child = seat.child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    assert eventually(lambda: not child.alive)
    rig.run(tmp_path, "answer 2")
    assert rig.deaths() == {("idle",): 1}


def test_one_whose_work_nobody_wants_is_broken_off(rig: Rig, tmp_path: Path) -> None:
    rig.run(tmp_path, "answer 1")
    real_run = rig.codec._seats.all[0].child
    assert real_run is not None

    def stop(*_: object, **__: object) -> None:
        raise WorkInterrupted("enough")

    real_run._answer = stop  # type: ignore[method-assign, assignment]
    with pytest.raises(WorkInterrupted):
        rig.run(tmp_path, "answer 2")
    assert rig.deaths() == {("broken_off",): 1}
    rig.run(tmp_path, "answer 3")
    assert rig.deaths() == {("broken_off",): 1}


def test_a_codec_that_is_closed_counts_no_deaths(tmp_path: Path) -> None:
    rig = Rig()
    with rig.codec:
        rig.run(tmp_path, "answer 1")
    assert rig.deaths() == {}
    assert rig.recycled() == 0
