"""The one place where adapters are chosen and use cases get their collaborators."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from attrs import asdict
from dependency_injector import containers, providers

from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.self_test import check_codec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.adapters.notifier.console import ConsoleNotifier
from waveflow.adapters.notifier.memory import InMemoryNotifier, Receiver
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.analyze_stem import AnalyzeStem
from waveflow.application.build_ledger import BuildLedger
from waveflow.application.clock import Clock
from waveflow.application.delivery import MessageHandler
from waveflow.application.dispatch import Dispatcher
from waveflow.application.disposition import RetryPolicy
from waveflow.application.failures import FailureReporter
from waveflow.application.ingest_stem import IngestStem
from waveflow.application.ledger import ContentLedger
from waveflow.application.maintenance import CleanWorkFolder, ReportHealth
from waveflow.application.mix_stage import MixStage
from waveflow.application.ports import AudioCodec, AudioStorage, MessageQueue, Notifier
from waveflow.application.resolve_duplicate import ResolveDuplicate
from waveflow.application.tally import Tally
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.audio import AudioLimits
from waveflow.entrypoints.messages import MessageParser
from waveflow.entrypoints.settings import Settings

_MIB = 1024**2


def _write_line(line: str) -> None:
    # Standard output belongs to the result of the command.
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _running(codec: IsolatedCodec) -> Iterator[IsolatedCodec]:
    with codec:
        yield codec


class Container(containers.DeclarativeContainer):
    """Everything WaveFlow is made of, wired for one set of settings.

    Made with `container_for(settings)`; call `shutdown_resources()` at the end.
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
    work_folder: providers.Provider[WorkFolder] = providers.Singleton(
        WorkFolder, root=config.work_dir, clock=clock
    )

    storage: providers.Provider[AudioStorage] = providers.Selector(
        config.storage,
        folder=providers.Singleton(FolderAudioStorage, config.storage_folder),
        memory=providers.Singleton(InMemoryAudioStorage),
    )
    notifier: providers.Provider[Notifier] = providers.Selector(
        config.notifier,
        console=providers.Singleton(ConsoleNotifier, write_line=_write_line),
        memory=providers.Singleton(InMemoryNotifier, tally=tally),
    )
    queue: providers.Provider[MessageQueue] = providers.Selector(
        config.queue,
        memory=providers.Singleton(
            InProcessQueue, visibility_timeout_s=config.visibility_timeout_s, clock=clock
        ),
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
        ),
    )

    ledger: providers.Provider[ContentLedger] = providers.Singleton(ContentLedger, storage)
    ingest_stem: providers.Provider[IngestStem] = providers.Singleton(
        IngestStem, storage=storage, ledger=ledger, notifier=notifier
    )
    resolve_duplicate: providers.Provider[ResolveDuplicate] = providers.Singleton(
        ResolveDuplicate, storage=storage, ledger=ledger, notifier=notifier, clock=clock
    )
    analyze_stem: providers.Provider[AnalyzeStem] = providers.Singleton(
        AnalyzeStem,
        storage=storage,
        codec=codec,
        notifier=notifier,
        work_folder=work_folder,
        limits=limits,
        clock=clock,
        tally=tally,
    )
    mix_stage: providers.Provider[MixStage] = providers.Singleton(
        MixStage,
        storage=storage,
        codec=codec,
        notifier=notifier,
        work_folder=work_folder,
        limits=limits,
        clock=clock,
    )
    build_ledger: providers.Provider[BuildLedger] = providers.Singleton(
        BuildLedger, storage=storage, ledger=ledger
    )
    clean_work_folder: providers.Provider[CleanWorkFolder] = providers.Singleton(
        CleanWorkFolder, work_folder
    )
    report_health: providers.Provider[ReportHealth] = providers.Singleton(
        ReportHealth,
        storage=storage,
        work_folder=work_folder,
        check_codec=providers.Callable(check_codec, codec, work_folder).provider,
        tally=tally,
    )

    dispatcher: providers.Provider[Dispatcher] = providers.Singleton(
        Dispatcher,
        ingest_stem=ingest_stem,
        resolve_duplicate=resolve_duplicate,
        analyze_stem=analyze_stem,
        mix_stage=mix_stage,
        report_health=report_health,
        clean_work_folder=clean_work_folder,
    )
    parser: providers.Provider[MessageParser] = providers.Singleton(
        MessageParser, default_num_peaks=config.default_waveform_peaks
    )
    failures: providers.Provider[FailureReporter] = providers.Singleton(
        FailureReporter, notifier=notifier, clock=clock
    )
    handler: providers.Provider[MessageHandler] = providers.Singleton(
        MessageHandler,
        parse=parser.provided.parse,
        perform=dispatcher.provided.perform,
        failures=failures,
        retries=providers.Singleton(
            RetryPolicy, max_retries=config.max_retries, retry_delay_s=config.retry_delay_s
        ),
        clock=clock,
        tally=tally,
    )


def deliver_to(container: Container, receiver: Receiver) -> None:
    """Let `receiver` play the main server: webhooks go to it, in this process."""
    container.notifier.override(
        providers.Singleton(InMemoryNotifier, receiver=receiver, tally=container.tally)
    )


def container_for(settings: Settings) -> Container:
    """A container wired for `settings`. Nothing is opened before it is asked for."""
    container = Container()
    container.config.from_dict(
        {
            **asdict(settings),
            "max_bytes": settings.max_file_size_mb * _MIB,
            "compute_memory_bytes": settings.compute_memory_mb * _MIB,
        }
    )
    return container
