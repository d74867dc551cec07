"""The use cases and the delivery of messages to them, with their collaborators."""

from __future__ import annotations

from dependency_injector import providers

from waveflow.adapters.codec.self_test import check_codec
from waveflow.application.analyze_stem import AnalyzeStem
from waveflow.application.build_ledger import BuildLedger
from waveflow.application.delivery import MessageHandler
from waveflow.application.dispatch import Dispatcher
from waveflow.application.disposition import RetryPolicy
from waveflow.application.failures import FailureReporter
from waveflow.application.health_checks import what_is_away
from waveflow.application.ingest_stem import IngestStem
from waveflow.application.ledger import ContentLedger
from waveflow.application.maintenance import CleanWorkFolder, ReportHealth
from waveflow.application.mix_stage import MixStage
from waveflow.application.outbox import Outbox
from waveflow.application.resolve_duplicate import ResolveDuplicate
from waveflow.application.waveform_options import WaveformOptions
from waveflow.entrypoints.container.backends import Backends
from waveflow.entrypoints.messages import MessageParser
from waveflow.entrypoints.worker.memory import service_memory_mb


class UseCases(Backends):
    """What WaveFlow does, on whatever it stands."""

    ledger: providers.Provider[ContentLedger] = providers.Singleton(ContentLedger, Backends.storage)
    ingest_stem: providers.Provider[IngestStem] = providers.Singleton(
        IngestStem, storage=Backends.storage, ledger=ledger, notifier=Backends.notifier
    )
    resolve_duplicate: providers.Provider[ResolveDuplicate] = providers.Singleton(
        ResolveDuplicate,
        storage=Backends.storage,
        ledger=ledger,
        notifier=Backends.notifier,
        clock=Backends.clock,
        tally=Backends.tally,
    )
    options: providers.Provider[WaveformOptions] = providers.Singleton(
        WaveformOptions, levels=Backends.config.levels, dat_bits=Backends.config.dat_bits
    )
    analyze_stem: providers.Provider[AnalyzeStem] = providers.Singleton(
        AnalyzeStem,
        storage=Backends.storage,
        codec=Backends.codec,
        notifier=Backends.notifier,
        work_folder=Backends.work_folder,
        limits=Backends.limits,
        clock=Backends.clock,
        tally=Backends.tally,
        options=options,
    )
    mix_stage: providers.Provider[MixStage] = providers.Singleton(
        MixStage,
        storage=Backends.storage,
        codec=Backends.codec,
        notifier=Backends.notifier,
        work_folder=Backends.work_folder,
        limits=Backends.limits,
        clock=Backends.clock,
        options=options,
    )
    build_ledger: providers.Provider[BuildLedger] = providers.Singleton(
        BuildLedger, storage=Backends.storage, ledger=ledger
    )
    clean_work_folder: providers.Provider[CleanWorkFolder] = providers.Singleton(
        CleanWorkFolder, Backends.work_folder
    )
    report_health: providers.Provider[ReportHealth] = providers.Singleton(
        ReportHealth,
        dependencies=Backends.health_checks,
        work_folder=Backends.work_folder,
        check_codec=providers.Callable(check_codec, Backends.codec, Backends.work_folder).provider,
        tally=Backends.tally,
        away=providers.Callable(what_is_away, Backends.outage, Backends.excuses).provider,
        memory_mb=providers.Object(service_memory_mb),
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
        MessageParser, default_num_peaks=Backends.config.default_waveform_peaks
    )
    failures: providers.Provider[FailureReporter] = providers.Singleton(
        FailureReporter, notifier=Backends.notifier, clock=Backends.clock
    )
    outbox: providers.Provider[Outbox] = providers.Singleton(Outbox, Backends.storage)
    handler: providers.Provider[MessageHandler] = providers.Singleton(
        MessageHandler,
        parse=parser.provided.parse,
        perform=dispatcher.provided.perform,
        failures=failures,
        outbox=outbox,
        retries=providers.Singleton(
            RetryPolicy,
            max_retries=Backends.config.max_retries,
            retry_delay_s=Backends.config.retry_delay_s,
            most_tries=Backends.config.max_receives,
        ),
        excuses=Backends.excuses,
        clock=Backends.clock,
        tally=Backends.tally,
    )
