"""The container: the one place where everything is put together."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from attrs import asdict, evolve
from dependency_injector import providers

from waveflow.adapters.notifier.memory import InMemoryNotifier, Receiver
from waveflow.application.commands import Command, Origin
from waveflow.entrypoints.container.backends import Backends
from waveflow.entrypoints.container.observed import facts_of, metrics_of
from waveflow.entrypoints.container.use_cases import UseCases
from waveflow.entrypoints.metrics import Metrics, TaskFigures, WorkerParts
from waveflow.entrypoints.settings import Settings
from waveflow.entrypoints.worker.desk import Desk
from waveflow.entrypoints.worker.lanes import LaneLimits, lane_of
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.poller import Poller
from waveflow.entrypoints.worker.service import Worker
from waveflow.entrypoints.worker.slot import Slot
from waveflow.entrypoints.worker.summary import unobserved

_MIB = 1024**2
_SPARE_CONNECTIONS = 4
"""For poller, heartbeat and the like, beside one for each slot."""


class Container(UseCases):
    """Everything WaveFlow is made of, wired for one set of settings.

    Made with `container_for(settings)`; call `shutdown_resources()` at the end.
    """

    lanes: providers.Provider[LaneLimits] = providers.Singleton(
        LaneLimits.of, Backends.config.slots
    )
    desk: providers.Provider[Desk] = providers.Singleton(
        Desk, lanes, waiting_messages=Backends.config.waiting_messages, clock=Backends.clock
    )
    leases: providers.Provider[LeaseKeeper] = providers.Singleton(
        LeaseKeeper,
        Backends.queue,
        visibility_timeout_s=Backends.config.visibility_timeout_s,
        on_lost=desk.provided.drop,
        clock=Backends.clock,
        tally=Backends.tally,
    )
    poller: providers.Provider[Poller] = providers.Singleton(
        Poller,
        queue=Backends.queue,
        desk=desk,
        leases=leases,
        outage=Backends.outage,
        excuses=Backends.excuses,
        lane_of=providers.Callable(lane_of, parse=UseCases.parser.provided.parse).provider,
        stop=providers.Singleton(Event),
        wait_s=Backends.config.receive_wait_s,
        clock=Backends.clock,
        tally=Backends.tally,
    )
    task_figures: providers.Provider[TaskFigures] = providers.Singleton(TaskFigures)
    metrics: providers.Provider[Metrics | None] = providers.Selector(
        Backends.config.metrics,
        on=providers.Resource(
            metrics_of,
            figures=task_figures,
            parts=providers.Singleton(
                WorkerParts,
                tally=Backends.tally,
                desk=desk,
                poller=poller,
                outage=Backends.outage,
                excuses=Backends.excuses,
                slots=Backends.config.slots,
            ),
            facts=providers.Singleton(
                facts_of,
                Backends.queue,
                Backends.config.sqs_queue_url,
                Backends.dead_letters.provider,
                Backends.queue_ages.provider,
            ),
            work_folder=Backends.config.work_dir,
            every_s=Backends.config.queue_look_s,
            clock=Backends.clock,
        ),
        off=providers.Object(None),
    )
    slot: providers.Provider[Slot] = providers.Singleton(
        Slot,
        desk=desk,
        queue=Backends.queue,
        handler=UseCases.handler,
        leases=leases,
        current_lease=Backends.current_lease,
        clock=Backends.clock,
        observe=providers.Selector(
            Backends.config.metrics,
            on=task_figures.provided.observe,
            off=providers.Object(unobserved),
        ),
    )
    worker: providers.Provider[Worker] = providers.Singleton(
        Worker,
        poller=poller,
        desk=desk,
        leases=leases,
        slot=slot,
        slots=Backends.config.slots,
        outage=Backends.outage,
        sweep=UseCases.clean_work_folder.provided.clean,
        sweep_interval_s=Backends.config.sweep_interval_s,
        drain_timeout_s=Backends.config.drain_timeout_s,
        watchdog_s=Backends.config.watchdog_s,
        stuck_after_s=Backends.config.stuck_after_s,
        clock=Backends.clock,
    )


def deliver_to(container: Container, receiver: Receiver) -> None:
    """Let `receiver` play the main server: webhooks go to it, in this process."""
    container.bare_notifier.override(
        providers.Singleton(InMemoryNotifier, receiver=receiver, tally=container.tally)
    )


def container_for(settings: Settings) -> Container:
    """A container wired for `settings`. Nothing is opened before it is asked for."""
    container = Container()
    container.config.from_dict(
        {
            # Not recursive: what a setting is made of is its own business.
            **asdict(settings, recurse=False),
            # Nobody counts what nobody can ask for.
            "metrics": "on" if settings.http_port else "off",
            "max_bytes": settings.max_file_size_mb * _MIB,
            "compute_memory_bytes": settings.compute_memory_mb * _MIB,
            "connections": settings.slots + _SPARE_CONNECTIONS,
            # What a receive brings must not have run out before it is looked at.
            "receive_wait_s": min(settings.poll_wait_s, settings.visibility_timeout_s / 3),
        }
    )
    return container


Perform = Callable[[Command, Origin], object]
"""Carries out a command."""


def watch_work(container: Container, watched: Callable[[Perform], Perform]) -> None:
    """Let what `watched` returns carry out commands, in place of what it is given.

    After `deliver_to`: the use cases are made with the notifier that there is by then.
    """
    handler = container.handler()
    container.handler.override(providers.Object(evolve(handler, perform=watched(handler.perform))))
