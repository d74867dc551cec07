"""The main server: what it sends to the queue, and what it does when it is told something."""

from __future__ import annotations

import random
from collections import Counter

import simpy
from attrs import define, field

from benchmarks.scaling.assumptions import Assumptions
from benchmarks.scaling.load import Stage, Stem, Uploads
from benchmarks.scaling.messages import Message, Queue, Steps


@define(eq=False)
class Platform:
    """Sends messages about uploads, and takes webhooks.

    Attributes:
        waits_s: for each stem that is no duplicate, from its first message to `/completion`.
        asked_s: when that first message was sent, in the same order.
        mix_waits_s: for each stage, from the message to `/mixing-complete`.
        told: webhooks taken, by task.
        sent: messages, by task.
        unfinished: uploaded, and not yet known to be through, by number.
    """

    env: simpy.Environment
    assumed: Assumptions
    queue: Queue
    uploads: Uploads
    draw: random.Random
    waits_s: list[float] = field(factory=list)
    asked_s: list[float] = field(factory=list)
    mix_waits_s: list[float] = field(factory=list)
    told: Counter[str] = field(factory=Counter)
    sent: Counter[str] = field(factory=Counter)
    unfinished: dict[int, float] = field(factory=dict)
    stems: int = 0
    _handlers: simpy.Resource | None = None

    def __attrs_post_init__(self) -> None:
        workers = self.assumed.services.webhook_workers
        if workers is not None:
            self._handlers = simpy.Resource(self.env, max(workers // self.assumed.cell, 1))

    def take_uploads(self, until_s: float) -> Steps:
        """Send a message about each stem that is uploaded until then."""
        spread_s = self.assumed.load.burst_s
        for at_s, stems in self.uploads.arrivals(self.assumed.from_hour):
            if at_s > until_s:
                return
            yield self.env.timeout(at_s - self.env.now)
            for stem in stems:
                self.env.process(self._upload(stem, self.uploads.draw.random() * spread_s))

    def _upload(self, stem: Stem, within_s: float) -> Steps:
        if stem.stage is not None:
            yield self.env.timeout(within_s)
        self.stems += 1
        self.unfinished[stem.number] = self.env.now
        self._send("hash", stem)

    def webhook(self, message: Message) -> Steps:
        """Be told of a message that was carried out; the answer comes when this ends."""
        took_s = self.draw.expovariate(1 / self.assumed.services.webhook_s)
        if self._handlers is None:
            yield self.env.timeout(took_s)
        else:
            with self._handlers.request() as turn:
                yield turn
                yield self.env.timeout(took_s)
        self.told[message.task] += 1
        message.done += 1
        if message.done == 1:
            self._react(message)

    def _react(self, message: Message) -> None:
        if message.task == "mix":
            self.mix_waits_s.append(self.env.now - message.sent_s)
        elif message.stem is None:
            raise AssertionError("only a mix has no stem")
        elif message.task == "hash":
            task = "duplicate" if message.stem.duplicate else "analysis"
            self.env.process(self._ask_later(task, message.stem))
        else:
            self._finish(message.stem)

    def _ask_later(self, task: str, stem: Stem) -> Steps:
        yield self.env.timeout(self.assumed.services.reaction_s)
        self._send(task, stem)

    def _finish(self, stem: Stem) -> None:
        asked_s = self.unfinished.pop(stem.number)
        if not stem.duplicate:
            self.asked_s.append(asked_s)
            self.waits_s.append(self.env.now - asked_s)
        if stem.stage is not None:
            stem.stage.left -= 1
            if not stem.duplicate:
                stem.stage.stems.append(stem)
            if stem.stage.left == 0 and stem.stage.stems:
                self._send("mix", None, stem.stage)

    def _send(self, task: str, stem: Stem | None, stage: Stage | None = None) -> None:
        self.sent[task] += 1
        self.queue.send(Message(task, self.env.now, stem, stage))
