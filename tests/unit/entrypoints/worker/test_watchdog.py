"""What the main thread notices: silence, slots that are stuck, threads that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread, get_ident

import pytest
from structlog.testing import capture_logs

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, Gate, ObedientQueue, WorkerRig, a_message
from tests.support.workshop import FakeClock, hash_message, mix_message
from waveflow.application.commands import HashRequest
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import MessageLease
from waveflow.entrypoints.worker.service import Ending
from waveflow.entrypoints.worker.watchdog import Watchdog

SILENT_AFTER_S = 90.0
STUCK_AFTER_S = 3600.0


class Rig:
    """A watchdog on a clock that is told the time, and looks every half second."""

    def __init__(self, stuck_after_s: float = STUCK_AFTER_S) -> None:
        self.time = FakeClock()
        clock = self.time.as_clock()
        worker = WorkerRig()
        worker.poller.clock = clock
        self.poller = worker.poller
        self.desk = Desk(LaneLimits.of(4), 4, clock, trusted=True)
        self.watchdog = Watchdog(self.poller, self.desk, SILENT_AFTER_S, stuck_after_s, clock)

    def begin(self, name: str = "1") -> HeldMessage:
        """A slot, played by this thread, takes up a message."""
        message = a_message(name)
        held = HeldMessage(message, MessageLease(message, self.time.as_clock()), Lane.LIGHT)
        assert self.desk.put(held)
        assert self.desk.next() is held
        return held

    def live(self, seconds: float) -> None:
        """Time passes for a process that runs."""
        for _ in range(int(seconds * 2)):
            self.time.advance(0.5)
            self.watchdog.look()

    def stand_still(self, seconds: float) -> None:
        """Time passes for a process that is stopped."""
        self.time.advance(seconds)
        self.watchdog.look()


@pytest.fixture
def rig() -> Iterator[Rig]:
    with capture_logs():
        yield Rig()


class TestStuckSlots:
    def test_work_that_makes_no_step_for_too_long_is_stuck(self, rig: Rig) -> None:
        held = rig.begin()
        rig.live(STUCK_AFTER_S)
        assert rig.watchdog.stuck() == []
        rig.live(1)
        assert rig.watchdog.stuck() == [held]

    def test_every_step_is_a_sign_of_life(self, rig: Rig) -> None:
        held = rig.begin()
        for _ in range(3):
            rig.live(STUCK_AFTER_S)
            held.lease.require()
        assert rig.watchdog.stuck() == []

    def test_a_lease_that_is_lost_makes_nobody_less_stuck(self, rig: Rig) -> None:
        held = rig.begin()
        held.lease.revoke()
        rig.live(STUCK_AFTER_S + 1)
        assert rig.watchdog.stuck() == [held]

    def test_what_waits_on_the_desk_is_not_stuck_and_begins_anew(self, rig: Rig) -> None:
        message = a_message()
        held = HeldMessage(message, MessageLease(message, rig.time.as_clock()), Lane.LIGHT)
        rig.desk.put(held)
        rig.live(STUCK_AFTER_S + 1)
        assert rig.watchdog.stuck() == []
        rig.desk.next()
        assert rig.watchdog.stuck() == []

    def test_what_is_done_is_not_stuck(self, rig: Rig) -> None:
        rig.desk.done(rig.begin())
        rig.live(STUCK_AFTER_S + 1)
        assert rig.watchdog.stuck() == []

    def test_one_does_not_make_its_neighbours_stuck(self, rig: Rig) -> None:
        stuck, lively = rig.begin("stuck"), rig.begin("lively")
        rig.live(STUCK_AFTER_S)
        lively.lease.step()
        rig.live(1)
        assert rig.watchdog.stuck() == [stuck]

    def test_zero_lets_a_slot_take_as_long_as_it_likes(self) -> None:
        rig = Rig(stuck_after_s=0.0)
        rig.begin()
        rig.live(2 * STUCK_AFTER_S)
        assert rig.watchdog.stuck() == []

    def test_the_log_says_who_is_stuck_for_how_long_and_where(self) -> None:
        rig, leave, entered = Rig(), Event(), Event()

        def linger_here() -> None:
            rig.begin("slow")
            entered.set()
            leave.wait(SECONDS)

        thread = Thread(target=linger_here)
        thread.start()
        assert entered.wait(SECONDS)
        rig.live(STUCK_AFTER_S + 1)
        with capture_logs() as logs:
            rig.watchdog.stuck()
        leave.set()
        thread.join(SECONDS)
        [log] = logs
        assert (log["event"], log["log_level"]) == ("slot_is_stuck", "critical")
        assert (log["message_id"], log["attempt"], log["idle_s"]) == ("slow", 1, STUCK_AFTER_S + 1)
        assert any(call.startswith("linger_here (") for call in log["calls"])

    def test_a_thread_that_is_gone_has_no_calls_to_show(self, rig: Rig) -> None:
        held: list[HeldMessage] = []
        thread = Thread(target=lambda: held.append(rig.begin()))
        thread.start()
        thread.join(SECONDS)
        rig.live(STUCK_AFTER_S + 1)
        with capture_logs() as logs:
            assert rig.watchdog.stuck() == held
        assert [log["calls"] for log in logs] == [[]]
        assert held[0].lease.last_step.thread_id != get_ident()


class TestStandingStill:
    """The machine was suspended, or the process stopped: that is nobody's fault."""

    def test_a_slot_is_not_stuck_because_of_it(self, rig: Rig) -> None:
        held = rig.begin()
        rig.stand_still(10 * STUCK_AFTER_S)
        assert rig.watchdog.stuck() == []
        rig.live(STUCK_AFTER_S + 1)
        assert rig.watchdog.stuck() == [held]

    def test_the_queue_is_not_silent_because_of_it(self, rig: Rig) -> None:
        rig.poller._heard_s = rig.time.as_clock().monotonic_s()
        rig.stand_still(10 * SILENT_AFTER_S)
        assert rig.poller.silent_s() == 10 * SILENT_AFTER_S
        assert not rig.watchdog.queue_is_silent()
        rig.live(SILENT_AFTER_S - 1)
        assert not rig.watchdog.queue_is_silent()
        rig.live(1)
        assert rig.watchdog.queue_is_silent()

    def test_a_queue_is_silent_however_often_it_happens(self, rig: Rig) -> None:
        rig.poller._heard_s = rig.time.as_clock().monotonic_s()
        rig.live(SILENT_AFTER_S - 10)
        rig.stand_still(6)
        assert not rig.watchdog.queue_is_silent()
        rig.live(10)
        assert rig.watchdog.queue_is_silent()

    def test_a_slot_is_stuck_however_often_it_happens(self, rig: Rig) -> None:
        stuck, lively = rig.begin("stuck"), rig.begin("lively")
        for _ in range(int(STUCK_AFTER_S / 90) - 1):
            rig.live(90)
            rig.stand_still(600)
            lively.lease.step()
        assert rig.watchdog.stuck() == []
        rig.live(90)
        assert rig.watchdog.stuck() == [stuck]

    def test_it_is_logged(self) -> None:
        rig = Rig()
        with capture_logs() as logs:
            rig.live(100)
            rig.stand_still(60)
        assert [(log["event"], log["seconds"]) for log in logs] == [("worker_stood_still", 60.0)]

    def test_looks_that_are_merely_late_are_no_standstill(self, rig: Rig) -> None:
        rig.poller._heard_s = rig.time.as_clock().monotonic_s()
        for _ in range(25):
            rig.stand_still(4.0)
        assert rig.watchdog.queue_is_silent()


