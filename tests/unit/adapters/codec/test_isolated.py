"""A task that goes wrong in its own process fails alone, and says why."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.hostile_codec import HostileCodec, events, order
from tests.support.processes import eventually, running
from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.seats import ComputeUnavailable
from waveflow.application.extras import Dat, Extras
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import (
    DecoderFailed,
    InvalidAudio,
    PermanentError,
    TruncatedAudio,
    UnreadableStem,
)

LIMITS = AudioLimits()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace") / "trace"


@pytest.fixture(scope="module")
def codec(trace: Path) -> Iterator[IsolatedCodec]:
    limits = ProcessLimits(memory_bytes=1 << 30, task_cpu_s=60.0)
    with IsolatedCodec(HostileCodec(trace), task_timeout_s=60.0, limits=limits) as codec:
        yield codec


@pytest.fixture(scope="module")
def impatient() -> Iterator[IsolatedCodec]:
    with IsolatedCodec(HostileCodec(), task_timeout_s=1.5) as codec:
        yield codec


@pytest.fixture(scope="module")
def frugal() -> Iterator[IsolatedCodec]:
    limits = ProcessLimits(task_cpu_s=0.5)
    with IsolatedCodec(HostileCodec(), task_timeout_s=120.0, limits=limits) as codec:
        yield codec


@pytest.fixture(scope="module")
def single() -> Iterator[IsolatedCodec]:
    with IsolatedCodec(HostileCodec(), processes=1) as codec:
        yield codec


def frames(codec: IsolatedCodec, folder: Path, command: str) -> int:
    """The number that a file with this command gives."""
    return codec.analyse(order(folder, command), 1, LIMITS).waveform.frames


def failure(codec: IsolatedCodec, folder: Path, command: str) -> PermanentError:
    """The error that it gives."""
    with pytest.raises(PermanentError) as raised:
        frames(codec, folder, command)
    return raised.value


def begun(codec: IsolatedCodec, folder: Path, command: str, trace: Path) -> Future[int]:
    """The same in a thread of its own; returns once the task runs."""
    executor = ThreadPoolExecutor(1)
    seen = len(events(trace))
    future = executor.submit(frames, codec, folder, command)
    executor.shutdown(wait=False)
    assert eventually(lambda: ("begins", command) in events(trace)[seen:])
    return future


CRASHES = ["segfault", "abort", "leave 3", "leave 0", "exit 0", "exit 1", "interrupt", "huge"]


class TestCrash:
    @pytest.mark.parametrize("command", CRASHES)
    def test_fails_its_own_task_and_no_other(
        self, codec: IsolatedCodec, tmp_path: Path, trace: Path, command: str
    ) -> None:
        neighbour = begun(codec, tmp_path, "sleep 0.2", trace)
        error = failure(codec, tmp_path, command)
        assert isinstance(error, DecoderFailed)
        assert error.code == "decoder_crashed"
        assert neighbour.result() == 7
        assert frames(codec, tmp_path, "answer 8") == 8

    def test_is_tried_once_more_and_then_alone(
        self, codec: IsolatedCodec, tmp_path: Path, trace: Path
    ) -> None:
        # Given a neighbour that is at work
        before = len(events(trace))
        neighbour = begun(codec, tmp_path, "sleep 0.5", trace)
        # When a task dies after a while, and others wait for seats meanwhile
        with ThreadPoolExecutor() as executor:
            dying = executor.submit(failure, codec, tmp_path, "sleep-and-die 0.2")
            paths = [order(tmp_path, f"answer {number}") for number in range(20)]
            others = executor.map(lambda path: codec.analyse(path, 1, LIMITS), paths)
        # Then it is tried twice: at the second try all others have ended or not begun
        assert (dying.result().code, neighbour.result()) == ("decoder_crashed", 7)
        assert [analysis.waveform.frames for analysis in others] == list(range(20))
        seen = events(trace)[before:]
        tries = [i for i, event in enumerate(seen) if event == ("begins", "sleep-and-die 0.2")]
        assert len(tries) == 2
        assert seen[tries[1] + 1] == ("ends", "sleep-and-die 0.2")
        assert [what for what, _ in seen[: tries[1]]].count("begins") == tries[1] / 2

    def test_a_task_that_succeeds_at_its_second_try_has_succeeded(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        assert frames(codec, tmp_path, "crash-once 5") == 5

    def test_a_mix_starts_over_without_what_was_half_written(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        sources = [order(tmp_path, "answer 2"), order(tmp_path, "crash-once 3")]
        mix = codec.mix(sources, tmp_path / "mix.wav", 1, LIMITS)
        assert mix.waveform.frames == 5
        assert (tmp_path / "mix.wav").read_bytes() == b"half and half"

    def test_a_mix_that_crashes_twice_leaves_nothing_and_names_the_stem(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        stems = [order(tmp_path, command) for command in ("answer 1", "abort", "answer 2")]
        with pytest.raises(UnreadableStem) as caught:
            codec.mix(stems, tmp_path / "mix.wav", 1, LIMITS)
        assert (caught.value.index, caught.value.code) == (1, "decoder_crashed")
        assert not (tmp_path / "mix.wav").exists()

    def test_an_analysis_starts_over_without_what_was_half_written(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        extras = Extras(dat=Dat(tmp_path / "w.dat"))
        source = order(tmp_path, "crash-once 5")
        assert codec.analyse(source, 1, LIMITS, extras).waveform.frames == 5
        assert (tmp_path / "w.dat").read_bytes() == b"half"

    def test_an_analysis_that_crashes_twice_leaves_nothing(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        extras = Extras(dat=Dat(tmp_path / "w.dat"))
        with pytest.raises(DecoderFailed):
            codec.analyse(order(tmp_path, "abort"), 1, LIMITS, extras)
        assert not (tmp_path / "w.dat").exists()

    @pytest.mark.slow
    def test_that_takes_the_fork_server_along_costs_the_neighbours_nothing(
        self, codec: IsolatedCodec, tmp_path: Path, trace: Path
    ) -> None:
        neighbour = begun(codec, tmp_path, "sleep 0.3", trace)
        with pytest.raises(ComputeUnavailable):
            frames(codec, tmp_path, "kill-fork-server")
        assert neighbour.result() == 7


class TestMemory:
    @pytest.mark.parametrize("command", ["eat", "memory-error"])
    def test_beyond_the_limit_fails_the_task(
        self, codec: IsolatedCodec, tmp_path: Path, trace: Path, command: str
    ) -> None:
        neighbour = begun(codec, tmp_path, "sleep 0.2", trace)
        error = failure(codec, tmp_path, command)
        assert isinstance(error, DecoderFailed)
        assert error.code == "decoder_out_of_memory"
        assert neighbour.result() == 7

    def test_limit_is_set(self, codec: IsolatedCodec, tmp_path: Path) -> None:
        assert frames(codec, tmp_path, "memory-limit") == 1 << 30

    def test_a_process_that_ran_out_of_it_is_replaced(
        self, single: IsolatedCodec, tmp_path: Path
    ) -> None:
        before = frames(single, tmp_path, "pid")
        failure(single, tmp_path, "eat")
        assert frames(single, tmp_path, "pid") != before
        assert not running({before})


class TestTime:
    @pytest.mark.parametrize("command", ["pause", "spin"])
    def test_without_an_answer_the_task_fails(
        self, impatient: IsolatedCodec, tmp_path: Path, command: str
    ) -> None:
        error = failure(impatient, tmp_path, command)
        assert isinstance(error, DecoderFailed)
        assert error.code == "decoder_timeout"
        assert frames(impatient, tmp_path, "answer 3") == 3

    @pytest.mark.slow
    def test_without_an_answer_a_mix_leaves_nothing(
        self, impatient: IsolatedCodec, tmp_path: Path
    ) -> None:
        with pytest.raises(UnreadableStem) as caught:
            impatient.mix([order(tmp_path, "pause")], tmp_path / "mix.wav", 1, LIMITS)
        assert (caught.value.index, caught.value.code) == (0, "decoder_timeout")
        assert not (tmp_path / "mix.wav").exists()

    @pytest.mark.slow
    def test_of_a_task_that_hangs_is_not_taken_from_its_neighbour(
        self, impatient: IsolatedCodec, tmp_path: Path
    ) -> None:
        with ThreadPoolExecutor() as executor:
            hangs = executor.submit(failure, impatient, tmp_path, "pause")
            others = [executor.submit(frames, impatient, tmp_path, "sleep 0.1") for _ in range(5)]
        assert hangs.result().code == "decoder_timeout"
        assert [other.result() for other in others] == [7, 7, 7, 7, 7]

    @pytest.mark.slow
    def test_on_the_processor_is_limited(self, frugal: IsolatedCodec, tmp_path: Path) -> None:
        assert failure(frugal, tmp_path, "spin").code == "decoder_timeout"

    @pytest.mark.slow
    def test_on_the_processor_is_counted_for_each_task(
        self, frugal: IsolatedCodec, tmp_path: Path
    ) -> None:
        pids = {frames(frugal, tmp_path, "use-cpu 0.4") for _ in range(5)}
        assert len(pids) == 1


class TestErrors:
    def test_keep_their_type_code_and_text(self, codec: IsolatedCodec, tmp_path: Path) -> None:
        error = failure(codec, tmp_path, "invalid")
        assert (type(error), error.code, str(error)) == (InvalidAudio, "odd", "The file is odd.")

    def test_keep_the_stem_and_its_cause(self, codec: IsolatedCodec, tmp_path: Path) -> None:
        error = failure(codec, tmp_path, "unreadable")
        assert isinstance(error, UnreadableStem)
        assert (error.index, error.code) == (2, "audio_truncated")
        assert (type(error.cause), str(error.cause)) == (TruncatedAudio, "The file is short.")

    def test_that_are_defects_say_where_they_come_from(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match="a defect") as raised:
            frames(codec, tmp_path, "defect")
        assert "hostile_codec.py" in raised.value.__notes__[0]

    def test_that_cannot_travel_are_told_by_name(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        with pytest.raises(RuntimeError, match="OddError: 1 and 2"):
            frames(codec, tmp_path, "odd-error")

    def test_a_result_that_cannot_travel_is_a_defect(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        with pytest.raises(TypeError, match="can't be sent"):
            frames(codec, tmp_path, "unpicklable")

    def test_do_not_cost_the_process(self, single: IsolatedCodec, tmp_path: Path) -> None:
        before = frames(single, tmp_path, "pid")
        failure(single, tmp_path, "invalid")
        with pytest.raises(ValueError, match="a defect"):
            frames(single, tmp_path, "defect")
        assert frames(single, tmp_path, "pid") == before


class TestAProcessThatSomebodyTookOver:
    @pytest.mark.parametrize(
        "command", ["answer-by-itself", "answer-garbage", "answer-a-nest", "answer-without-end"]
    )
    def test_gets_nothing_into_the_parent(
        self, codec: IsolatedCodec, tmp_path: Path, command: str
    ) -> None:
        assert failure(codec, tmp_path, command).code == "decoder_crashed"
        assert "TAKEN_OVER" not in os.environ

    @pytest.mark.slow
    @pytest.mark.parametrize("command", ["answer-in-part", "answer-half-a-size"])
    def test_does_not_hold_its_task_up_with_half_an_answer(
        self, impatient: IsolatedCodec, tmp_path: Path, command: str
    ) -> None:
        assert failure(impatient, tmp_path, command).code == "decoder_timeout"


@pytest.mark.slow
def test_all_processes_are_back_soon_after_they_died(
    codec: IsolatedCodec, tmp_path: Path, trace: Path
) -> None:
    with ThreadPoolExecutor() as executor:
        list(executor.map(lambda _: failure(codec, tmp_path, "segfault"), range(2)))
    started_s = time.monotonic()
    first = begun(codec, tmp_path, "sleep 2.0", trace)
    second = begun(codec, tmp_path, "sleep 0.0", trace)
    assert time.monotonic() - started_s < 2.0
    assert (second.result(), first.result()) == (7, 7)
