"""The container of a worker in production: what lies round the adapters, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.workshop import MainServer, mix_message
from waveflow.adapters.notifier.signing import parse_secrets
from waveflow.adapters.notifier.webhook import WebhookNotifier
from waveflow.application.current_lease import LeasedStorage
from waveflow.application.events import Failure, StemCompleted
from waveflow.application.patient_notifier import PatientNotifier
from waveflow.domain.errors import NotifierUnavailable
from waveflow.entrypoints.container import Container, container_for, deliver_to
from waveflow.entrypoints.settings import Settings
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.slot import Slot

FAILED = StemCompleted(
    event_id="msg_1.completion.failed",
    stem_id="stem789",
    user_id=None,
    track_id=None,
    upstream_id=None,
    original_filename=None,
    completed_at="2024-01-01T10:05:00.123456Z",
    processing_time_s=0.5,
    outcome=Failure("The file is damaged.", "invalid_audio"),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        s3_bucket_name="stems",
        sqs_queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/stems",
        webhook_url="https://main/hooks",
        webhook_secrets=parse_secrets("whsec_" + "QUJD" * 8),
        visibility_timeout_s=6.0,
        slots=5,
        work_dir=tmp_path / "work",
    )


@pytest.fixture
def container(settings: Settings) -> Iterator[Container]:
    container = container_for(settings)
    yield container
    container.shutdown_resources()


def test_round_the_adapters_lie_the_lease_and_the_patience(container: Container) -> None:
    storage, notifier = container.storage(), container.notifier()
    assert isinstance(storage, LeasedStorage)
    assert isinstance(notifier, PatientNotifier)
    assert storage.inner is container.bare_storage()
    assert notifier.inner is container.bare_notifier()
    assert storage.lease is notifier.lease is container.current_lease()
    assert notifier.outage is container.outage()


def test_the_parts_of_the_worker_are_those_of_the_container(container: Container) -> None:
    worker = container.worker()
    poller, slot = worker._poller, getattr(worker._working[0]._function, "__self__", None)
    assert isinstance(slot, Slot)
    assert len(worker._working) == 5
    assert poller.desk is slot.desk is worker._desk is container.desk()
    assert poller.leases is slot.leases is worker._leases is container.leases()
    assert poller.queue is slot.queue is container.queue()
    assert poller.outage is worker._outage is container.outage()
    assert slot.current_lease is container.current_lease()
    assert slot.handler is container.handler()
    assert poller.lane_of(mix_message("a.wav", "b.wav")) is Lane.MIX
    assert container.lanes() == LaneLimits.of(5)


def test_no_receive_waits_for_as_long_as_messages_are_lent(container: Container) -> None:
    assert container.worker()._poller.wait_s == 2.0


def test_webhooks_are_signed_with_the_secrets_of_the_settings(
    container: Container, settings: Settings
) -> None:
    notifier = container.bare_notifier()
    assert isinstance(notifier, WebhookNotifier)
    assert tuple(notifier._secrets) == settings.webhook_secrets


def test_shutting_down_closes_the_notifier(container: Container) -> None:
    notifier = container.bare_notifier()
    container.shutdown_resources()
    with pytest.raises(NotifierUnavailable, match="closed"):
        notifier.stem_completed(FAILED)


def test_whoever_plays_the_server_gets_the_webhooks(container: Container) -> None:
    server = MainServer()
    deliver_to(container, server)
    container.notifier().stem_completed(FAILED)
    assert len(server.requests) == 1


def test_making_a_worker_starts_no_thread(container: Container) -> None:
    before = threading.active_count()
    container.worker()
    assert threading.active_count() == before
    container.shutdown_resources()
    assert threading.active_count() == before
