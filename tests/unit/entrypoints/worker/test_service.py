"""The worker as a whole, at work: what it does with messages, sweeps and failures."""

from __future__ import annotations

import time
from collections import Counter
from threading import Event

from structlog.testing import capture_logs

from tests.support.processes import eventually
from tests.support.storage_doubles import ProcessDiedError
from tests.support.worker_rig import SECONDS, Gate, ObedientQueue, WorkerRig, a_message
from tests.support.workshop import analysis_message, hash_message, mix_message
from waveflow.application.clock import Clock
from waveflow.application.commands import AnalysisRequest, HashRequest, MixRequest
from waveflow.domain.errors import LeaseLost, QueueUnavailable
from waveflow.entrypoints.worker.service import Ending


class TestWorking:
    def test_every_message_is_handled_once(self) -> None:
        rig = WorkerRig()
        for number in range(50):
            rig.send([hash_message, analysis_message, mix_message][number % 3](f"{number}.wav"))
        with rig.running() as run:
            rig.work.wait_until_done(50)
            assert eventually(lambda: len(rig.messages) == 0)
            rig.worker.stop()
            assert run.result(SECONDS) is Ending.ORDERLY
        assert len(rig.work.begun) == len(rig.work.done) == 50
        assert Counter(type(command) for command in rig.work.done) == {
            HashRequest: 17,
            AnalysisRequest: 17,
            MixRequest: 16,
        }

    def test_light_work_is_done_while_mixes_take_long(self) -> None:
        rig = WorkerRig(slots=8)
        rig.work.hold(MixRequest)
        rig.send(*[mix_message(f"{number}.wav") for number in range(50)])
        rig.send(*[hash_message(f"{number}.wav") for number in range(5)])
        with rig.running():
            rig.work.wait_until_done(5)
            assert [type(command) for command in rig.work.done] == [HashRequest] * 5
            begun = Counter(type(command) for command in rig.work.begun)
            assert begun == {HashRequest: 5, MixRequest: 3}
            assert len(rig.leases.held()) >= 50
            rig.work.let_go()
            rig.work.wait_until_done(55)
            assert eventually(lambda: len(rig.messages) == 0)

    def test_a_worker_that_has_just_begun_gets_through_everything_too(self) -> None:
        rig = WorkerRig(slots=2, waiting_messages=2, trusted=False)
        rig.send(*[hash_message(f"{number}.wav") for number in range(30)])
        with rig.running() as run:
            rig.work.wait_until_done(30)
            assert eventually(lambda: len(rig.messages) == 0)
            rig.worker.stop()
            assert run.result(SECONDS) is Ending.ORDERLY

    def test_what_waits_and_is_lost_is_not_worked_on(self) -> None:
        held = a_message("held", mix_message("held.wav"))
        # Due at once, and the queue says that it is somebody else's.
        soon_s = time.monotonic() + 100.0
        lost = a_message("lost", mix_message("lost.wav"), receive_count=7, lease_ends_s=soon_s)
        queue, gate = ObedientQueue(replies=[[held, lost]]), Gate()
        queue.problems = {"lost": LeaseLost("stale")}
        queue.on_hide = gate
        rig = WorkerRig(queue=queue)
        rig.work.hold(MixRequest)
        with rig.running():
            gate.wait_until_reached()
            assert eventually(lambda: rig.desk.counts() == {"running": 1, "waiting": 1})
            assert rig.desk.room() == 0
            gate.open()
            assert eventually(lambda: rig.desk.counts() == {"running": 1, "waiting": 0})
            assert rig.desk.room() == 3
            rig.work.let_go()
            rig.work.wait_until_done(1)
        assert len(rig.work.begun) == 1
        assert rig.tally.counts() == {"lease_lost": 1}

    def test_a_full_waiting_room_leaves_the_rest_on_the_queue(self) -> None:
        rig = WorkerRig(slots=4, waiting_messages=2)
        rig.work.hold(MixRequest)
        rig.send(*[mix_message(f"{number}.wav") for number in range(20)])
        with rig.running():
            assert eventually(lambda: rig.desk.counts() == {"running": 1, "waiting": 5})
            assert rig.desk.room() == 0
            assert len(rig.visible()) == 14

    def test_work_that_fails_leaves_the_worker_as_it_was(self) -> None:
        rig = WorkerRig(slots=1)
        rig.work.errors[HashRequest] = ValueError("a defect")
        rig.send(hash_message("a.wav"))
        with rig.running() as run:
            rig.work.wait_until_begun(1)
            assert eventually(lambda: rig.desk.counts()["running"] == 0)
            rig.work.errors.clear()
            rig.send(hash_message("b.wav"))
            rig.work.wait_until_done(1)
            rig.worker.stop()
            assert run.result(SECONDS) is Ending.ORDERLY
        assert rig.visible() == []
        assert len(rig.messages) == 1  # It backs off.


