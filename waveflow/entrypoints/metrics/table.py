"""Every metric: its name, kind, labels, and what it means. `docs/metrics.md` says it at length."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

PREFIX = "waveflow_"

Kind = Literal["counter", "gauge", "histogram"]


@frozen
class Metric:
    """One metric.

    Attributes:
        name: without `PREFIX`.
        labels: whose values come from closed sets, never from a message.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "counter", labels, meaning)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "gauge", labels, meaning)


def _histogram(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "histogram", labels, meaning)


METRICS = (
    _counter(
        "tasks_total", "Deliveries that came to an end, by what came of them.", "task", "outcome"
    ),
    _counter("task_failures_total", "Failures for good, by their code.", "task", "code"),
    _counter("retries_total", "Deliveries after which the work is tried again.", "task"),
    _histogram("task_duration_seconds", "From the first step to the settlement.", "task"),
    _histogram(
        "stage_duration_seconds", "The stages of that, and the wait before.", "task", "stage"
    ),
    _counter("stem_bytes_total", "Bytes of stems that were read.", "task"),
    _counter("audio_seconds_total", "Seconds of audio that were drawn or mixed.", "task"),
    _gauge("tasks_in_flight", "Messages that are being worked on.", "lane"),
    _gauge("messages_waiting", "Messages that the worker holds and has not begun with."),
    _gauge("slots", "Messages that the worker works on at once, at most."),
    _counter("receives_total", "Receives, by what came of them.", "result"),
    _gauge("last_receive_age_seconds", "Since the queue last answered a receive."),
    _gauge(
        "received_message_age_seconds",
        "How long the message that came last had been on the queue; first deliveries only.",
    ),
    _gauge("queue_messages", "Messages on the queue, as SQS counts them.", "state"),
    _gauge("queue_oldest_message_age_seconds", "Age of the oldest message, as CloudWatch has it."),
    _gauge("dead_letters", "Messages on the dead-letter queue."),
    _counter("compute_process_deaths_total", "Compute processes that ended too early.", "reason"),
    _counter("compute_process_recycles_total", "Compute processes that had done their share."),
    _counter("leases_lost_total", "Messages that somebody else may have had meanwhile."),
    _counter("duplicates_deleted_total", "Copies that were deleted as duplicates."),
    _counter("deletions_refused_total", "Copies that were kept, by the reason.", "code"),
    _counter("webhooks_total", "Attempts at webhooks, by what came of them.", "endpoint", "result"),
    _gauge("breaker_open", "Whether it counts as away: 1 or 0.", "breaker"),
    _counter("defects_total", "Defects of the worker itself."),
    _gauge("memory_bytes", "Resident memory; shared pages count in each process.", "part"),
    _gauge("work_folder_free_bytes", "Room on the disk of the work folder."),
    _counter("log_lines_lost_total", "Log lines that could not be written."),
    _gauge("draining", "Whether the worker is ending: 1 or 0."),
    _gauge("ready", "Whether the worker is ready, as /readyz says: 1 or 0."),
    _gauge("info", "Always 1; the label says which version runs.", "version"),
    _gauge("start_time_seconds", "When the worker was started, Unix time."),
)

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Upper bounds: from what a small record takes to a server that is away for an hour."""

REFUSALS = ("last_copy", "unknown_content", "content_changed", "owner_lost", "content_lost")
"""Codes with which a deletion is refused."""

CODES = frozenset(
    {
        *REFUSALS,
        "audio_not_finite",
        "audio_too_long",
        "audio_truncated",
        "decoder_crashed",
        "decoder_out_of_memory",
        "decoder_timeout",
        "empty_file",
        "eta_too_far",
        "failed",
        "file_too_large",
        "internal_error",
        "invalid_audio",
        "invalid_hash",
        "invalid_id",
        "invalid_key",
        "invalid_message",
        "invalid_num_peaks",
        "message_expired",
        "mix_too_long",
        "not_audio",
        "object_not_found",
        "protected_key",
        "temporarily_unavailable",
        "unreadable_message",
        "unreadable_stem",
        "unsupported_encoding",
        "unsupported_format",
    }
)
"""Codes of failures. One comes from a compute process or from an object that was stored: any
other is counted as `other`."""


def code_label(code: str) -> str:
    """The label for a code."""
    return code if code in CODES else "other"
