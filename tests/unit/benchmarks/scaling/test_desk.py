from __future__ import annotations

import random

import pytest

from benchmarks.scaling.desk import CountingDesk
from benchmarks.scaling.messages import Message
from tests.support.worker_rig import a_message
from waveflow.application.clock import Clock
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import MessageLease

TASKS = ("hash", "duplicate", "analysis", "mix")


@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("seed", range(6))
def test_it_admits_what_the_products_desk_admits(slots: int, seed: int) -> None:
    draw, limits = random.Random(seed), LaneLimits.of(slots)
    real, counting = Desk(limits, 12, trusted=True, moment_s=0.0), CountingDesk(limits, 12)
    running: list[tuple[HeldMessage, Message]] = []
    for number in range(300):
        assert counting.room() == real.room()
        if counting.room() and draw.random() < 0.7:
            message = Message(draw.choice(TASKS), float(number))
            lease = MessageLease(a_message(str(number)), Clock())
            counting.put(message)
            assert real.put(HeldMessage(lease.message, lease, message.lane))
        while (begun := counting.next()) is not None:
            held = real.next()
            assert held is not None
            assert held.message.message_id == f"{begun.sent_s:.0f}"
            running.append((held, begun))
        if running and draw.random() < 0.4:
            held, done = running.pop(draw.randrange(len(running)))
            real.done(held)
            counting.done(done)
        counts = real.counts()
        assert (counting.running, counting.waiting) == (counts["running"], counts["waiting"])


def test_each_task_has_the_lane_that_it_has_in_the_product() -> None:
    lanes = {task: Message(task, 0.0).lane for task in TASKS}
    light = {"hash": Lane.LIGHT, "duplicate": Lane.LIGHT}
    assert lanes == light | {"analysis": Lane.ANALYSIS, "mix": Lane.MIX}


def test_what_waits_can_be_given_back() -> None:
    desk = CountingDesk(LaneLimits.of(1), 8)
    messages = [Message("hash", 0.0), Message("hash", 1.0)]
    for message in messages:
        desk.put(message)
    assert desk.next() is messages[0]
    assert desk.clear() == [messages[1]]
    assert (desk.running, desk.waiting) == (1, 0)
