"""Trying what the tasks depend on: nobody waits for what hangs, and nothing is asked twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.storage_doubles import Step, WatchedStorage
from tests.support.worker_rig import SECONDS, Gate
from tests.support.workshop import FakeClock
from waveflow.application.breaker import Excuses
from waveflow.application.health_checks import (
    Check,
    DependencyCheck,
    ask_storage,
    try_work_folder,
    what_is_away,
)
from waveflow.application.outage import Outage
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.errors import StorageUnavailable, WorkFolderUnavailable

LIMIT_S = 3.0


def works() -> None:
    return


def fails() -> None:
    raise StorageUnavailable("The bucket doesn't answer.")


def fails_without_a_word() -> None:
    raise ValueError


class TestDependencyCheck:
    def test_nothing_is_known_before_the_first_try(self) -> None:
        assert DependencyCheck("queue", works).latest(LIMIT_S) == Check("queue", "Not tried yet.")

    @pytest.mark.parametrize(
        ("attempt", "problem"),
        [
            (works, None),
            (fails, "The bucket doesn't answer."),
            (fails_without_a_word, "ValueError()"),
        ],
    )
    def test_what_came_of_it_is_known_until_the_next_try(
        self, attempt: Callable[[], object], problem: str | None
    ) -> None:
        check = DependencyCheck("queue", attempt)
        check.begin()
        assert check.wait(SECONDS) == Check("queue", problem)
        assert check.latest(LIMIT_S) == Check("queue", problem)

    def test_what_hangs_has_no_answer_and_keeps_nobody_waiting(self) -> None:
        time, gate = FakeClock(), Gate()
        check = DependencyCheck("queue", gate, clock=time.as_clock())
        check.begin()
        gate.wait_until_reached()
        assert check.latest(LIMIT_S).problem == "Not tried yet."
        time.advance(LIMIT_S)
        assert check.latest(LIMIT_S) == Check("queue", "No answer within 3 s.")
        assert check.wait(0.0).problem == "No answer within 0 s."
        gate.open()
        assert check.wait(SECONDS) == Check("queue")

    def test_the_last_answer_counts_while_the_next_is_awaited(self) -> None:
        time, gate = FakeClock(), Gate()
        attempts: Iterator[Callable[[], object]] = iter([works, gate])
        check = DependencyCheck("queue", lambda: next(attempts)(), clock=time.as_clock())
        check.begin()
        check.wait(SECONDS)
        check.begin()
        gate.wait_until_reached()
        assert check.latest(LIMIT_S) == Check("queue")
        time.advance(LIMIT_S)
        assert check.latest(LIMIT_S).problem == "No answer within 3 s."
        gate.open()
        check.wait(SECONDS)

    def test_what_hangs_is_not_asked_again_meanwhile(self) -> None:
        gate = Gate()
        asked: list[int] = []

        def hang() -> None:
            asked.append(1)
            gate()

        check = DependencyCheck("queue", hang)
        for _ in range(10):
            check.begin()
        gate.wait_until_reached()
        assert asked == [1]
        assert sum(thread.name == "check-queue" for thread in threading.enumerate()) == 1
        gate.open()
        check.wait(SECONDS)
        check.begin()
        assert eventually(lambda: len(asked) == 2)

    def test_a_process_without_room_for_a_thread_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        check = DependencyCheck("queue", works)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            check.begin()
        assert check.latest(LIMIT_S).problem == "It can't be tried: can't start new thread."
        check.begin()
        assert check.wait(SECONDS) == Check("queue")


class TestStorage:
    def test_it_is_asked_and_not_written(self) -> None:
        storage = WatchedStorage()
        ask_storage(storage)
        assert [step.method for step in storage.steps] == ["stat"]

    def test_one_that_holds_what_is_asked_for_answers_too(self) -> None:
        storage = WatchedStorage()
        storage.inner.write("ledger/_/health-probe", b"?", content_type="text/plain")
        ask_storage(storage)

    def test_one_that_does_not_answer(self) -> None:
        def away(step: Step) -> None:
            fails()

        storage = WatchedStorage()
        storage.before = away
        with pytest.raises(StorageUnavailable):
            ask_storage(storage)


class TestWorkFolder:
    def test_a_file_is_written_and_nothing_left(self, tmp_path: Path) -> None:
        try_work_folder(WorkFolder(tmp_path / "work"))
        assert list((tmp_path / "work").iterdir()) == []

    def test_one_that_can_not_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"in the way")
        with pytest.raises(WorkFolderUnavailable, match="WAVEFLOW_WORK_DIR"):
            try_work_folder(WorkFolder(tmp_path / "file" / "work"))


class TestBreakers:
    def test_those_that_are_open_are_named(self) -> None:
        outage, excuses = Outage(), Excuses()
        assert what_is_away(outage, excuses) == []
        for number in range(8):
            outage.failed(str(number))
            excuses.machine.failed(str(number))
            excuses.storage.reading.failed(str(number))
            excuses.storage.writing.failed(str(number))
        assert what_is_away(outage, excuses) == [
            "server",
            "storage_reading",
            "storage_writing",
            "machine",
        ]

    def test_what_can_not_be_deleted_keeps_nothing_from_being_received(self) -> None:
        excuses = Excuses()
        for number in range(8):
            excuses.storage.deleting.failed(str(number))
        assert excuses.storage.deleting.is_open
        assert what_is_away(Outage(), excuses) == []