class TestSweeping:
    def test_the_work_folder_is_swept_at_the_start_and_again_and_again(self) -> None:
        enough = Event()
        sweeps: list[int] = []

        def sweep() -> None:
            sweeps.append(1)
            if len(sweeps) == 3:
                enough.set()

        rig = WorkerRig(sweep=sweep, sweep_interval_s=0.001)
        with rig.running():
            assert enough.wait(SECONDS)

    def test_a_sweep_that_fails_ends_nothing(self) -> None:
        gate = Gate()
        failed: list[int] = []

        def fail() -> None:
            failed.append(1)
            if len(failed) == 2:
                gate()
            raise OSError("the disk is gone")

        rig = WorkerRig(sweep=fail, sweep_interval_s=0.001)
        with capture_logs() as logs, rig.running() as run:
            gate.wait_until_reached()
            rig.send(hash_message("a.wav"))
            rig.work.wait_until_done(1)
            gate.open()
            rig.worker.stop()
            assert run.result(SECONDS) is Ending.ORDERLY
        assert "sweep_failed" in [log["event"] for log in logs]

    def test_a_worker_does_not_wait_for_the_next_sweep_to_end(self) -> None:
        rig = WorkerRig(sweep_interval_s=1e6)
        with rig.running() as run:
            rig.worker.stop()
            assert run.result(SECONDS) is Ending.ORDERLY
        assert not rig.worker.is_busy


class TestWatchdog:
    def test_a_receive_that_never_returns_ends_the_worker(self) -> None:
        queue, gate = ObedientQueue(), Gate()
        queue.on_receive = gate
        rig = WorkerRig(queue=queue, watchdog_s=0.05)
        with capture_logs() as logs, rig.running() as run:
            assert run.result(SECONDS) is Ending.QUEUE_SILENT
            assert rig.worker.is_busy
            gate.open()
        assert "queue_is_silent" in [log["event"] for log in logs]

    def test_a_queue_that_never_answers_ends_the_worker(self) -> None:
        queue = ObedientQueue(replies=[QueueUnavailable("away") for _ in range(99)])
        rig = WorkerRig(queue=queue, watchdog_s=0.05)
        with rig.running() as run:
            assert run.result(SECONDS) is Ending.QUEUE_SILENT
        assert not rig.worker.is_busy

    def test_what_runs_is_finished_and_settled_before(self) -> None:
        """Only receives fail, perhaps."""
        queue, gate = ObedientQueue(), Gate()
        queue.replies = [[a_message("1", hash_message("a.wav"))]]
        queue.on_receive = lambda: gate() if len(queue.asked) > 1 else None
        rig = WorkerRig(queue=queue, watchdog_s=0.05)
        rig.work.hold(HashRequest)
        with rig.running() as run:
            rig.work.wait_until_begun(1)
            assert eventually(lambda: rig.poller.stop.is_set())
            assert not run.done()
            rig.work.let_go()
            assert eventually(lambda: queue.settled == ["delete 1"])
            gate.open()
            assert run.result(SECONDS) is Ending.QUEUE_SILENT
        assert len(rig.work.done) == 1

    def test_what_has_not_begun_is_given_back(self) -> None:
        queue, gate = ObedientQueue(), Gate()
        queue.replies = [[a_message(name, mix_message(f"{name}.wav")) for name in ("1", "2")]]
        queue.on_receive = lambda: gate() if len(queue.asked) > 1 else None
        rig = WorkerRig(queue=queue, watchdog_s=0.05)
        rig.work.hold(MixRequest)
        with rig.running() as run:
            assert eventually(lambda: queue.hidden == [({"2"}, 0.0)])
            rig.work.let_go()
            gate.open()
            assert run.result(SECONDS) is Ending.QUEUE_SILENT
        assert queue.settled == ["delete 1"]

    def test_what_runs_too_long_is_given_back(self) -> None:
        queue, gate = ObedientQueue(), Gate()
        queue.replies = [[a_message("1", hash_message("a.wav"))]]
        queue.on_receive = lambda: gate() if len(queue.asked) > 1 else None
        rig = WorkerRig(queue=queue, watchdog_s=0.05, drain_timeout_s=0.0)
        rig.work.hold(HashRequest)
        with rig.running() as run:
            assert eventually(lambda: queue.hidden == [({"1"}, 0.0)])
            gate.open()
            assert run.result(SECONDS) is Ending.QUEUE_SILENT

    def test_a_queue_that_does_not_even_take_back_ends_the_worker_all_the_same(self) -> None:
        queue, receiving, hiding = ObedientQueue(), Gate(), Gate()
        queue.replies = [[a_message(name, mix_message(f"{name}.wav")) for name in ("1", "2")]]
        queue.on_receive = lambda: receiving() if len(queue.asked) > 1 else None
        queue.on_hide = hiding
        rig = WorkerRig(queue=queue, watchdog_s=0.05, drain_timeout_s=0.0, threads_end_s=0.05)
        rig.work.hold(MixRequest)
        with rig.running() as run:
            hiding.wait_until_reached()
            assert run.result(SECONDS) is Ending.QUEUE_SILENT
            assert rig.worker.is_busy
            receiving.open()
            hiding.open()

    def test_an_order_to_stop_meanwhile_changes_nothing(self) -> None:
        queue, gate = ObedientQueue(), Gate()
        queue.replies = [[a_message("1", hash_message("a.wav"))]]
        queue.on_receive = lambda: gate() if len(queue.asked) > 1 else None
        rig = WorkerRig(queue=queue, watchdog_s=0.05)
        rig.work.hold(HashRequest)
        with rig.running() as run:
            assert eventually(lambda: rig.poller.stop.is_set())
            rig.worker.stop()
            rig.work.let_go()
            gate.open()
            assert run.result(SECONDS) is Ending.QUEUE_SILENT

    def test_an_empty_queue_does_not(self) -> None:
        rig = WorkerRig(watchdog_s=1.0)
        looks: list[float] = []
        rig.poller.queue = queue = ObedientQueue()
        queue.on_receive = lambda: looks.append(rig.poller.silent_s())
        with rig.running() as run:
            assert eventually(lambda: len(looks) > 10)
            rig.worker.stop()
            assert run.result(SECONDS) is Ending.ORDERLY
        assert max(looks) < 1.0


