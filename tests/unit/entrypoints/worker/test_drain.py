"""How a worker ends that is told to stop."""

from __future__ import annotations

import pytest

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, Gate, ObedientQueue, WorkerRig, a_message
from tests.support.workshop import hash_message, mix_message
from waveflow.adapters.notifier.answer import WebhookAnswer
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.application.commands import HashRequest, MixRequest
from waveflow.domain.errors import ObjectNotFound
from waveflow.entrypoints.worker.service import Ending


def test_an_idle_worker_ends_in_order() -> None:
    rig = WorkerRig()
    with rig.running() as run:
        rig.worker.stop()
        assert run.result(SECONDS) is Ending.ORDERLY
    assert not rig.worker.is_busy


def test_a_worker_that_is_stopped_before_it_runs_ends_at_once() -> None:
    rig = WorkerRig()
    rig.worker.stop()
    with rig.running() as run:
        assert run.result(SECONDS) is Ending.ORDERLY


def test_stopping_twice_is_stopping() -> None:
    rig = WorkerRig()
    rig.work.hold(HashRequest)
    rig.send(hash_message("a.wav"))
    with rig.running() as run:
        rig.work.wait_until_begun(1)
        rig.worker.stop()
        assert eventually(lambda: rig.poller.stop.is_set())
        rig.worker.stop()
        rig.work.let_go()
        assert run.result(SECONDS) is Ending.ORDERLY
    assert len(rig.messages) == 0


def test_what_runs_is_finished_and_settled() -> None:
    rig = WorkerRig()
    rig.work.hold(HashRequest)
    rig.send(hash_message("a.wav"), hash_message("b.wav"))
    with rig.running() as run:
        rig.work.wait_until_begun(2)
        rig.worker.stop()
        assert eventually(lambda: rig.poller.stop.is_set())
        assert not run.done()
        rig.work.let_go()
        assert run.result(SECONDS) is Ending.ORDERLY
    assert len(rig.messages) == 0


def test_what_has_not_begun_is_given_back_at_once() -> None:
    rig = WorkerRig(slots=4, waiting_messages=9)
    rig.work.hold(MixRequest)
    sent = rig.send(*[mix_message(f"{number}.wav") for number in range(6)])
    with rig.running() as run:
        assert eventually(lambda: rig.desk.counts() == {"running": 1, "waiting": 5})
        rig.worker.stop()
        visible: list[str] = []

        def are_back() -> bool:
            visible.extend(rig.visible())
            return len(visible) == 5

        assert eventually(are_back)
        assert not run.done()  # The first one goes on.
        rig.work.let_go()
        assert run.result(SECONDS) is Ending.ORDERLY
    assert len(rig.work.begun) == 1
    assert set(visible) < set(sent)


def test_the_leases_of_what_runs_are_kept_meanwhile() -> None:
    rig = WorkerRig()
    rig.work.hold(HashRequest)
    rig.send(hash_message("a.wav"))
    with rig.running() as run:
        rig.work.wait_until_begun(1)
        rig.worker.stop()
        assert eventually(lambda: rig.poller.stop.is_set())
        # The heartbeat still works: this one has run out, and it notices.
        lease = rig.leases.take(a_message(lease_ends_s=0.0))
        assert eventually(lambda: lease not in rig.leases.held())
        rig.work.let_go()
        assert run.result(SECONDS) is Ending.ORDERLY


def test_nothing_more_is_received() -> None:
    rig = WorkerRig()
    rig.work.hold(HashRequest)
    rig.send(hash_message("a.wav"))
    with rig.running() as run:
        rig.work.wait_until_begun(1)
        rig.worker.stop()
        assert eventually(lambda: not rig.worker._polling.is_alive())
        [late] = rig.send(hash_message("b.wav"))
        rig.work.let_go()
        assert run.result(SECONDS) is Ending.ORDERLY
    assert rig.visible() == [late]


def test_what_a_last_receive_brings_is_given_back() -> None:
    queue, gate = ObedientQueue(), Gate()
    queue.on_receive = gate
    queue.replies = [[a_message("late", hash_message("a.wav"))]]
    rig = WorkerRig(queue=queue)
    with rig.running() as run:
        gate.wait_until_reached()
        rig.worker.stop()
        assert eventually(lambda: rig.poller.stop.is_set())
        gate.open()
        assert run.result(SECONDS) is Ending.ORDERLY
    assert queue.hidden == [({"late"}, 0.0)]
    assert rig.work.begun == []


def test_what_takes_too_long_is_given_back_at_once() -> None:
    rig = WorkerRig(drain_timeout_s=0.0)
    rig.work.hold(HashRequest)
    [message_id] = rig.send(hash_message("a.wav"))
    with rig.running() as run:
        rig.work.wait_until_begun(1)
        rig.worker.stop()
        assert run.result(SECONDS) is Ending.OUT_OF_TIME
        assert rig.worker.is_busy
        assert rig.visible() == [message_id]
    # What was finished afterwards did nothing to the message.
    assert len(rig.messages) == 1


def test_it_is_given_back_before_a_last_receive_has_ended() -> None:
    """That may take longer than whoever stops the worker is going to wait."""
    queue, gate = ObedientQueue(), Gate()
    queue.replies = [[a_message("1", hash_message("a.wav"))]]
    queue.on_receive = lambda: gate() if len(queue.asked) > 1 else None
    rig = WorkerRig(queue=queue, drain_timeout_s=0.0)
    rig.work.hold(HashRequest)
    with rig.running() as run:
        rig.work.wait_until_begun(1)
        gate.wait_until_reached()
        rig.worker.stop()
        assert eventually(lambda: queue.hidden == [({"1"}, 0.0)])
        assert not run.done()
        gate.open()
        assert run.result(SECONDS) is Ending.OUT_OF_TIME


@pytest.mark.parametrize("status", [500, 429])
def test_waiting_for_the_server_ends_at_once_and_the_event_is_kept(status: int) -> None:
    asked = Gate()
    asked.open()

    def answer(_: object) -> WebhookAnswer:
        asked()
        return WebhookAnswer(status)

    rig = WorkerRig(notifier=InMemoryNotifier(answer))
    rig.work.errors[HashRequest] = ObjectNotFound("Nothing is stored there.")
    [message_id] = rig.send(hash_message("a.wav"))
    with rig.running() as run:
        asked.wait_until_reached()
        assert eventually(lambda: rig.outage.waiting == 1)
        rig.worker.stop()
        assert run.result(SECONDS) is Ending.ORDERLY
    outcome = rig.handler.outbox.find(message_id)
    assert outcome is not None
    assert outcome.untold is not None
    assert rig.visible() == []
    assert len(rig.messages) == 1
