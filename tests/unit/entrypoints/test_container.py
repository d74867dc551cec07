"""The container: every provider under every choice of backends, and an orderly end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import NoneType

import numpy as np
import pytest
from attrs import evolve
from dependency_injector import errors

from tests.support.audio_files import write_audio
from tests.support.console_script import grandchildren
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.seats import ComputeEnding
from waveflow.adapters.notifier.console import ConsoleNotifier
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.notifier.signing import parse_secrets
from waveflow.adapters.notifier.webhook import WebhookNotifier
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_ages import QueueAges
from waveflow.adapters.queue.sqs_dead_letters import SqsDeadLetters
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.adapters.storage.s3_history import S3History
from waveflow.application.analyze_stem import AnalyzeStem
from waveflow.application.breaker import Excuses
from waveflow.application.build_ledger import BuildLedger
from waveflow.application.clock import Clock
from waveflow.application.current_lease import CurrentLease, LeasedStorage
from waveflow.application.delivery import MessageHandler
from waveflow.application.dispatch import Dispatcher
from waveflow.application.failures import FailureReporter
from waveflow.application.ingest_stem import IngestStem
from waveflow.application.ledger import ContentLedger
from waveflow.application.maintenance import CleanWorkFolder, ReportHealth
from waveflow.application.mix_stage import MixStage
from waveflow.application.outage import Outage
from waveflow.application.outbox import Outbox
from waveflow.application.patient_notifier import PatientNotifier
from waveflow.application.ports import ReceivedMessage
from waveflow.application.resolve_duplicate import ResolveDuplicate
from waveflow.application.tally import Tally
from waveflow.application.timed_codec import TimedCodec
from waveflow.application.waveform_options import WaveformOptions
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import LeaseLost
from waveflow.entrypoints.container import Container, container_for
from waveflow.entrypoints.container.backends import Backends
from waveflow.entrypoints.container.use_cases import UseCases
from waveflow.entrypoints.messages import MessageParser
from waveflow.entrypoints.metrics import Metrics, TaskFigures
from waveflow.entrypoints.settings import Settings
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.poller import Poller
from waveflow.entrypoints.worker.service import Worker
from waveflow.entrypoints.worker.slot import Slot
from waveflow.entrypoints.worker.summary import unobserved

STORAGES = {
    "s3": S3AudioStorage,
    "folder": FolderAudioStorage,
    "memory": InMemoryAudioStorage,
}
NOTIFIERS = {"webhook": WebhookNotifier, "console": ConsoleNotifier, "memory": InMemoryNotifier}
QUEUES = {"sqs": SqsQueue, "memory": InProcessQueue}
OTHERS = {
    "analyze_stem": AnalyzeStem,
    "build_ledger": BuildLedger,
    "clean_work_folder": CleanWorkFolder,
    "clock": Clock,
    "bare_codec": IsolatedCodec,
    "codec": TimedCodec,
    "current_lease": CurrentLease,
    "desk": Desk,
    "dead_letters": SqsDeadLetters,
    "dispatcher": Dispatcher,
    "excuses": Excuses,
    "failures": FailureReporter,
    "handler": MessageHandler,
    "health_checks": tuple,
    "ingest_stem": IngestStem,
    "lanes": LaneLimits,
    "leases": LeaseKeeper,
    "ledger": ContentLedger,
    "limits": AudioLimits,
    "metrics": NoneType,
    "mix_stage": MixStage,
    "notifier": PatientNotifier,
    "object_history": S3History,
    "options": WaveformOptions,
    "outage": Outage,
    "outbox": Outbox,
    "parser": MessageParser,
    "poller": Poller,
    "queue_ages": QueueAges,
    "report_health": ReportHealth,
    "resolve_duplicate": ResolveDuplicate,
    "slot": Slot,
    "storage": LeasedStorage,
    "tally": Tally,
    "task_figures": TaskFigures,
    "work_folder": WorkFolder,
    "worker": Worker,
}
BACKENDS = {"bare_storage", "bare_notifier", "queue"}
NAMED = Settings(
    s3_bucket_name="stems",
    sqs_queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/stems",
    webhook_url="https://main/hooks",
    webhook_secrets=parse_secrets("whsec_" + "QUJD" * 8),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(storage_folder=tmp_path / "storage", work_dir=tmp_path / "work")


@pytest.fixture
def container(settings: Settings) -> Iterator[Container]:
    container = container_for(settings)
    yield container
    container.shutdown_resources()


def test_these_are_all_the_providers_there_are(container: Container) -> None:
    assert set(container.providers) == BACKENDS | set(OTHERS) | {"config"}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("notifier", NOTIFIERS)
@pytest.mark.parametrize("queue", QUEUES)
def test_every_provider_gives_the_right_thing_under_every_choice_of_backends(
    tmp_path: Path, storage: str, notifier: str, queue: str
) -> None:
    container = container_for(
        evolve(
            NAMED,
            storage=storage,
            notifier=notifier,
            queue=queue,
            storage_folder=tmp_path / "storage",
            work_dir=tmp_path / "work",
        )
    )
    kinds = OTHERS | {
        "bare_storage": STORAGES[storage],
        "bare_notifier": NOTIFIERS[notifier],
        "queue": QUEUES[queue],
    }
    try:
        for name, kind in kinds.items():
            provided = container.providers[name]()
            assert type(provided) is kind, name
            assert container.providers[name]() is provided, f"{name} is made once"
    finally:
        container.shutdown_resources()


def test_the_collaborators_of_the_use_cases_are_those_of_the_container(
    container: Container,
) -> None:
    analyze, mix = container.analyze_stem(), container.mix_stage()
    assert analyze.codec is mix.codec is container.codec()
    assert analyze.storage is mix.storage is container.ingest_stem().storage is container.storage()
    assert analyze.work_folder is mix.work_folder is container.work_folder()
    assert container.resolve_duplicate().ledger is container.ingest_stem().ledger
    assert container.handler().tally is container.report_health().tally is container.tally()
    assert container.handler().outbox is container.outbox()
    assert container.outbox().storage is container.storage()
    assert isinstance(container.handler().failures, FailureReporter)
    assert container.handler().failures.notifier is container.notifier()


def test_everybody_asks_the_same_breakers(container: Container) -> None:
    excuses, poller = container.excuses(), container.worker()._poller
    assert container.handler().excuses is poller.excuses is excuses
    storage = container.storage()
    assert isinstance(storage, LeasedStorage)
    assert storage.breakers is excuses.storage
    notifier = container.notifier()
    assert isinstance(notifier, PatientNotifier)
    assert notifier.outage is poller.outage is container.outage()
    kept = excuses.storage
    breakers = (kept.reading, kept.writing, kept.deleting, excuses.machine, poller.outage)
    assert len({id(each) for each in breakers}) == 5


class _LostLease:
    def require(self) -> None:
        raise LeaseLost("lost")


def test_a_decode_goes_on_for_as_long_as_its_lease_and_is_not_ended_by_a_drain(
    container: Container, tmp_path: Path
) -> None:
    codec, limits = container.bare_codec(), container.limits()
    assert isinstance(codec, IsolatedCodec)
    with container.current_lease().held(_LostLease()), pytest.raises(LeaseLost):
        codec.analyse(tmp_path / "nowhere", 1, limits)
    container.outage().end()
    codec.close()
    with pytest.raises(ComputeEnding):  # So it would have gone on until here.
        codec.analyse(tmp_path / "nowhere", 1, limits)


def test_the_desk_of_the_worker_starts_slowly_and_hears_of_lost_leases(
    container: Container,
) -> None:
    desk, leases = container.desk(), container.leases()
    assert container.worker()._desk is desk
    assert desk.room() == 1
    # Lost already: it comes from a receive that took too long.
    lost = leases.take(ReceivedMessage("1", "{}", "1", 1, 0, lease_ends_s=0.0))
    desk._waiting.append(HeldMessage(lost.message, lost, Lane.LIGHT))
    assert desk.counts() == {"running": 0, "waiting": 1}
    leases.beat()
    assert desk.counts() == {"running": 0, "waiting": 0}
    assert leases.held() == []


def test_the_settings_arrive_where_they_are_used(tmp_path: Path) -> None:
    container = container_for(
        Settings(
            max_file_size_mb=7,
            max_duration_s=11.0,
            allowed_mime_types=frozenset({"audio/flac"}),
            default_waveform_peaks=13,
            max_retries=17,
            retry_delay_s=19.0,
            work_dir=tmp_path / "work",
            storage="memory",
        )
    )
    limits = container.limits()
    assert (limits.max_bytes, limits.max_duration_s) == (7 * 1024**2, 11.0)
    assert limits.mime_types == {"audio/flac"}
    assert container.parser().default_num_peaks == 13
    retries = container.handler().retries
    assert (retries.max_retries, retries.retry_delay_s) == (17, 19.0)
    assert container.work_folder().root == tmp_path / "work"
    container.shutdown_resources()


def test_nothing_is_opened_before_it_is_asked_for(container: Container, tmp_path: Path) -> None:
    container.parser()
    container.limits()
    assert list(tmp_path.iterdir()) == []


def test_two_containers_share_nothing(settings: Settings) -> None:
    first, second = container_for(settings), container_for(settings)
    assert first.tally() is not second.tally()
    assert first.queue() is not second.queue()


@pytest.mark.parametrize("name", ["storage", "max_bytes", "task_timeout_s", "work_dir"])
def test_a_setting_that_is_missing_fails_loudly(settings: Settings, name: str) -> None:
    complete = dict(container_for(settings).config())
    del complete[name]
    container = Container()
    container.config.from_dict(complete)
    with pytest.raises(errors.Error, match=name):
        container.handler()
    # What was made before the mistake was met.
    container.shutdown_resources()


def test_a_backend_that_does_not_exist_fails_loudly(settings: Settings) -> None:
    container = container_for(settings)
    container.config.from_dict({"storage": "tape"})
    with pytest.raises(errors.Error, match="tape"):
        container.storage()


def test_every_provider_is_annotated_with_what_it_provides() -> None:
    parts = (Backends, UseCases, Container)
    annotated = {name for part in parts for name in part.__annotations__}
    assert annotated == BACKENDS | set(OTHERS)


def test_shutting_down_ends_the_compute_processes(settings: Settings, tmp_path: Path) -> None:
    before = grandchildren(os.getpid())
    container = container_for(settings)
    stem = write_audio(tmp_path / "stem.wav", np.zeros((4410, 1), np.int16))
    container.codec().analyse(stem, 10, container.limits())
    assert grandchildren(os.getpid()) - before
    container.shutdown_resources()
    assert grandchildren(os.getpid()) - before == set()


def test_metrics_are_counted_where_there_is_a_port_to_ask_for_them(settings: Settings) -> None:
    container = container_for(evolve(settings, http_port=9464))
    metrics = container.metrics()
    try:
        assert isinstance(metrics, Metrics)
        assert container.metrics() is metrics
        figures = container.task_figures()
        assert container.slot().observe == figures.observe
    finally:
        container.shutdown_resources()


def test_without_a_port_nobody_counts(container: Container) -> None:
    assert container.metrics() is None
    assert container.slot().observe is unobserved


@pytest.mark.parametrize(("levels", "dat_bits"), [(False, 0), (True, 8), (False, 16)])
def test_both_use_cases_make_what_the_settings_ask_for(
    settings: Settings, levels: bool, dat_bits: int
) -> None:
    container = container_for(evolve(settings, levels=levels, dat_bits=dat_bits))
    wanted = WaveformOptions(levels, dat_bits)
    assert container.analyze_stem().options == wanted
    assert container.mix_stage().options == wanted
    container.shutdown_resources()
