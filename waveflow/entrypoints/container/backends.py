"""The adapters, chosen by the settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dependency_injector import containers, providers

from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.adapters.notifier.console import ConsoleNotifier
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.notifier.webhook import WebhookNotifier
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_ages import QueueAges
from waveflow.adapters.queue.sqs_dead_letters import SqsDeadLetters
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.application.breaker import Excuses, machine_breaker, storage_breakers
from waveflow.application.clock import Clock
from waveflow.application.current_lease import CurrentLease, LeasedStorage
from waveflow.application.outage import Outage
from waveflow.application.patient_notifier import PatientNotifier
from waveflow.application.ports import AudioCodec, AudioStorage, MessageQueue, Notifier
from waveflow.application.tally import Tally
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


class Backends(containers.DeclarativeContainer):
    """What the use cases stand on: storage, notifier, queue and codec, as the settings choose.

    `bare_storage` and `bare_notifier` are the adapters themselves; round them lies what a
    message's lease and a server that is away ask for.
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
    queue_ages: providers.Provider[QueueAges] = providers.Singleton(
        QueueAges, region=config.aws_region, clock=clock
    )
    codec: providers.Provider[AudioCodec] = providers.Resource(
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
        ),
    )
