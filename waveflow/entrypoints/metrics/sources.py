"""What the parts of a worker know of themselves, read when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from attrs import field, frozen

from waveflow.adapters.codec.deaths import REASONS
from waveflow.adapters.notifier.delivery_log import DELIVERY_RESULTS
from waveflow.adapters.notifier.wire import ENDPOINTS
from waveflow.application.breaker import Excuses
from waveflow.application.outage import Outage
from waveflow.application.tally import Tally
from waveflow.entrypoints.metrics.figures import Labels, Reading, Readings
from waveflow.entrypoints.worker.desk import Desk
from waveflow.entrypoints.worker.lanes import Lane
from waveflow.entrypoints.worker.memory import ServiceMemory, service_memory
from waveflow.entrypoints.worker.poller import RECEIVES, Poller

_COUNTED = {
    "leases_lost_total": "lease_lost",
    "duplicates_deleted_total": "duplicate_deleted",
    "compute_process_recycles_total": "compute_process_recycled",
    "defects_total": "defect",
}
"""Metric -> name in the tally."""


@frozen
class WorkerParts:
    """The parts of a worker, and what can be read from them without asking anybody else."""

    tally: Tally
    desk: Desk
    poller: Poller
    outage: Outage
    excuses: Excuses
    slots: int
    memory: Callable[[], ServiceMemory | None] = field(default=service_memory)

    def readings(self) -> Readings:
        """How it is now."""
        return {
            **self._counts(),
            **self._desk(),
            **self._poller(),
            "breaker_open": self._breakers(),
            **self._memory(),
        }

    def _counts(self) -> Readings:
        counts, parts = self.tally.counts(), self.tally.parts
        attempts = parts("webhook")
        webhooks: dict[Labels, Reading] = {
            (endpoint.strip("/"), result): attempts.get((endpoint, result), 0)
            for endpoint in ENDPOINTS
            for result in DELIVERY_RESULTS
        }
        return {
            **{metric: {(): counts.get(name, 0)} for metric, name in _COUNTED.items()},
            "webhooks_total": webhooks,
            "receives_total": _all_of(RECEIVES, parts("receive")),
            "compute_process_deaths_total": _all_of(REASONS, parts("compute_process_death")),
        }

    def _desk(self) -> Readings:
        running = Counter(held.lane for held in self.desk.running())
        return {
            "tasks_in_flight": {(lane.name.lower(),): running[lane] for lane in Lane},
            "messages_waiting": {(): self.desk.counts()["waiting"]},
            "slots": {(): self.slots},
        }

    def _poller(self) -> Readings:
        readings: Readings = {"draining": {(): float(self.poller.stop.is_set())}}
        for name, age_s in (
            ("last_receive_age_seconds", self.poller.since_answer_s()),
            ("received_message_age_seconds", self.poller.received_age_s()),
        ):
            if age_s is not None:
                readings[name] = {(): age_s}
        return readings

    def _breakers(self) -> dict[Labels, Reading]:
        storage = self.excuses.storage
        return {
            (name,): float(breaker.is_open)
            for name, breaker in (
                ("server", self.outage),
                ("storage_reading", storage.reading),
                ("storage_writing", storage.writing),
                ("storage_deleting", storage.deleting),
                ("machine", self.excuses.machine),
            )
        }

    def _memory(self) -> Readings:
        memory = self.memory()
        if memory is None:
            return {}
        parts: dict[Labels, Reading] = {
            ("worker",): memory.worker_bytes,
            ("compute",): memory.compute_bytes,
        }
        return {"memory_bytes": parts}


def _all_of(names: Iterable[str], counts: dict[Labels, int]) -> dict[Labels, Reading]:
    return {(name,): counts.get((name,), 0) for name in names}
