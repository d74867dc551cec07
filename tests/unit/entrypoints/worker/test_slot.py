"""A slot: one message from its first step to its settlement."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.support.storage_doubles import ProcessDiedError, Step, Trouble, WatchedStorage
from tests.support.worker_rig import ObedientQueue, a_message, handler_of
from tests.support.workshop import FakeClock, hash_message, mix_message
from waveflow.application.commands import Command, Origin
from waveflow.application.current_lease import CurrentLease
from waveflow.application.outbox import Outcome
from waveflow.application.task_times import in_stage
from waveflow.domain.errors import (
    LeaseLost,
    NoDeadLetterQueue,
    ObjectNotFound,
    QueueUnavailable,
    StorageUnavailable,
)
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.slot import Slot
from waveflow.entrypoints.worker.summary import TaskSummary

AWAY = QueueUnavailable("The queue is away.")


def _nothing(_: float) -> None:
    return


class Rig:
    """A slot, a message on its desk, and everything round it. The lease lasts a minute."""

    def __init__(self) -> None:
        self.time = FakeClock()
        self.queue = ObedientQueue()
        self.lease = CurrentLease()
        self.perform: Callable[[], object] = lambda: None
        self.memory_mb: Callable[[], float | None] = lambda: 123.4
        self.storage = WatchedStorage()
        self.handler = handler_of(self._perform, storage=self.storage)
        self.desk = Desk(LaneLimits.of(1), 9, trusted=True)
        clock = self.time.as_clock()
        self.leases = LeaseKeeper(self.queue, visibility_timeout_s=60.0, clock=clock)
        self.waits: list[float] = []
        self.on_wait: Callable[[float], object] = _nothing
        self.slot = Slot(
            self.desk,
            self.queue,
            self.handler,
            self.leases,
            self.lease,
            clock,
            memory_mb=lambda: self.memory_mb(),
            wait=self._wait,
        )

    def _perform(self, command: Command, origin: Origin) -> object:
        return self.perform()

    def _wait(self, seconds: float) -> None:
        self.waits.append(round(seconds, 6))
        self.time.advance(seconds)
        self.on_wait(seconds)

    def hold(self, body: str, receive_count: int = 1) -> HeldMessage:
        ends_s = self.time.as_clock().monotonic_s() + 60.0
        message = a_message("1", body, receive_count=receive_count, lease_ends_s=ends_s)
        return HeldMessage(message, self.leases.take(message), Lane.LIGHT)

    def work(self, body: str | None = None, receive_count: int = 1) -> HeldMessage:
        held = self.hold(hash_message("a.wav") if body is None else body, receive_count)
        self.slot.work(held)
        return held

    def remembered(self) -> Outcome | None:
        return self.handler.outbox.find("1")


@pytest.fixture
def rig() -> Rig:
    return Rig()


def _raise(error: BaseException) -> Callable[[], object]:
    def perform() -> object:
        raise error

    return perform


class TestWorking:
    def test_what_is_done_is_deleted_and_its_lease_kept_no_more(self, rig: Rig) -> None:
        held: list[object] = []
        rig.perform = lambda: held.extend(rig.leases.held())
        rig.queue.on_settle = lambda: held.append(len(rig.leases.held()))
        lease = rig.work().lease
        assert held == [lease, 0]
        assert rig.queue.settled == ["delete 1"]

    @pytest.mark.parametrize(
        ("error", "settled"),
        [
            (ObjectNotFound("gone"), "delete 1"),
            (StorageUnavailable("away"), "hide 1 for 60"),
            (LeaseLost("elsewhere"), "hide 1 for 0"),
        ],
    )
    def test_what_is_decided_is_done(self, rig: Rig, error: Exception, settled: str) -> None:
        rig.perform = _raise(error)
        rig.work()
        assert rig.queue.settled == [settled]

    def test_what_can_not_be_read_is_parked(self, rig: Rig) -> None:
        rig.work("not JSON")
        assert rig.queue.settled == ["park 1"]

    def test_the_work_goes_on_only_while_the_lease_holds(self, rig: Rig) -> None:
        def take_too_long() -> None:
            rig.lease.require()
            rig.time.advance(60.0)
            rig.lease.require()
            raise AssertionError("went on")

        rig.perform = take_too_long
        rig.work()
        assert rig.queue.settled == []
        rig.lease.require()  # Of no message any more.

    def test_a_lease_that_was_lost_on_the_way_settles_nothing(self, rig: Rig) -> None:
        rig.perform = lambda: rig.time.advance(60.0)
        with capture_logs() as logs:
            rig.work()
        assert rig.queue.settled == []
        assert [log["event"] for log in logs if log["log_level"] == "warning"] == [
            "message_not_settled"
        ]

    def test_start_and_end_are_logged_with_the_memory(self, rig: Rig) -> None:
        rig.perform = lambda: rig.time.advance(2.5)
        with capture_logs(processors=[merge_contextvars]) as logs:
            rig.work(receive_count=3)
        about = {"log_level": "info", "message_id": "1", "attempt": 3, "memory_mb": 123.4}
        about |= {"task": "hash", "task_id": "task-stem789"}
        about |= {"stem_id": "stem789", "track_id": "track456"}
        assert logs[0] == {"event": "task_started", "lane": "light"} | about
        assert logs[1]["stages"].pop("wait") > 0
        assert logs[1:] == [
            {
                "event": "task_ended",
                "outcome": "done",
                "seconds": 2.5,
                "stages": {"settle": 0.0, "other": 2.5},
                "bytes": 0,
                "audio_s": 0.0,
                "memory_mb_before": 123.4,
            }
            | about
        ]

    def test_every_line_of_a_task_says_whose_it_is(self, rig: Rig) -> None:
        rig.perform = _raise(StorageUnavailable("away"))
        rig.queue.troubles = [AWAY]
        body = mix_message("a.wav")
        with capture_logs(processors=[merge_contextvars]) as logs:
            rig.work(body)
        about: dict[str, object] = {"task": "mix", "task_id": "task-stage001"}
        about |= {"stage_id": "stage001", "message_id": "1", "attempt": 1}
        assert [log["event"] for log in logs] == [
            "task_started",
            "task_interrupted",
            "message_not_settled_yet",
            "task_ended",
        ]
        assert all(log.items() >= about.items() for log in logs)

    @pytest.mark.parametrize(
        "body", ["not JSON", '{"stemId": "stem789", "filepath": "a.wav", "trackId": "track456"}']
    )
    def test_a_message_that_its_sender_gave_no_name_has_its_own(self, rig: Rig, body: str) -> None:
        with capture_logs(processors=[merge_contextvars]) as logs:
            rig.work(body)
        assert {log["task_id"] for log in logs} == {"1"}

    def test_the_stages_add_up_to_the_time_of_the_task(self, rig: Rig) -> None:
        def work() -> None:
            for stage, seconds in (("download", 1.0), ("decode", 2.0), ("webhook", 4.0)):
                with in_stage(stage):  # type: ignore[arg-type]
                    rig.time.advance(seconds)
            rig.time.advance(8.0)

        rig.perform = work
        rig.queue.on_settle = lambda: rig.time.advance(16.0)
        [summary] = summaries_of(rig, lambda: rig.work())
        assert summary.seconds == 31.0
        assert summary.stages == {
            "download": 1.0,
            "decode": 2.0,
            "webhook": 4.0,
            "settle": 16.0,
            "other": 8.0,
        }

    def test_the_wait_is_that_since_the_message_was_sent(self, rig: Rig) -> None:
        now_ms = int(rig.time.as_clock().unix_s() * 1000)
        held = rig.hold(hash_message("a.wav"))
        sent = evolve(held.message, sent_at_ms=now_ms - 7_000)
        [summary] = summaries_of(rig, lambda: rig.slot.work(evolve(held, message=sent)))
        assert summary.wait_s == pytest.approx(7.0, abs=0.01)

    def test_a_clock_that_is_behind_makes_no_wait_of_less_than_nothing(self, rig: Rig) -> None:
        held = rig.hold(hash_message("a.wav"))
        sent = evolve(held.message, sent_at_ms=2**42)
        [summary] = summaries_of(rig, lambda: rig.slot.work(evolve(held, message=sent)))
        assert summary.wait_s == 0.0

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (None, ("done", None, None)),
            (ObjectNotFound("gone"), ("failed", "object_not_found", None)),
            (StorageUnavailable("away"), ("retried", None, 60.0)),
            (LeaseLost("elsewhere"), ("given_back", None, None)),
        ],
    )
    def test_what_came_of_it_is_told_to_who_observes(
        self, rig: Rig, error: Exception | None, expected: tuple[object, ...]
    ) -> None:
        rig.perform = _raise(error) if error else lambda: None
        [first] = summaries_of(rig, lambda: rig.work())
        assert (first.outcome, first.code, first.delay_s) == expected
        assert first.is_first
        [second] = summaries_of(rig, lambda: rig.work(receive_count=2))
        assert not second.is_first


def summaries_of(rig: Rig, work: Callable[[], object]) -> list[TaskSummary]:
    found: list[TaskSummary] = []
    rig.slot = evolve(rig.slot, observe=found.append)
    work()
    return found


class TestSettling:
    def test_a_queue_that_does_not_answer_is_asked_again(self, rig: Rig) -> None:
        rig.queue.troubles = [AWAY] * 6
        rig.work()
        assert rig.queue.settled == ["delete 1"]
        assert rig.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]

    def test_what_can_not_be_parked_does_not_keep_the_slot(self, rig: Rig) -> None:
        rig.queue.troubles = [AWAY] * 99
        held = rig.work("not JSON")
        assert sum(rig.waits) < 10.0
        assert not held.lease.lost
        remembered = rig.remembered()
        assert remembered is not None
        assert remembered.park_reason is not None
        assert remembered.park_reason.startswith("The message is not JSON")

    def test_meanwhile_the_outcome_is_remembered_for_the_next_delivery(self, rig: Rig) -> None:
        remembered: list[Outcome | None] = []
        rig.on_wait = lambda _: remembered.append(rig.remembered())
        rig.queue.troubles = [AWAY, AWAY]
        rig.work()
        assert remembered == [Outcome(untold=None)] * 2
        assert rig.remembered() is None

    def test_it_stays_remembered_when_the_queue_never_answers(self, rig: Rig) -> None:
        rig.queue.troubles = [AWAY] * 99
        held = rig.work()
        assert rig.queue.settled == []
        assert sum(rig.waits) == pytest.approx(60.0)
        assert held.lease.lost
        assert rig.remembered() == Outcome(untold=None)

    def test_the_next_delivery_does_not_work_again(self, rig: Rig) -> None:
        rig.queue.troubles = [AWAY] * 99
        rig.work()
        rig.queue.troubles.clear()
        rig.perform = _raise(AssertionError("worked again"))
        rig.work(receive_count=2)
        assert rig.queue.settled == ["delete 1"]
        assert rig.remembered() is None

    def test_why_a_message_is_parked_is_remembered_too(self, rig: Rig) -> None:
        rig.queue.troubles = [AWAY] * 99
        rig.work("not JSON")
        remembered = rig.remembered()
        assert remembered is not None
        assert remembered.park_reason is not None
        assert remembered.untold is None

    def test_what_is_parked_at_last_is_forgotten(self, rig: Rig) -> None:
        rig.queue.troubles = [AWAY]
        rig.on_wait = lambda _: rig.queue.settled.append(str(rig.remembered() is not None))
        rig.work("not JSON")
        assert [entry.split()[0] for entry in rig.queue.settled] == ["True", "park"]
        assert rig.remembered() is None

    def test_a_message_that_can_not_be_parked_stays_remembered(self, rig: Rig) -> None:
        """Nothing more is to be done for it when it comes back, though it was settled."""
        rig.queue.troubles = [AWAY, NoDeadLetterQueue("nowhere")]
        rig.work("not JSON")
        assert rig.queue.settled == ["hide 1 for 43200"]
        assert rig.remembered() is not None

    def test_a_back_off_is_not_remembered_as_an_outcome(self, rig: Rig) -> None:
        rig.perform = _raise(StorageUnavailable("away"))
        rig.queue.troubles = [AWAY]
        rig.on_wait = lambda _: rig.queue.settled.append(str(rig.remembered()))
        rig.work()
        assert rig.queue.settled == ["None", "hide 1 for 60"]

    def test_a_receipt_that_is_stale_ends_it(self, rig: Rig) -> None:
        rig.queue.troubles = [AWAY, LeaseLost("stale"), AWAY]
        rig.work()
        assert (rig.queue.settled, rig.waits) == ([], [0.5])
        assert rig.remembered() == Outcome(untold=None)

    def test_an_outcome_that_could_not_be_kept_is_kept_at_the_next_attempt(self, rig: Rig) -> None:
        rig.storage.before = Trouble(0, StorageUnavailable("away"))
        rig.queue.troubles = [AWAY] * 99
        rig.work()
        assert rig.remembered() == Outcome(untold=None)

    @pytest.mark.parametrize("method", ["write", "delete"])
    def test_a_storage_that_is_away_as_well_keeps_no_message_from_being_settled(
        self, rig: Rig, method: str
    ) -> None:
        def be_away(step: Step) -> None:
            if step.method == method:
                raise StorageUnavailable("away")

        rig.storage.before = be_away
        rig.queue.troubles = [AWAY, AWAY]
        rig.work()
        assert rig.queue.settled == ["delete 1"]


class TestRunning:
    def test_it_works_until_the_desk_is_closed(self, rig: Rig) -> None:
        for _ in range(3):
            rig.desk.put(rig.hold(hash_message("a.wav")))

        def close_after_the_third() -> None:
            if len(rig.queue.settled) == 2:
                rig.desk.close()

        rig.queue.on_settle = close_after_the_third
        rig.slot.run()
        assert rig.queue.settled == ["delete 1"] * 3
        assert rig.desk.counts() == {"running": 0, "waiting": 0}

    def test_a_slot_that_dies_keeps_no_lease(self, rig: Rig) -> None:
        rig.perform = _raise(ProcessDiedError())
        with pytest.raises(ProcessDiedError):
            rig.work()
        assert rig.leases.held() == []

    def test_not_even_one_that_dies_before_the_work(self, rig: Rig) -> None:
        def die() -> float:
            raise ProcessDiedError

        rig.memory_mb = die
        with pytest.raises(ProcessDiedError):
            rig.work()
        assert rig.leases.held() == []

    def test_the_desk_hears_of_work_that_ends_as_it_should_not(self, rig: Rig) -> None:
        rig.desk.put(rig.hold(hash_message("a.wav")))
        rig.perform = _raise(ProcessDiedError())
        with pytest.raises(ProcessDiedError):
            rig.slot.run()
        assert rig.desk.counts() == {"running": 0, "waiting": 0}
        assert rig.queue.settled == []
