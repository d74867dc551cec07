"""The adapters, chosen by the settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from dependency_injector import containers, providers

from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.adapters.notifier.console import ConsoleNotifier
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.notifier.webhook import WebhookNotifier
from waveflow.adapters.notifier.webhook_reach import WebhookHost
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_ages import QueueAges
from waveflow.adapters.queue.sqs_dead_letters import SqsDeadLetters
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.adapters.storage.s3_history import S3History
from waveflow.application.breaker import Excuses, machine_breaker, storage_breakers
from waveflow.application.clock import Clock
from waveflow.application.current_lease import CurrentLease, LeasedStorage
from waveflow.application.health_checks import DependencyCheck, ask_storage, try_work_folder
from waveflow.application.outage import Outage
from waveflow.application.patient_notifier import PatientNotifier
from waveflow.application.ports import AudioCodec, AudioStorage, MessageQueue, Notifier
from waveflow.application.tally import Tally
from waveflow.application.timed_codec import TimedCodec
from waveflow.application.waiting import WhileWanted
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.audio import AudioLimits


def _write_line(line: str) -> None:
    # Standard output belongs to the result of the command.
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _closing(notifier: WebhookNotifier) -> Iterator[WebhookNotifier]:
    with notifier:
        yield notifier


def _running(codec: IsolatedCodec) -> Iterator[IsolatedCodec]:
    with codec:
        yield codec


def _nothing() -> None:
    """What has no other side is always there."""


def _health_checks(clock: Clock, **attempts: Callable[[], object]) -> tuple[DependencyCheck, ...]:
    return tuple(DependencyCheck(name, attempt, clock=clock) for name, attempt in attempts.items())


class Backends(containers.DeclarativeContainer):
    """What the use cases stand on: storage, notifier, queue and codec, as the settings choose.

    `bare_storage`, `bare_notifier` and `bare_codec` are the adapters themselves; round them lies
    what a message's lease, a server that is away and a stopwatch ask for.
    """

    config = providers.Configuration(strict=True)

    clock: providers.Provider[Clock] = providers.Singleton(Clock)
    tally: providers.Provider[Tally] = providers.Singleton(Tally)
    limits: providers.Provider[AudioLimits] = providers.Singleton(
        AudioLimits,
        max_bytes=config.max_bytes,
        max_duration_s=config.max_duration_s,
        mime_types=config.allowed_mime_types,
    )
    outage: providers.Provider[Outage] = providers.Singleton(Outage, tally=tally, clock=clock)
    excuses: providers.Provider[Excuses] = providers.Singleton(
        Excuses,
        storage=providers.Singleton(storage_breakers, tally, clock),
        machine=providers.Singleton(machine_breaker, tally, clock),
    )
    current_lease: providers.Provider[CurrentLease] = providers.Singleton(CurrentLease)
    work_folder: providers.Provider[WorkFolder] = providers.Singleton(
        WorkFolder,
        root=config.work_dir,
        clock=clock,
        keep_waiting=providers.Singleton(WhileWanted, current_lease, outage),
    )

    bare_storage: providers.Provider[AudioStorage] = providers.Selector(
        config.storage,
        s3=providers.Singleton(
            S3AudioStorage,
            config.s3_bucket_name,
            region=config.aws_region,
            connections=config.connections,
        ),
        folder=providers.Singleton(FolderAudioStorage, config.storage_folder),
        memory=providers.Singleton(InMemoryAudioStorage),
    )
    storage: providers.Provider[AudioStorage] = providers.Singleton(
        LeasedStorage, bare_storage, current_lease, excuses.provided.storage
    )
    bare_notifier: providers.Provider[Notifier] = providers.Selector(
        config.notifier,
        webhook=providers.Resource(
            _closing,
            providers.Singleton(
                WebhookNotifier,
                config.webhook_url,
                secrets=config.webhook_secrets,
                timeout_s=config.webhook_timeout_s,
                connections=config.connections,
                tally=tally,
                clock=clock,
            ),
        ),
        console=providers.Singleton(ConsoleNotifier, write_line=_write_line),
        memory=providers.Singleton(InMemoryNotifier, tally=tally),
    )
    notifier: providers.Provider[Notifier] = providers.Singleton(
        PatientNotifier,
        bare_notifier,
        outage=outage,
        lease=current_lease,
        clock=clock,
        patience_s=config.webhook_patience_s,
    )
    queue: providers.Provider[MessageQueue] = providers.Selector(
        config.queue,
        sqs=providers.Singleton(
            SqsQueue,
            config.sqs_queue_url,
            dead_letter_queue_url=config.dead_letter_queue_url,
            region=config.aws_region,
            visibility_timeout_s=config.visibility_timeout_s,
            connections=config.connections,
            longest_wait_s=config.poll_wait_s,
            clock=clock,
        ),
        memory=providers.Singleton(
            InProcessQueue, visibility_timeout_s=config.visibility_timeout_s, clock=clock
        ),
    )
    dead_letters: providers.Provider[SqsDeadLetters] = providers.Singleton(
        SqsDeadLetters,
        config.sqs_queue_url,
        dead_letter_queue_url=config.dead_letter_queue_url,
        region=config.aws_region,
        clock=clock,
    )
    object_history: providers.Provider[S3History] = providers.Singleton(
        S3History, config.s3_bucket_name, region=config.aws_region
    )
    queue_ages: providers.Provider[QueueAges] = providers.Singleton(
        QueueAges, region=config.aws_region, clock=clock
    )
    bare_codec: providers.Provider[AudioCodec] = providers.Resource(
        _running,
        providers.Singleton(
            IsolatedCodec,
            providers.Singleton(SoundfileCodec),
            processes=config.compute_processes,
            tasks_per_process=config.compute_tasks_per_process,
            task_timeout_s=config.task_timeout_s,
            limits=providers.Singleton(
                ProcessLimits,
                memory_bytes=config.compute_memory_bytes,
                task_cpu_s=config.task_timeout_s,
            ),
            # Not until the service ends: what runs may finish then, and this is part of it.
            keep_waiting=current_lease.provided.require,
            tally=tally,
        ),
    )
    codec: providers.Provider[AudioCodec] = providers.Singleton(TimedCodec, bare_codec)
    health_checks: providers.Provider[tuple[DependencyCheck, ...]] = providers.Singleton(
        _health_checks,
        clock=clock,
        queue=providers.Selector(
            config.queue,
            sqs=providers.Callable(SqsQueue.facts, queue).provider,
            memory=providers.Object(_nothing),
        ),
        # Past the breakers: they are for what messages meet, and looking must not close one.
        storage=providers.Callable(ask_storage, bare_storage).provider,
        server=providers.Selector(
            config.notifier,
            webhook=providers.Singleton(WebhookHost, config.webhook_url).provided.require_reachable,
            console=providers.Object(_nothing),
            memory=providers.Object(_nothing),
        ),
        work_folder=providers.Callable(try_work_folder, work_folder).provider,
    )
