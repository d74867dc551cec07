"""A task that waits, or runs, gives signs of life, and ends as soon as it is not wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from attrs import frozen

from tests.support.hostile_codec import HostileCodec, events, order
from tests.support.processes import eventually, running
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.seats import Seats
from waveflow.application.current_lease import CurrentLease
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import DecoderFailed, LeaseLost
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis

SECONDS = 30.0
LIMITS = AudioLimits()
CURRENT = CurrentLease()
NEVER = "never.wav"


class CountingLease:
    """A lease that counts how often it was asked."""

    def __init__(self) -> None:
        self.steps = 0
        self.lost = False

    def require(self) -> None:
        self.steps += 1
        if self.lost:
            raise LeaseLost("lost")

    def wait_for_steps(self, count: int) -> None:
        """Until it was asked so many times more."""
        until = self.steps + count
        assert eventually(lambda: self.steps >= until)


@pytest.fixture
def lease() -> CountingLease:
    return CountingLease()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@frozen
class SometimesDying(HostileCodec):
    """Dies of mixing into a file of a certain name, but reads every stem."""

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        if destination.name == NEVER:
            os.abort()
        return super().mix(sources, destination, num_peaks, limits, extras)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace") / "trace"


@pytest.fixture(scope="module")
def codec(trace: Path) -> Iterator[IsolatedCodec]:
    """One with a single process, for threads that work under `CURRENT`."""
    hostile = SometimesDying(trace)
    with IsolatedCodec(
        hostile, processes=1, task_timeout_s=60.0, keep_waiting=CURRENT.require
    ) as codec:
        yield codec


class TestSeats:
    def test_whoever_waits_for_them_gives_signs_of_life(
        self, pool: ThreadPoolExecutor, lease: CountingLease
    ) -> None:
        seats = Seats(2, lease.require)

        def take() -> int:
            with seats.taken(1):
                return lease.steps

        with seats.taken(2):
            taking = pool.submit(take)
            lease.wait_for_steps(2)
            assert not taking.done()
        assert taking.result(SECONDS) >= 2

    def test_whoever_is_not_wanted_any_more_holds_up_nobody(self, pool: ThreadPoolExecutor) -> None:
        current, lost = CurrentLease(), CountingLease()
        seats = Seats(2, current.require)
        reached = Event()

        def take_all_in_vain() -> None:
            with current.held(lost):
                reached.set()
                with seats.taken(2):
                    pytest.fail("it got its seats")

        def take_one() -> bool:
            with seats.taken(1):
                return True

        with seats.taken(1):
            in_vain = pool.submit(take_all_in_vain)
            assert reached.wait(SECONDS)
            lost.wait_for_steps(1)
            behind = pool.submit(take_one)
            lost.lost = True
            with pytest.raises(LeaseLost):
                in_vain.result(SECONDS)
            assert behind.result(SECONDS)
        assert seats.all_returned(0.0)


class TestTasks:
    @pytest.mark.slow
    def test_tasks_that_wait_for_another_give_signs_of_life_and_so_does_that(
        self, codec: IsolatedCodec, pool: ThreadPoolExecutor, tmp_path: Path
    ) -> None:
        leases = [CountingLease() for _ in range(2)]
        stop = order(tmp_path, "stop")

        def analyse(lease: CountingLease) -> Analysis:
            with CURRENT.held(lease):
                return codec.analyse(stop, 1, LIMITS)

        tasks = [pool.submit(analyse, lease) for lease in leases]
        for lease in leases:
            lease.wait_for_steps(2)
        assert not any(task.done() for task in tasks)
        for lease in leases:
            lease.lost = True
        assert [type(task.exception(SECONDS)) for task in tasks] == [LeaseLost] * 2

    def test_each_stem_of_a_mix_that_fails_is_a_step(
        self, codec: IsolatedCodec, lease: CountingLease, tmp_path: Path
    ) -> None:
        stems = [order(tmp_path, f"answer {number}") for number in range(12)]
        with CURRENT.held(lease), pytest.raises(DecoderFailed, match="crash"):
            codec.mix(stems, tmp_path / NEVER, 1, LIMITS)
        assert lease.steps >= 2 + len(stems)

    def test_a_task_is_not_begun_without_a_lease(
        self, codec: IsolatedCodec, lease: CountingLease, tmp_path: Path, trace: Path
    ) -> None:
        lease.lost = True
        before = events(trace)
        with CURRENT.held(lease), pytest.raises(LeaseLost):
            codec.analyse(order(tmp_path, "answer 7"), 1, LIMITS)
        assert events(trace) == before

    def test_a_lost_lease_ends_the_task_its_child_and_what_it_wrote(
        self, codec: IsolatedCodec, pool: ThreadPoolExecutor, tmp_path: Path, trace: Path
    ) -> None:
        lost, mixed = CountingLease(), tmp_path / "mix.wav"
        stems = [order(tmp_path, "pid"), order(tmp_path, "pause")]

        def mix() -> Mix:
            with CURRENT.held(lost):
                return codec.mix(stems, mixed, 1, LIMITS)

        child = codec.analyse(stems[0], 1, LIMITS).waveform.frames
        mixing = pool.submit(mix)
        assert eventually(lambda: ("begins", "pause") in events(trace))
        assert mixed.exists()
        lost.lost = True
        with pytest.raises(LeaseLost):
            mixing.result(SECONDS)
        assert not mixed.exists()
        assert running({child}) == set()
        # The next task has a child of its own, and gets no answer that was meant for another.
        assert codec.analyse(stems[0], 1, LIMITS).waveform.frames != child
