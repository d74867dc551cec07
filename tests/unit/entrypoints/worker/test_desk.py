"""The desk: what is handed out when, and how much more may be taken."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Lock
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.worker_rig import SECONDS, a_message, in_thread
from tests.support.workshop import FakeClock
from waveflow.application.clock import Clock
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import MessageLease

LIGHT, ANALYSIS, MIX = Lane.LIGHT, Lane.ANALYSIS, Lane.MIX


def held(name: str, lane: Lane = LIGHT, receive_count: int = 1) -> HeldMessage:
    message = a_message(name, receive_count=receive_count)
    return HeldMessage(message, MessageLease(message, Clock()), lane)


def desk_of(slots: int, waiting_messages: int, *lanes: Lane) -> Desk:
    """A desk, trusted from the start, on which these lie; they are named by their number."""
    desk = Desk(LaneLimits.of(slots), waiting_messages, trusted=True)
    for number, lane in enumerate(lanes):
        assert desk.put(held(str(number), lane))
    return desk


def take(desk: Desk) -> str:
    message = desk.next()
    assert message is not None
    return message.message.message_id


def busy_desk(running: int, moment_s: float = 100 * SECONDS) -> tuple[Desk, list[HeldMessage]]:
    """A desk of four slots on which so many messages have begun just now."""
    clock = FakeClock().as_clock()
    desk = Desk(LaneLimits.of(4), 9, clock, trusted=True, moment_s=moment_s)
    begun = [held(str(number)) for number in range(running)]
    for message in begun:
        desk.put(message)
        assert desk.next() is message
    return desk, begun


class TestOrder:
    def test_messages_are_handed_out_as_they_came(self) -> None:
        desk = desk_of(4, 0, LIGHT, ANALYSIS, LIGHT)
        assert [take(desk) for _ in range(3)] == ["0", "1", "2"]

    def test_who_may_not_begin_is_overtaken(self) -> None:
        desk = desk_of(4, 9, MIX, MIX, ANALYSIS, MIX, LIGHT)
        assert [take(desk) for _ in range(3)] == ["0", "2", "4"]

    def test_who_was_overtaken_comes_as_soon_as_it_may(self) -> None:
        desk = desk_of(4, 9, MIX, MIX, ANALYSIS, LIGHT)
        first = desk.next()
        assert first is not None
        assert take(desk) == "2"
        desk.done(first)
        assert [take(desk), take(desk)] == ["1", "3"]

    def test_a_slot_waits_for_a_message(self) -> None:
        desk = desk_of(1, 0)
        with in_thread(desk.next) as next_message:
            message = held("x", MIX)
            desk.put(message)
            assert next_message.result(SECONDS) is message

    def test_a_slot_waits_for_the_lane_of_a_message(self) -> None:
        desk = desk_of(2, 9, MIX, MIX)
        first = desk.next()
        assert first is not None
        with in_thread(desk.next) as next_message:
            assert not next_message.done()
            desk.done(first)
            second = next_message.result(SECONDS)
        assert second is not None
        assert second.message.message_id == "1"


class TestRoom:
    @pytest.mark.parametrize(
        ("waiting_messages", "lanes", "room"),
        [
            (9, [], 4),
            (9, [LIGHT], 3),
            (9, [LIGHT] * 4, 0),
            (9, [MIX], 3),
            (9, [MIX] * 5, 3),  # Four of them wait: three slots are free.
            (9, [MIX] * 5 + [LIGHT], 2),
            (9, [MIX] * 5 + [ANALYSIS] * 5, 1),
            (9, [MIX] * 12, 1),  # All that the waiting room leaves.
            (9, [MIX] * 13, 0),
            (0, [MIX] * 3, 1),  # Two of them wait in place of what could fill the slots.
            (0, [MIX] * 4, 0),
            (0, [LIGHT] * 3, 1),
        ],
    )
    def test_there_is_room_for_free_slots_as_far_as_everything_can_be_held(
        self, waiting_messages: int, lanes: list[Lane], room: int
    ) -> None:
        desk = desk_of(4, waiting_messages, *lanes)
        assert desk.room() == desk.wait_for_room(0.0) == room

    def test_a_message_leaves_room_when_it_is_done_and_not_when_it_is_begun(self) -> None:
        desk = desk_of(1, 5, LIGHT)
        assert desk.room() == 0
        message = desk.next()
        assert message is not None
        assert desk.room() == 0
        desk.done(message)
        assert desk.room() == 1

    def test_who_waits_for_room_is_woken_when_there_is_some(self) -> None:
        desk = desk_of(1, 5, LIGHT)
        message = desk.next()
        assert message is not None
        with in_thread(lambda: desk.wait_for_room(100 * SECONDS)) as room:
            desk.done(message)
            assert room.result(SECONDS) == 1

    def test_room_is_gathered_while_messages_end_one_after_the_other(self) -> None:
        desk, begun = busy_desk(3)
        desk.done(begun[0])
        with in_thread(desk.gathered_room) as room:
            desk.done(begun[1])
            desk.done(begun[2])
            assert room.result(SECONDS) == 4

    def test_nobody_gathers_room_where_nothing_ends_or_nothing_runs(self) -> None:
        desk, begun = busy_desk(1)
        with in_thread(desk.gathered_room) as room:
            assert room.result(SECONDS) == 3
        desk.done(begun[0])
        with in_thread(desk.gathered_room) as room:
            assert room.result(SECONDS) == 4

    def test_what_goes_on_is_not_waited_for_long(self) -> None:
        desk, begun = busy_desk(3, moment_s=0.001)
        desk.done(begun[0])
        assert desk.gathered_room() == 2

    def test_who_gathers_room_notices_the_end(self) -> None:
        desk, begun = busy_desk(2)
        desk.done(begun[0])
        with in_thread(desk.gathered_room) as room:
            desk.close()
            assert room.result(SECONDS) == 0

    def test_the_counts_tell_what_runs_from_what_waits(self) -> None:
        desk = desk_of(4, 9, MIX, MIX, MIX)
        take(desk)
        assert desk.counts() == {"running": 1, "waiting": 2}


class TestSlowStart:
    """A message may kill the worker, and then costs all that are held with it a receive."""

    def test_a_worker_that_has_just_begun_takes_one_message(self) -> None:
        desk = Desk(LaneLimits.of(8), 64, FakeClock().as_clock())
        assert desk.room() == 1
        desk.put(held("a"))
        assert desk.room() == desk.wait_for_room(0.0) == 0

    def test_each_second_allows_one_more_until_everything_is_allowed(self) -> None:
        time = FakeClock()
        desk = Desk(LaneLimits.of(4), 2, time.as_clock())
        held_at_most = []
        for _ in range(8):
            while desk.room():
                # They wait for each other, and so leave slots free.
                desk.put(held("a", MIX))
            held_at_most.append(desk.counts()["waiting"])
            time.advance(1.0)
        assert held_at_most == [1, 2, 3, 4, 5, 6, 6, 6]

    def test_a_part_of_a_second_allows_nothing(self) -> None:
        time = FakeClock()
        desk = Desk(LaneLimits.of(4), 2, time.as_clock())
        time.advance(0.9)
        assert desk.room() == 1

    def test_each_end_allows_twice_as_many(self) -> None:
        desk = Desk(LaneLimits.of(8), 64, FakeClock().as_clock())
        rooms = []
        for number in range(5):
            rooms.append(desk.room())
            message = held(str(number))
            desk.put(message)
            assert desk.next() is message
            desk.done(message)
        assert rooms == [1, 2, 4, 8, 8]

    def test_what_is_dropped_is_no_end(self) -> None:
        desk = Desk(LaneLimits.of(8), 64, FakeClock().as_clock())
        message = held("a")
        desk.put(message)
        desk.drop(message.lease)
        assert desk.room() == 1

    def test_a_trusted_desk_needs_no_start(self) -> None:
        desk = Desk(LaneLimits.of(8), 64, FakeClock().as_clock(), trusted=True)
        assert desk.room() == 8


class TestSuspicion:
    """What came often and never to an end may be what killed the workers before."""

    @pytest.mark.parametrize(
        ("receive_count", "held_at_most"), [(1, 13), (3, 13), (4, 4), (6, 4), (7, 1), (99, 1)]
    )
    def test_the_more_often_a_message_came_the_less_is_held_beside_it(
        self, receive_count: int, held_at_most: int
    ) -> None:
        desk = desk_of(4, 9)
        desk.put(held("often", MIX, receive_count))
        while desk.room():
            desk.put(held("other", MIX))
        assert desk.counts()["waiting"] == held_at_most

    @pytest.mark.parametrize("receive_count", [4, 7])
    def test_it_counts_also_while_it_is_worked_on_and_no_more_after_its_end(
        self, receive_count: int
    ) -> None:
        desk = desk_of(2, 9)
        often = held("often", MIX, receive_count)
        for message in (often, held("b", MIX), held("c", MIX)):
            desk.put(message)
        assert desk.next() is often
        assert desk.room() == 0
        desk.done(often)
        assert desk.room() == 1

    @pytest.mark.parametrize("receive_count", [4, 7])
    def test_it_counts_no_more_when_it_is_dropped(self, receive_count: int) -> None:
        desk = desk_of(2, 9, MIX, MIX)
        often = held("often", MIX, receive_count)
        desk.put(often)
        assert desk.room() == 0
        desk.drop(often.lease)
        assert desk.room() == 1

    def test_what_is_held_already_when_it_comes_is_kept_and_worked_on(self) -> None:
        desk = desk_of(4, 9, LIGHT, LIGHT)
        desk.put(held("often", LIGHT, 7))
        assert desk.room() == 0
        assert [take(desk) for _ in range(3)] == ["0", "1", "often"]

    def test_with_a_single_slot_nothing_is_stuck(self) -> None:
        desk = desk_of(1, 0)
        for number in range(3):
            assert desk.room() == 1
            message = held(str(number), MIX, 7)
            desk.put(message)
            assert desk.next() is message
            desk.done(message)
        assert desk.room() == 1

    def test_it_does_not_hasten_a_slow_start(self) -> None:
        desk = Desk(LaneLimits.of(4), 9, FakeClock().as_clock())
        desk.put(held("often", LIGHT, 4))
        assert desk.room() == 0


class TestDropping:
    def test_what_waits_is_not_worked_on_any_more(self) -> None:
        desk = desk_of(4, 9, LIGHT)
        lost = held("lost")
        desk.put(lost)
        desk.put(held("2"))
        desk.drop(lost.lease)
        assert [take(desk), take(desk)] == ["0", "2"]
        assert desk.counts() == {"running": 2, "waiting": 0}

    def test_what_has_begun_goes_on(self) -> None:
        desk = desk_of(4, 9)
        lost = held("lost")
        desk.put(lost)
        assert desk.next() is lost
        desk.drop(lost.lease)
        assert desk.counts() == {"running": 1, "waiting": 0}
        desk.done(lost)

    def test_another_delivery_of_the_same_message_stays(self) -> None:
        desk = desk_of(4, 9)
        earlier, later = held("a"), held("a", receive_count=2)
        desk.put(earlier)
        desk.put(later)
        desk.drop(earlier.lease)
        assert desk.next() is later

    def test_what_nobody_knows_is_dropped_in_vain(self) -> None:
        desk = desk_of(4, 9, LIGHT)
        desk.drop(held("x").lease)
        assert desk.counts() == {"running": 0, "waiting": 1}

    def test_who_waits_for_room_is_woken(self) -> None:
        desk = desk_of(1, 5)
        lost = held("lost")
        desk.put(lost)
        with in_thread(lambda: desk.wait_for_room(100 * SECONDS)) as room:
            desk.drop(lost.lease)
            assert room.result(SECONDS) == 1

    def test_what_is_lost_before_it_is_laid_down_takes_no_room(self) -> None:
        """The heartbeat may have told so just before."""
        desk = desk_of(4, 9)
        lost = held("lost", receive_count=7)
        lost.lease.revoke()
        desk.drop(lost.lease)
        assert desk.put(lost)
        assert desk.counts() == {"running": 0, "waiting": 0}
        assert desk.room() == 4

    def test_a_closed_desk_has_nothing_to_drop(self) -> None:
        desk = desk_of(4, 9)
        lost = held("lost")
        desk.put(lost)
        assert desk.close() == [lost]
        desk.drop(lost.lease)
        assert desk.close() == []


class TestClosing:
    def test_a_closed_desk_returns_what_has_not_begun_and_hands_out_nothing(self) -> None:
        desk = desk_of(4, 9, LIGHT, MIX, LIGHT)
        take(desk)
        assert [message.message.message_id for message in desk.close()] == ["1", "2"]
        assert desk.next() is None
        assert desk.room() == desk.wait_for_room(100 * SECONDS) == 0
        assert desk.close() == []

    def test_a_closed_desk_takes_nothing(self) -> None:
        desk = desk_of(4, 9)
        desk.close()
        assert not desk.put(held("x", LIGHT))
        assert desk.counts() == {"running": 0, "waiting": 0}

    def test_closing_wakes_everybody_who_waits(self) -> None:
        desk = desk_of(1, 0, LIGHT)
        take(desk)
        with (
            in_thread(desk.next) as message,
            in_thread(lambda: desk.wait_for_room(100 * SECONDS)) as room,
        ):
            desk.close()
            assert message.result(SECONDS) is None
            assert room.result(SECONDS) == 0

    def test_a_desk_is_idle_once_everything_begun_is_done(self) -> None:
        desk = desk_of(4, 9, LIGHT)
        message = desk.next()
        assert message is not None
        desk.close()
        assert not desk.wait_until_idle(0.0)
        assert not desk.wait_until_idle(-1.0)
        with in_thread(lambda: desk.wait_until_idle(SECONDS)) as idle:
            desk.done(message)
            assert idle.result(SECONDS)


@given(
    slots=st.integers(1, 9),
    waiting_messages=st.integers(0, 6),
    lanes=st.lists(st.sampled_from(Lane), max_size=60),
    order=st.randoms(use_true_random=False),
)
def test_a_poller_that_minds_the_room_never_overfills_the_desk(
    slots: int, waiting_messages: int, lanes: list[Lane], order: Random
) -> None:
    limits = LaneLimits.of(slots)
    desk = Desk(limits, waiting_messages, trusted=True)
    coming = [held(str(number), lane) for number, lane in enumerate(lanes)]
    waiting: list[HeldMessage] = []
    running: list[HeldMessage] = []
    finished = 0
    while finished < len(lanes):
        room = desk.room()
        assert 0 <= room <= slots - len(running)
        batch, coming = coming[:room], coming[room:]
        assert all(desk.put(message) for message in batch)
        waiting += batch
        assert len(waiting) + len(running) <= slots + waiting_messages
        while any(limits.admits(each.lane, [r.lane for r in running]) for each in waiting):
            message = desk.next()
            assert message is not None
            waiting.remove(message)  # It lay there, and is handed out once.
            running.append(message)
            began = Counter(each.lane for each in running)
            assert began[MIX] <= limits.mixes
            assert began[MIX] + began[ANALYSIS] <= limits.heavy
            assert len(running) <= slots
        ended = running.pop(order.randrange(len(running)))
        desk.done(ended)
        finished += 1
    assert desk.counts() == {"running": 0, "waiting": 0}
    assert desk.room() == slots


class _Arrival(NamedTuple):
    lane: Lane
    receive_count: int


@given(
    slots=st.integers(1, 9),
    waiting_messages=st.integers(0, 9),
    arrivals=st.lists(
        st.builds(_Arrival, st.sampled_from(Lane), st.integers(1, 10)), min_size=1, max_size=40
    ),
    seconds=st.sampled_from([0.0, 0.4, 1.0, 5.0]),
    order=st.randoms(use_true_random=False),
)
def test_a_desk_is_as_cautious_as_it_says_and_gets_through_everything(
    slots: int, waiting_messages: int, arrivals: list[_Arrival], seconds: float, order: Random
) -> None:
    time = FakeClock()
    limits = LaneLimits.of(slots)
    desk = Desk(limits, waiting_messages, time.as_clock())
    begun_s = time.as_clock().monotonic_s()
    coming = [held(str(number), *arrival) for number, arrival in enumerate(arrivals)]
    waiting: list[HeldMessage] = []
    running: list[HeldMessage] = []
    ended = gone = 0
    while gone < len(arrivals):
        before = [message.message.receive_count for message in (*waiting, *running)]
        room = desk.room()
        age_s = time.as_clock().monotonic_s() - begun_s
        assert len(before) + room <= max(2**ended + int(age_s), len(before))
        assert len(before) + room <= slots + waiting_messages
        if max(before, default=1) >= 4:
            assert room == 0 or len(before) + room <= slots
        if max(before, default=1) >= 7:
            assert room == 0
        if not before:
            assert room >= 1  # Whatever came before: it never stops for good.
        batch, coming = coming[: min(room, 10)], coming[min(room, 10) :]
        assert all(desk.put(message) for message in batch)
        waiting += batch
        while any(limits.admits(each.lane, [r.lane for r in running]) for each in waiting):
            message = desk.next()
            assert message is not None
            waiting.remove(message)
            running.append(message)
        if waiting and order.random() < 0.2:
            lost = waiting.pop(order.randrange(len(waiting)))
            lost.lease.revoke()
            desk.drop(lost.lease)
            gone += 1
        if running and order.random() < 0.7:
            desk.done(running.pop(order.randrange(len(running))))
            ended += 1
            gone += 1
        time.advance(seconds)
    assert desk.counts() == {"running": 0, "waiting": 0}


def test_many_threads_share_a_desk() -> None:
    slots, count = 6, 300
    desk = Desk(LaneLimits.of(slots), 5, trusted=True)
    done: list[str] = []
    running: Counter[Lane] = Counter()
    most: Counter[Lane] = Counter()
    lock = Lock()

    def work() -> None:
        while (message := desk.next()) is not None:
            with lock:
                running[message.lane] += 1
                most[message.lane] = max(most[message.lane], running[message.lane])
            with lock:
                running[message.lane] -= 1
                done.append(message.message.message_id)
                last = len(done) == count
            desk.done(message)
            if last:
                desk.close()

    with ThreadPoolExecutor(slots) as pool:
        slots_working = [pool.submit(work) for _ in range(slots)]
        sent = 0
        while sent < count:
            for _ in range(min(desk.wait_for_room(SECONDS), count - sent)):
                desk.put(held(str(sent), list(Lane)[sent % 3]))
                sent += 1
        for slot in slots_working:
            slot.result(SECONDS)
    assert sorted(done, key=int) == [str(number) for number in range(count)]
    assert most[MIX] <= LaneLimits.of(slots).mixes
