"""A scrape tells what happened, and how the worker is, without asking anybody."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, a_message
from tests.support.workshop import hash_message, mix_message
from tests.unit.entrypoints.metrics.observed import Observed, facts, summary
from waveflow.adapters.queue.sqs_ages import OldestMessage
from waveflow.application.commands import HashRequest
from waveflow.domain.errors import QueueUnavailable
from waveflow.entrypoints.metrics import Surroundings


@pytest.fixture
def observed() -> Observed:
    return Observed()


class TestTasks:
    def test_are_counted_by_what_came_of_them(self, observed: Observed) -> None:
        for _ in range(3):
            observed.figures.observe(summary("hash"))
        observed.figures.observe(summary("mix", "retried"))
        assert observed.value("tasks_total", task="hash", outcome="done") == 3
        assert observed.value("tasks_total", task="mix", outcome="retried") == 1
        assert observed.value("retries_total", task="mix") == 1
        assert observed.value("tasks_total", task="analysis", outcome="done") == 0

    def test_failures_are_counted_by_their_code(self, observed: Observed) -> None:
        observed.figures.observe(summary("analysis", "failed", code="not_audio"))
        assert observed.value("task_failures_total", task="analysis", code="not_audio") == 1

    def test_a_code_that_nobody_knows_makes_no_label_of_its_own(self, observed: Observed) -> None:
        for code in ("x1", "x2", "x3"):
            observed.figures.observe(summary("analysis", "failed", code=code))
        assert observed.value("task_failures_total", task="analysis", code="other") == 3
        assert "x1" not in observed.text()

    def test_a_refused_deletion_is_counted_where_one_was_asked_for(
        self, observed: Observed
    ) -> None:
        observed.figures.observe(summary("duplicate", "failed", code="last_copy"))
        observed.figures.observe(summary("duplicate", "failed", code="invalid_key"))
        assert observed.value("deletions_refused_total", code="last_copy") == 1
        assert observed.value("deletions_refused_total", code="owner_lost") == 0
        assert observed.value("deletions_refused_total", code="invalid_key") is None

    def test_bytes_and_audio_add_up(self, observed: Observed) -> None:
        for _ in range(2):
            observed.figures.observe(summary("analysis", size_bytes=1000, audio_s=1.5))
        assert observed.value("stem_bytes_total", task="analysis") == 2000
        assert observed.value("audio_seconds_total", task="analysis") == 3.0

    def test_durations_fall_into_buckets(self, observed: Observed) -> None:
        for seconds in (0.01, 0.02, 4.0, 5000.0):
            observed.figures.observe(summary(seconds=seconds))
        name = "task_duration_seconds"
        assert observed.value(f"{name}_bucket", task="hash", le="0.01") == 1
        assert observed.value(f"{name}_bucket", task="hash", le="0.025") == 2
        assert observed.value(f"{name}_bucket", task="hash", le="5.0") == 3
        assert observed.value(f"{name}_bucket", task="hash", le="1800.0") == 3
        assert observed.value(f"{name}_bucket", task="hash", le="+Inf") == 4
        assert observed.value(f"{name}_count", task="hash") == 4
        assert observed.value(f"{name}_sum", task="hash") == pytest.approx(5004.03)

    def test_stages_have_durations_of_their_own(self, observed: Observed) -> None:
        observed.figures.observe(summary())
        labels = {"task": "hash", "stage": "download"}
        assert observed.value("stage_duration_seconds_sum", **labels) == 0.2
        assert observed.value("stage_duration_seconds_count", task="hash", stage="upload") is None

    def test_only_the_first_delivery_tells_how_long_a_message_waited(
        self, observed: Observed
    ) -> None:
        observed.figures.observe(summary(wait_s=3.0))
        observed.figures.observe(summary(wait_s=900.0, is_first=False))
        labels = {"task": "hash", "stage": "wait"}
        assert observed.value("stage_duration_seconds_count", **labels) == 1
        assert observed.value("stage_duration_seconds_sum", **labels) == 3.0


class TestTheWorker:
    def test_says_what_it_works_on_and_what_waits(self, observed: Observed) -> None:
        rig = observed.rig
        rig.work.hold(HashRequest)
        with rig.running():
            rig.send(hash_message("a.wav"))
            rig.work.wait_until_begun(1)
            assert observed.value("tasks_in_flight", lane="light") == 1
            assert observed.value("tasks_in_flight", lane="mix") == 0
            assert observed.value("messages_waiting") == 0
            assert observed.value("slots") == 4
            assert observed.value("draining") == 0
            rig.worker.stop()
            assert eventually(lambda: observed.value("draining") == 1)

    def test_says_what_its_receives_brought(self, observed: Observed) -> None:
        observed.rig.poller.poll()
        assert observed.value("received_message_age_seconds") is None
        observed.rig.send(mix_message("a.wav"))
        observed.rig.poller.poll()
        assert observed.value("receives_total", result="empty") == 1
        assert observed.value("receives_total", result="messages") == 1
        assert observed.value("receives_total", result="failed") == 0
        since_s = observed.value("last_receive_age_seconds")
        assert since_s is not None
        assert 0 <= since_s < SECONDS

    def test_says_which_breaker_is_open(self, observed: Observed) -> None:
        for number in range(8):
            observed.rig.excuses.storage.reading.failed(f"{number}")
        assert observed.value("breaker_open", breaker="storage_reading") == 1
        assert observed.value("breaker_open", breaker="storage_writing") == 0
        assert observed.value("breaker_open", breaker="server") == 0

    def test_says_what_was_counted(self, observed: Observed) -> None:
        tally = observed.rig.tally
        for name in ("lease_lost", "duplicate_deleted", "compute_process_recycled", "defect"):
            tally.add(name)
        tally.add("webhook", "/hash-check", "error_body")
        tally.add("compute_process_death", "killed")
        for name in (
            "leases_lost_total",
            "duplicates_deleted_total",
            "compute_process_recycles_total",
            "defects_total",
        ):
            assert observed.value(name) == 1
        assert observed.value("webhooks_total", endpoint="hash-check", result="error_body") == 1
        assert observed.value("webhooks_total", endpoint="completion", result="delivered") == 0
        assert observed.value("compute_process_deaths_total", reason="killed") == 1

    def test_says_what_it_is(self, observed: Observed) -> None:
        assert observed.value("info", version=version("waveflow")) == 1
        assert observed.value("start_time_seconds") == 1_704_103_500.123456
        assert observed.value("memory_bytes", part="compute") == 500

    def test_a_memory_that_can_not_be_read_leaves_the_rest_to_be_told(
        self, observed: Observed
    ) -> None:
        object.__setattr__(observed.parts, "memory", lambda: None)
        assert observed.value("memory_bytes", part="worker") is None
        assert observed.value("slots") == 4

    def test_says_nothing_of_what_it_was_not_told(self, observed: Observed) -> None:
        assert observed.value("ready") is None
        assert observed.value("log_lines_lost_total") is None
        observed.metrics.set_ready(lambda: False)
        observed.metrics.set_log(lambda: 2)
        assert observed.value("ready") == 0
        assert observed.value("log_lines_lost_total") == 2


class TestSurroundings:
    def test_nothing_is_known_before_the_first_look(self, observed: Observed) -> None:
        assert observed.value("queue_messages", state="visible") is None
        assert observed.ages_asked == 0

    def test_a_look_is_told_until_the_next(self, observed: Observed) -> None:
        observed.surroundings.look()
        observed.queue = lambda: facts(99)
        assert observed.value("queue_messages", state="visible") == 3
        assert observed.value("queue_messages", state="in_flight") == 2
        assert observed.value("queue_messages", state="delayed") == 1
        assert observed.value("dead_letters") == 4
        assert observed.value("queue_oldest_message_age_seconds") == 12
        free_bytes = observed.value("work_folder_free_bytes")
        assert free_bytes is not None
        assert free_bytes > 0
        observed.surroundings.look()
        assert observed.value("queue_messages", state="visible") == 99

    def test_a_queue_that_does_not_answer_is_not_told_of(self, observed: Observed) -> None:
        def away() -> None:
            raise QueueUnavailable("away")

        observed.surroundings.look()
        observed.queue = away  # type: ignore[assignment]
        observed.surroundings.look()
        assert observed.value("queue_messages", state="visible") is None
        assert observed.value("dead_letters") is None
        assert observed.value("work_folder_free_bytes")
        observed.queue = lambda: facts(5)
        observed.surroundings.look()
        assert observed.value("queue_messages", state="visible") == 5

    def test_what_nobody_has_looked_at_for_long_is_not_told_any_more(
        self, observed: Observed
    ) -> None:
        observed.surroundings.look()
        observed.time.advance(3_710.0)
        assert observed.value("queue_messages", state="visible") == 3
        observed.time.advance(30.0)  # The next look hangs.
        assert observed.value("queue_messages", state="visible") is None
        assert observed.value("work_folder_free_bytes") is None
        observed.surroundings.look()
        assert observed.value("queue_messages", state="visible") == 3

    def test_without_a_dead_letter_queue_there_are_no_dead_letters(
        self, observed: Observed
    ) -> None:
        observed.queue = lambda: facts(1, dead=False)
        observed.surroundings.look()
        assert observed.value("dead_letters") is None
        assert observed.value("queue_messages", state="visible") == 1

    def test_the_age_is_asked_for_every_five_minutes(self, observed: Observed) -> None:
        for _ in range(6):
            observed.surroundings.look()
            observed.time.advance(60.0)
        assert observed.ages_asked == 2

    def test_an_unknown_age_is_not_told(self, observed: Observed) -> None:
        observed.oldest = OldestMessage(why_unknown="The role may not ask CloudWatch.")
        observed.surroundings.look()
        assert observed.value("queue_oldest_message_age_seconds") is None

    def test_a_disk_that_can_not_be_asked_is_not_told_of(self, tmp_path: Path) -> None:
        surroundings = Surroundings(None, work_folder=tmp_path / "nowhere", every_s=1.0)
        surroundings.look()
        assert surroundings.readings() == {}

    def test_a_thread_looks_again_and_again_until_the_end(self, observed: Observed) -> None:
        looks: list[None] = []

        def counted() -> None:
            looks.append(None)
            raise KeyError("a defect")

        observed.surroundings._every_s = 0.001
        observed.queue = counted  # type: ignore[assignment]
        observed.surroundings.start()
        assert eventually(lambda: len(looks) > 2)
        observed.surroundings.end()
        assert not observed.surroundings._thread.is_alive()


def test_a_message_that_was_delivered_before_says_nothing_of_the_queue(observed: Observed) -> None:
    poller = observed.rig.poller
    poller._note([a_message("1", receive_count=2)])
    assert poller.received_age_s() is None
    poller._note([a_message("1", receive_count=1)])
    age_s = poller.received_age_s()
    assert age_s is not None
    assert age_s > 0


def test_without_a_port_the_library_is_not_even_loaded() -> None:
    program = """
import sys
from waveflow.entrypoints.container import container_for
from waveflow.entrypoints.settings import load_settings
container = container_for(load_settings({}))
assert container.metrics() is None
container.worker()
sys.exit("prometheus_client" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
