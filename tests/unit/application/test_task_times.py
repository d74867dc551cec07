"""The stopwatch of a task: every moment belongs to one stage, whatever threads do."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.storage_doubles import Step, WatchedStorage
from tests.support.workshop import FakeClock, Workshop, hash_message, mix_message
from waveflow.adapters.codec.memory import InMemoryAudioCodec
from waveflow.application.current_lease import LeasedStorage
from waveflow.application.ports import IfAbsent
from waveflow.application.task_times import STAGES, Stage, TaskTimes, current_times, in_stage, timed
from waveflow.application.timed_codec import TimedCodec
from waveflow.application.transfer import fetch, hash_object
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import ObjectChanged, ObjectNotFound


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture
def times(time: FakeClock) -> TaskTimes:
    return TaskTimes(time.as_clock())


def test_a_stage_takes_what_passes_within_it(time: FakeClock, times: TaskTimes) -> None:
    time.advance(1.0)
    with timed(times):
        for _ in range(2):
            with in_stage("download"):
                time.advance(2.0)
            time.advance(4.0)
    assert times.taken_s() == {"download": 4.0}


def test_a_stage_within_another_is_not_part_of_it(time: FakeClock, times: TaskTimes) -> None:
    with timed(times), in_stage("download"):
        time.advance(1.0)
        with in_stage("hash"):
            time.advance(2.0)
        time.advance(4.0)
    assert times.taken_s() == {"download": 5.0, "hash": 2.0}


def test_one_that_fails_has_ended(time: FakeClock, times: TaskTimes) -> None:
    def fail() -> None:
        with in_stage("decode"):
            time.advance(1.0)
            raise ValueError("no")

    with timed(times), pytest.raises(ValueError, match="no"):
        fail()
    time.advance(1.0)
    assert times.taken_s() == {"decode": 1.0}


def test_one_that_is_under_way_counts_so_far(time: FakeClock, times: TaskTimes) -> None:
    with timed(times), in_stage("webhook"):
        time.advance(1.5)
        assert times.taken_s() == {"webhook": 1.5}
        time.advance(1.5)
        assert times.taken_s() == {"webhook": 3.0}


def test_a_moment_is_shared_among_the_threads_that_work_in_it(
    time: FakeClock, times: TaskTimes
) -> None:
    entered, leave = Event(), Event()

    def help_out() -> None:
        with in_stage("hash"):
            entered.set()
            leave.wait()

    with timed(times), in_stage("download"):
        time.advance(1.0)
        helper = Thread(target=copy_context().run, args=[help_out])
        helper.start()
        entered.wait()
        time.advance(4.0)
        leave.set()
        helper.join()
        time.advance(1.0)
    assert times.taken_s() == {"download": 4.0, "hash": 2.0}


def test_who_works_on_no_task_is_not_timed(times: TaskTimes) -> None:
    with timed(times):
        pass
    assert current_times() is None
    with in_stage("download"):
        pass
    assert times.taken_s() == {}


@given(st.lists(st.tuples(st.sampled_from([*STAGES, None]), st.floats(0.0, 100.0)), max_size=30))
def test_all_stages_together_never_take_longer_than_the_task(
    steps: list[tuple[Stage | None, float]],
) -> None:
    time = FakeClock()
    times = TaskTimes(time.as_clock())
    before: list[Stage | None] = []
    passed_s = 0.0
    for stage, seconds in steps:
        if stage is not None:
            before.append(times.enter(stage))
        elif before:
            times.leave(before.pop())
        time.advance(seconds)
        passed_s += seconds
    taken_s = times.taken_s()
    assert sum(taken_s.values()) <= passed_s + 1e-6
    assert list(taken_s) == [stage for stage in STAGES if stage in taken_s]


@pytest.fixture
def storage(time: FakeClock) -> LeasedStorage:
    def take_a_second(_: Step) -> None:
        time.advance(1.0)

    inner = WatchedStorage(before=take_a_second)
    for key in ("users/a.wav", "ledger/t/h", "waveforms/w.json"):
        inner.inner.write(key, b"RIFF" * 100_000, content_type="audio/wav")
    return LeasedStorage(inner)


Ask = Callable[[LeasedStorage], object]


def written(key: str, condition: IfAbsent | None = None) -> Ask:
    return lambda storage: storage.write(
        key, b"{}", content_type="application/json", condition=condition
    )


def deleted(storage: LeasedStorage) -> None:
    with pytest.raises(ObjectChanged):
        storage.delete("users/a.wav", if_match="another")


@pytest.mark.parametrize(
    ("ask", "stage"),
    [
        (lambda storage: storage.stat("users/a.wav"), "download"),
        (lambda storage: hash_object(storage, "users/a.wav"), "download"),
        (lambda storage: storage.stat("ledger/t/h"), "records"),
        (lambda storage: hash_object(storage, "waveforms/w.json"), "records"),
        (written("outcomes/1.json"), "records"),
        (written("ledger/t/x", IfAbsent()), "records"),
        (written("waveforms/x.json"), "upload"),
        (written("mixed/x.wav"), "upload"),
        (deleted, "records"),
    ],
)
def test_what_the_storage_is_asked_for_says_which_stage_it_is(
    storage: LeasedStorage, times: TaskTimes, ask: Ask, stage: Stage
) -> None:
    with timed(times):
        ask(storage)
    assert {name for name, taken_s in times.taken_s().items() if taken_s} == {stage}


def test_the_bytes_of_stems_count_and_those_of_records_do_not(
    storage: LeasedStorage, times: TaskTimes, tmp_path: Path
) -> None:
    with timed(times):
        hash_object(storage, "users/a.wav")
        fetch(storage, "users/a.wav", tmp_path / "copy", AudioLimits())
        storage.stat("ledger/t/h")
    assert times.size_bytes == 800_000
    assert "hash" in times.taken_s()


def test_bytes_count_as_far_as_they_came(
    storage: LeasedStorage, times: TaskTimes, tmp_path: Path
) -> None:
    chunks = 0

    def give_up(*_: object) -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 2:
            raise ObjectNotFound("gone")

    with timed(times), pytest.raises(ObjectNotFound):
        fetch(storage, "users/a.wav", tmp_path / "copy", AudioLimits(), wanted=give_up)
    assert 0 < times.size_bytes < 400_000


def test_a_codec_tells_how_much_audio_there_was(times: TaskTimes, tmp_path: Path) -> None:
    codec = InMemoryAudioCodec()
    codec.script(b"song", np.zeros((8000, 1), np.float32), 4000)
    source = tmp_path / "song"
    source.write_bytes(b"song")
    with timed(times):
        TimedCodec(codec).analyse(source, 10, AudioLimits())
        TimedCodec(codec).mix([source, source], tmp_path / "mix", 10, AudioLimits())
    assert times.audio_s == 4.0
    assert set(times.taken_s()) == {"decode"}
    TimedCodec(codec).analyse(source, 10, AudioLimits())  # Of no task.
    assert times.audio_s == 4.0


def test_the_bytes_of_a_whole_task_are_those_of_its_stems(workshop: Workshop) -> None:
    workshop.upload("a.wav", b"x" * 1000)
    workshop.upload_audio("b.wav", b"song b", [0.5] * 4000)
    workshop.upload_audio("c.wav", b"song c!", [0.5] * 4000)
    read: list[int] = []
    for body in (hash_message("a.wav"), mix_message("b.wav", "c.wav", "b.wav")):
        times = TaskTimes()
        with timed(times):
            workshop.deliver(body, message_id=f"m{len(read)}")
        read.append(times.size_bytes)
    assert read == [1000, 13]
