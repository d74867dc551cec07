from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import cast

import pytest
import simpy
from attrs import define, evolve, field

from benchmarks.scaling.assumptions import KINDS, Assumptions, Machine, Services
from benchmarks.scaling.instance import Instance
from benchmarks.scaling.load import Stem
from benchmarks.scaling.messages import Message, Queue, Steps
from benchmarks.scaling.platform import Platform
from benchmarks.scaling.service import Line, ServiceTimes

NOTHING = Line(0.0, 0.0)
NO_WORK = ServiceTimes(
    hashing=NOTHING,
    fetching=NOTHING,
    decoding={kind.name: NOTHING for kind in KINDS},
    mixing_main=NOTHING,
    mixing={kind.name: NOTHING for kind in KINDS},
)
AT_ONCE = Services(s3_read_s=0.0, s3_write_s=0.0, sqs_s=0.0)
ENDLESS = Machine(network=1e15, network_burst=1e15, transfer=1e15, tls_s_per_byte=0.0)


@define
class Server:
    """Takes webhooks for as long as it is told; notes who waited how long before."""

    env: simpy.Environment
    took_s: Callable[[], float] = lambda: 0.0
    waited_s: list[float] = field(factory=list)
    told: list[Message] = field(factory=list)

    def webhook(self, message: Message) -> Steps:
        self.waited_s.append(self.env.now - message.sent_s)
        yield self.env.timeout(self.took_s())
        self.told.append(message)
        message.done += 1


@define
class Rig:
    """One instance, whose services need no time unless a test says so."""

    assumed: Assumptions = Assumptions(services=AT_ONCE, machine=ENDLESS)
    times: ServiceTimes = NO_WORK
    env: simpy.Environment = field(factory=simpy.Environment)
    queue: Queue = field(init=False)
    server: Server = field(init=False)
    instance: Instance = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.queue = Queue(self.env, self.assumed.services.sqs_s)
        self.server = Server(self.env)
        self.instance = self.another()

    def another(self) -> Instance:
        server = cast(Platform, self.server)
        draw = random.Random(1)
        return Instance(self.env, self.assumed, self.times, self.queue, server, draw)

    def send(self, task: str = "hash", *, audio_s: float = 100.0, kind: int = 0) -> Message:
        stem = Stem(1, KINDS[kind], audio_s, duplicate=False, stage=None)
        message = Message(task, self.env.now, stem)
        self.queue.send(message)
        return message


def erlang_c(servers: int, offered: float) -> float:
    """The share that has to wait, of Poisson arrivals with exponential service."""
    terms = [offered**number / math.factorial(number) for number in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(terms) + last)


@pytest.mark.slow
@pytest.mark.parametrize(("slots", "load"), [(1, 0.5), (4, 0.7), (8, 0.75)])
def test_messages_wait_for_slots_as_long_as_erlangs_formula_says(slots: int, load: float) -> None:
    machine = evolve(ENDLESS, slots=slots, waiting_messages=0)
    rig = Rig(Assumptions(services=AT_ONCE, machine=machine))
    draw, messages = random.Random(3), 40_000
    rig.server.took_s = lambda: draw.expovariate(1.0)

    def arrivals() -> Steps:
        for _ in range(messages):
            yield rig.env.timeout(draw.expovariate(slots * load))
            rig.send()

    rig.env.process(arrivals())
    rig.env.run()
    assert len(rig.server.told) == messages
    expected_s = erlang_c(slots, slots * load) / (slots * (1 - load))
    assert sum(rig.server.waited_s) / messages == pytest.approx(expected_s, rel=0.05)


def test_the_formula_is_erlangs() -> None:
    # One server: the share that waits is the load. Two with an offered load of 1: a third.
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)


def test_light_work_has_slots_that_analyses_never_take() -> None:
    rig = Rig()
    rig.server.took_s = lambda: 10.0
    for _ in range(20):
        rig.send("analysis")
    late = rig.send("hash")
    rig.env.run(11.0)
    assert rig.server.told.count(late) == 1
    assert len(rig.server.told) == 7


def test_two_compute_processes_decode_at_once_and_share_the_core() -> None:
    decoding = {kind.name: Line(1.0, 0.0) for kind in KINDS}
    machine = evolve(ENDLESS, second_thread=0.25)
    assumed = Assumptions(services=AT_ONCE, machine=machine)
    rig = Rig(assumed, evolve(NO_WORK, decoding=decoding))
    for _ in range(4):
        rig.send("analysis")
    rig.env.run()
    # Pairs of one second each at 1.25 of one core's rate: 1.6 s a pair.
    assert sorted(rig.server.waited_s) == pytest.approx([1.6, 1.6, 3.2, 3.2])


def test_the_interpreter_does_one_thing_at_a_time() -> None:
    rig = Rig(times=evolve(NO_WORK, hashing=Line(1.0, 0.0)))
    for _ in range(3):
        rig.send()
    rig.env.run()
    assert rig.server.waited_s == pytest.approx([1.0, 2.0, 3.0])


def test_a_stem_comes_in_as_fast_as_the_network_is() -> None:
    machine = evolve(ENDLESS, network=1e6, network_burst=1e6, burst_credit_s=0.0)
    rig = Rig(Assumptions(services=AT_ONCE, machine=machine))
    rig.send(audio_s=100.0)  # 3.2 MB of MP3
    rig.env.run()
    assert rig.server.waited_s == pytest.approx([3.2])


def test_what_a_killed_instance_held_comes_back_when_its_leases_end() -> None:
    rig = Rig()
    rig.server.took_s = lambda: 1000.0
    messages = [rig.send() for _ in range(3)]
    rig.env.run(5.0)
    rig.instance.kill()
    rig.server.took_s = lambda: 0.0
    rig.another()
    rig.env.run()
    assert len(rig.server.told) == 3
    assert [message.receives for message in messages] == [2, 2, 2]
    assert all(45.0 <= waited_s <= 65.0 for waited_s in rig.server.waited_s[3:])
    assert rig.instance.redone == 3


def test_a_drain_finishes_what_runs_and_gives_back_the_rest_at_once() -> None:
    rig = Rig()
    rig.server.took_s = lambda: 10.0
    messages = [rig.send("analysis") for _ in range(20)]
    rig.env.run(5.0)
    rig.env.process(rig.instance.drain())
    rig.env.run(20.0)
    assert rig.server.told == messages[:6]
    assert rig.instance.redone == 0
    assert rig.queue.visible() == 14
    assert not rig.queue.lent
    assert rig.instance.ended_s == pytest.approx(10.0)


def test_a_drain_breaks_off_what_takes_too_long() -> None:
    rig = Rig()
    rig.server.took_s = lambda: 1000.0
    rig.send()
    rig.env.run(5.0)
    rig.env.process(rig.instance.drain())
    rig.env.run(200.0)
    assert rig.instance.ended_s == pytest.approx(95.0)
    assert rig.queue.visible() == 1
