"""One instance and its worker: poller, desk, slots, compute processes, processors, network."""

from __future__ import annotations

import math
import random

import simpy
from attrs import define, field

from benchmarks.scaling.assumptions import Assumptions
from benchmarks.scaling.desk import CountingDesk
from benchmarks.scaling.load import Stem
from benchmarks.scaling.messages import Message, Queue, Steps
from benchmarks.scaling.platform import Platform
from benchmarks.scaling.requests import READS_BEFORE, WRITES
from benchmarks.scaling.service import Line, ServiceTimes
from benchmarks.scaling.sharing import Link, Shared
from waveflow.entrypoints.worker.lanes import LaneLimits

MIX_BYTES_PER_S = 2 * 44_100
_HEARTBEATS_PER_LEASE = 3


@define(eq=False)
class Instance:
    """A machine with one worker, which takes messages from its making on.

    Attributes:
        redone: messages whose work was broken off, and is done again by somebody.
        busy_s: seconds of processor, bytes of network and seconds of slots used, by name.
    """

    env: simpy.Environment
    assumed: Assumptions
    times: ServiceTimes
    queue: Queue
    platform: Platform
    draw: random.Random
    spot: bool = False
    started_s: float = field(init=False)
    ended_s: float | None = field(default=None, init=False)
    slots_s: float = field(default=0.0, init=False)
    redone: int = field(default=0, init=False)
    cpu: Shared = field(init=False)
    link: Link = field(init=False)
    python: simpy.Resource = field(init=False)
    computing: simpy.Resource = field(init=False)
    desk: CountingDesk = field(init=False)
    _running: dict[Message, simpy.Process] = field(factory=dict, init=False)
    _leaving: simpy.Event = field(init=False)
    _room: simpy.Event = field(init=False)
    _idle: simpy.Event = field(init=False)

    def __attrs_post_init__(self) -> None:
        env, machine = self.env, self.assumed.machine
        self.started_s = env.now
        self.cpu = Shared(env, lambda pieces: 1 + machine.second_thread * (pieces > 1), 1.0)
        self.link = Link(
            env,
            lambda _: machine.network_burst,
            machine.transfer,
            baseline=machine.network,
            most_credits=machine.burst_credit_s * (machine.network_burst - machine.network),
        )
        self.python = simpy.Resource(env, 1)
        self.computing = simpy.Resource(env, machine.compute_processes)
        self.desk = CountingDesk(LaneLimits.of(machine.slots), machine.waiting_messages)
        self._leaving, self._room, self._idle = env.event(), env.event(), env.event()
        env.process(self._poll())

    @property
    def leaving(self) -> bool:
        """Whether it takes nothing more."""
        return self._leaving.triggered

    def drain(self) -> Steps:
        """SIGTERM: finish what runs, give back what has not begun, and what takes too long."""
        if self.leaving:
            return
        self._leaving.succeed()
        self.queue.give_back(self.desk.clear())
        if self._running:
            yield self._idle | self.env.timeout(self.assumed.machine.drain_s)
        self._break_off(longest_s=0.0)

    def kill(self) -> None:
        """Its messages come back when their leases end, which were extended a while ago."""
        if self.ended_s is not None:
            return
        if not self.leaving:
            self._leaving.succeed()
        lease_s = self.assumed.machine.visibility_timeout_s
        self._break_off(longest_s=lease_s, shortest_s=lease_s * (1 - 1 / _HEARTBEATS_PER_LEASE))

    def _break_off(self, *, longest_s: float, shortest_s: float = 0.0) -> None:
        if self.ended_s is not None:
            return
        for message in self.desk.clear():
            self.queue.give_back([message], self.draw.uniform(shortest_s, longest_s))
        for message, process in list(self._running.items()):
            process.interrupt()
            self.redone += 1
            self.queue.give_back([message], self.draw.uniform(shortest_s, longest_s))
        self.ended_s = self.env.now

    def _poll(self) -> Steps:
        while not self.leaving:
            if not self.desk.room():
                self._room = self.env.event()
                yield self._room | self._leaving
                continue
            for message in (yield from self.queue.receive(self._wanted, self._leaving)):
                self.desk.put(message)
            self._begin()

    def _wanted(self) -> int:
        return min(self.desk.room(), 10)

    def _begin(self) -> None:
        while (message := self.desk.next()) is not None:
            self._running[message] = self.env.process(self._slot(message))

    def _slot(self, message: Message) -> Steps:
        began_s = self.env.now
        try:
            yield from self._carry_out(message)
            yield from self.platform.webhook(message)
            yield self.env.timeout(self.queue.receive_s)
        except simpy.Interrupt:
            self.slots_s += self.env.now - began_s
            return
        self.slots_s += self.env.now - began_s
        self.queue.delete(message)
        del self._running[message]
        self.desk.done(message)
        self._go_on()

    def _go_on(self) -> None:
        if self.leaving:
            if not self._running and not self._idle.triggered:
                self._idle.succeed()
            return
        self._begin()
        if not self._room.triggered:
            self._room.succeed()

    def _carry_out(self, message: Message) -> Steps:
        times = self.times
        yield self._s3(self.assumed.services.s3_read_s, READS_BEFORE[message.task])
        if message.task == "mix":
            stage = message.stage
            stems = stage.stems if stage is not None else []
            yield from self._fetch(stems, times.mixing_main)
            work_s = sum(times.mixing_of(stem.kind.name).at(stem.audio_s) for stem in stems)
            yield from self._compute(work_s)
            longest_s = max(stem.audio_s for stem in stems)
            yield self.env.timeout(longest_s * MIX_BYTES_PER_S / self.assumed.machine.transfer)
        elif message.stem is not None:
            line = times.fetching if message.task == "analysis" else times.hashing
            copies = 2 if message.task == "duplicate" else 1
            yield from self._fetch([message.stem] * copies, line)
            if message.task == "analysis":
                decoding = times.decoding[message.stem.kind.name]
                yield from self._compute(decoding.at(message.stem.audio_s))
        yield self._s3(self.assumed.services.s3_write_s, WRITES[message.task])

    def _fetch(self, stems: list[Stem], line: Line) -> Steps:
        """Download and hash. They overlap in the worker; here one follows the other."""
        size = sum(stem.bytes for stem in stems)
        yield self.link.serve(size)
        factor = self.assumed.machine.cpu_factor
        with self.python.request() as turn:
            yield turn
            yield self.cpu.serve(line.fixed_s * factor)
        per_byte_s = line.per_unit_s * factor + self.assumed.machine.tls_s_per_byte
        yield self.cpu.serve(size * per_byte_s)

    def _compute(self, seconds: float) -> Steps:
        with self.computing.request() as turn:
            yield turn
            yield self.cpu.serve(seconds * self.assumed.machine.cpu_factor)

    def _s3(self, median_s: float, requests: int) -> simpy.Event:
        spread, gauss = self.assumed.services.s3_spread, self.draw.gauss
        factors = sum(math.exp(spread * gauss(0.0, 1.0)) for _ in range(requests))
        return self.env.timeout(median_s * factors)


def utilisation(instances: list[Instance], now_s: float) -> dict[str, float]:
    """How much of what the instances had was used: 1 is all of it."""
    used = dict.fromkeys(("lived", "cpu", "network", "slots"), 0.0)
    for each in instances:
        machine = each.assumed.machine
        lived_s = (each.ended_s if each.ended_s is not None else now_s) - each.started_s
        used["lived"] += lived_s
        used["cpu"] += each.cpu.done / (1 + machine.second_thread)
        used["network"] += each.link.done / machine.network
        used["slots"] += each.slots_s / machine.slots
    lived_s = used.pop("lived") or 1.0
    return {name: amount / lived_s for name, amount in used.items()}
