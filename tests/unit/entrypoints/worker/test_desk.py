"""The desk: what is handed out when, and how much more may be taken."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.worker_rig import SECONDS, a_message, in_thread
from waveflow.application.clock import Clock
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import MessageLease

LIGHT, ANALYSIS, MIX = Lane.LIGHT, Lane.ANALYSIS, Lane.MIX


def held(name: str, lane: Lane) -> HeldMessage:
    message = a_message(name)
    return HeldMessage(message, MessageLease(message, Clock()), lane)


def desk_of(slots: int, waiting_messages: int, *lanes: Lane) -> Desk:
    """A desk on which these lie; they are named by their number."""
    desk = Desk(LaneLimits.of(slots), waiting_messages)
    for number, lane in enumerate(lanes):
        assert desk.put(held(str(number), lane))
    return desk


def take(desk: Desk) -> str:
    message = desk.next()
    assert message is not None
    return message.message.message_id


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

    def test_the_counts_tell_what_runs_from_what_waits(self) -> None:
        desk = desk_of(4, 9, MIX, MIX, MIX)
        take(desk)
        assert desk.counts() == {"running": 1, "waiting": 2}


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
    desk = Desk(limits, waiting_messages)
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


def test_many_threads_share_a_desk() -> None:
    slots, count = 6, 300
    desk = Desk(LaneLimits.of(slots), 5)
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
