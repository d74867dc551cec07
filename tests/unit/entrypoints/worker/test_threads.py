"""Threads that are watched, and the bell that wakes their watcher."""

from __future__ import annotations

import os
import signal
from threading import Event, current_thread, main_thread

import pytest
from structlog.testing import capture_logs

from tests.support.worker_rig import SECONDS, in_thread
from waveflow.entrypoints.worker.threads import Bell, WatchedThread, join_all


class TestBell:
    def test_nobody_is_woken_before_it_rings(self) -> None:
        assert not Bell().wait(0.0)

    def test_once_it_has_rung_nobody_waits_any_more(self) -> None:
        bell = Bell()
        bell.ring()
        bell.ring()
        assert all(bell.wait(SECONDS) for _ in range(5))

    def test_who_waits_is_woken(self) -> None:
        bell = Bell()
        with in_thread(lambda: bell.wait(100 * SECONDS)) as waited:
            bell.ring()
            assert waited.result(SECONDS)

    def test_a_signal_handler_can_ring_it_in_the_thread_that_waits(self) -> None:
        assert current_thread() is main_thread()
        bell = Bell()
        waiting = Event()
        before = signal.signal(signal.SIGUSR1, lambda *_: bell.ring())

        def interrupt() -> None:
            assert waiting.wait(SECONDS)
            os.kill(os.getpid(), signal.SIGUSR1)

        try:
            with in_thread(interrupt):
                waiting.set()
                # Not once for long: the signal may come in the moment before the thread sleeps.
                assert any(bell.wait(0.1) for _ in range(1000))
        finally:
            signal.signal(signal.SIGUSR1, before)


class TestWatchedThread:
    @pytest.mark.parametrize("error", [RuntimeError("a defect"), SystemExit(3)])
    def test_one_that_fails_rings_and_says_why(self, error: BaseException) -> None:
        def fail() -> None:
            raise error

        bell = Bell()
        thread = WatchedThread("slot-7", fail, bell)
        with capture_logs() as logs:
            thread.start()
            assert bell.wait(SECONDS)
            thread.join(SECONDS)
        assert thread.failed
        [log] = logs
        assert (log["event"], log["log_level"]) == ("thread_ended_unexpectedly", "critical")
        assert (log["thread"], log["exc_info"]) == ("slot-7", error)

    def test_one_that_ends_well_rings_nothing(self) -> None:
        bell = Bell()
        thread = WatchedThread("slot-7", lambda: None, bell)
        thread.start()
        thread.join(SECONDS)
        assert not thread.failed
        assert not bell.wait(0.0)

    def test_none_keeps_the_interpreter_from_ending(self) -> None:
        assert WatchedThread("slot-7", lambda: None, Bell()).daemon


class TestJoining:
    def test_it_is_told_whether_all_have_ended(self) -> None:
        go = Event()
        threads = [WatchedThread(str(number), go.wait, Bell()) for number in range(3)]
        for thread in threads:
            thread.start()
        assert not join_all(threads, 0.0)
        go.set()
        assert join_all(iter(threads), SECONDS)

    def test_nothing_has_always_ended(self) -> None:
        assert join_all([], 0.0)