class TestFailing:
    def test_a_slot_that_dies_ends_the_worker_in_order(self) -> None:
        rig = WorkerRig(slots=4, waiting_messages=9)
        rig.work.hold(MixRequest)
        rig.work.errors[AnalysisRequest] = ProcessDiedError()
        _, waiting = rig.send(mix_message("a.wav"), mix_message("b.wav"))
        with rig.running() as run:
            assert eventually(lambda: rig.desk.counts() == {"running": 1, "waiting": 1})
            rig.send(analysis_message("c.wav"))
            assert eventually(lambda: rig.poller.stop.is_set())
            assert not run.done()  # The mix goes on.
            rig.work.let_go()
            assert run.result(SECONDS) is Ending.THREAD_FAILED
        assert len(rig.work.done) == 1
        # It was not settled, and stays hidden for a while: it may have been its fault.
        assert rig.visible() == [waiting]
        assert len(rig.messages) == 2
        assert not rig.worker.is_busy

    def test_a_poller_that_dies_ends_the_worker_in_order(self) -> None:
        rig = WorkerRig(queue=ObedientQueue(on_receive=_fail))
        with rig.running() as run:
            assert run.result(SECONDS) is Ending.THREAD_FAILED
        assert not rig.worker.is_busy

    def test_a_heartbeat_that_dies_ends_the_worker_in_order(self) -> None:
        rig = WorkerRig(heartbeat_clock=Clock(monotonic_s=_no_time))
        with rig.running() as run:
            assert run.result(SECONDS) is Ending.THREAD_FAILED
        assert not rig.worker.is_busy

    def test_a_beat_that_fails_does_not_end_the_worker(self) -> None:
        rig = WorkerRig(queue=ObedientQueue(on_hide=_fail))
        with rig.running() as run:
            lease = rig.leases.take(a_message(lease_ends_s=time.monotonic() + 100.0))
            assert eventually(lambda: rig.tally.counts() == {"defect": 1})
            rig.leases.release([lease])
            rig.worker.stop()
            assert run.result(SECONDS) is Ending.ORDERLY
        assert not rig.worker.is_busy

    def test_out_of_time_outweighs_a_thread_that_failed(self) -> None:
        rig = WorkerRig(drain_timeout_s=0.0)
        rig.work.hold(HashRequest)
        rig.work.errors[AnalysisRequest] = ProcessDiedError()
        rig.send(hash_message("a.wav"))
        with rig.running() as run:
            rig.work.wait_until_begun(1)
            rig.send(analysis_message("b.wav"))
            assert run.result(SECONDS) is Ending.OUT_OF_TIME


def _no_time() -> float:
    raise RuntimeError("a defect")


def _fail() -> None:
    raise RuntimeError("a defect")