class TestWorker:
    """What the worker does about it."""

    def test_a_stuck_slot_ends_the_worker_and_its_message_goes_to_somebody_else(self) -> None:
        rig = WorkerRig(stuck_after_s=0.2)
        rig.work.hold(HashRequest)
        [message_id] = rig.send(hash_message("a.wav"))
        with capture_logs() as logs, rig.running() as run:
            assert run.result(SECONDS) is Ending.SLOT_STUCK
            assert rig.worker.is_busy
            assert rig.visible() == [message_id]
        assert "slot_is_stuck" in [log["event"] for log in logs]
        # What it did when it came round did nothing to the message.
        assert len(rig.messages) == 1

    def test_what_else_runs_is_finished_and_what_waits_is_given_back_before(self) -> None:
        queue = ObedientQueue()
        stuck, other = a_message("stuck", hash_message("a")), a_message("other", mix_message("b"))
        waiting = a_message("waiting", mix_message("c"))
        queue.replies = [[stuck, other, waiting]]
        settling = Gate()
        queue.on_settle = settling  # Of the mix: its slot is in the middle of its last step.
        rig = WorkerRig(queue=queue, stuck_after_s=1.0)
        rig.work.hold(HashRequest)
        with rig.running() as run:
            settling.wait_until_reached()
            [held] = [each for each in rig.desk.running() if each.message is other]

            def is_draining() -> bool:
                held.lease.step()
                return bool(queue.hidden)

            assert eventually(is_draining)
            assert not run.done()
            settling.open()
            assert run.result(SECONDS) is Ending.SLOT_STUCK
        assert queue.hidden == [({"stuck", "waiting"}, 0.0)]
        assert queue.settled == ["delete other"]

    def test_a_queue_that_takes_nothing_back_ends_it_all_the_same(self) -> None:
        queue, hiding = ObedientQueue(), Gate()
        queue.replies = [[a_message("1", hash_message("a.wav"))]]
        queue.on_hide = hiding
        rig = WorkerRig(queue=queue, stuck_after_s=0.2, drain_timeout_s=0.0, threads_end_s=0.05)
        rig.work.hold(HashRequest)
        with rig.running() as run:
            hiding.wait_until_reached()
            assert run.result(SECONDS) is Ending.SLOT_STUCK
            hiding.open()

    def test_a_thread_that_it_needs_and_that_is_gone_ends_it(self) -> None:
        rig, alive = WorkerRig(), Event()
        alive.set()
        rig.worker.need("log", alive.is_set)
        with capture_logs() as logs, rig.running() as run:
            rig.send(hash_message("a.wav"))
            rig.work.wait_until_done(1)
            assert not run.done()
            alive.clear()
            assert run.result(SECONDS) is Ending.THREAD_FAILED
        assert not rig.worker.is_busy
        [log] = [log for log in logs if log["event"] == "thread_is_missing"]
        assert (log["thread"], log["log_level"]) == ("log", "critical")

    @pytest.mark.parametrize("part", ["poller", "heartbeat", "slot"])
    def test_a_thread_that_ends_too_early_without_an_error_ends_it(self, part: str) -> None:
        rig = WorkerRig(slots=1)
        ends = {
            "poller": rig.poller.stop.set,
            "heartbeat": rig.leases.end,
            "slot": rig.desk.close,
        }
        with rig.running() as run:
            assert eventually(lambda: rig.worker.is_busy)
            ends[part]()
            assert run.result(SECONDS) is Ending.THREAD_FAILED
        assert not rig.worker.is_busy
