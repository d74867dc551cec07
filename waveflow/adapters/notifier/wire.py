"""Events as the main server reads them: endpoint, id and JSON body. Exact; see docs/contract.md."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from waveflow.application.events import (
    DuplicateDeleted,
    Failure,
    HashGenerated,
    MixStored,
    StageMixed,
    StemAnalyzed,
    StemCompleted,
)

HASH_CHECK = "/hash-check"
COMPLETION = "/completion"
MIXING_COMPLETE = "/mixing-complete"
ENDPOINTS = (HASH_CHECK, COMPLETION, MIXING_COMPLETE)

SUCCESS = "SUCCESS"
FAILED = "FAILED"


@frozen
class WebhookRequest:
    """One POST to the main server.

    Attributes:
        endpoint: path below the webhook URL, with its leading slash.
        event_id: the `webhook-id` header.
    """

    endpoint: str
    event_id: str
    body: dict[str, Any]


def hash_check(event: HashGenerated) -> WebhookRequest:
    """`/hash-check`."""
    body = {
        "stemId": event.stem_id,
        "userId": event.user_id,
        "trackId": event.track_id,
        "stageId": event.stage_id,
        "filepath": event.filepath,
        "audio_hash": event.audio_hash.hex,
        "timestamp": event.timestamp,
        "original_filename": event.original_filename,
        "status": "hash_generated",
        "owner": "self" if event.duplicate_of is None else "other",
        "duplicate_of": event.duplicate_of,
    }
    return WebhookRequest(HASH_CHECK, event.event_id, body)


def completion(event: StemCompleted) -> WebhookRequest:
    """`/completion`."""
    outcome = event.outcome
    body = {
        "stemId": event.stem_id,
        "userId": event.user_id,
        "trackId": event.track_id,
        "upstreamId": event.upstream_id,
        "status": FAILED if isinstance(outcome, Failure) else SUCCESS,
        "result": _stem_result(outcome),
        "timestamp": event.completed_at,
        "original_filename": event.original_filename,
        "processing_time": event.processing_time_s,
        "audio_wave_path": outcome.waveform_path if isinstance(outcome, StemAnalyzed) else None,
    }
    return WebhookRequest(COMPLETION, event.event_id, body)


def _stem_result(outcome: StemAnalyzed | DuplicateDeleted | Failure) -> dict[str, Any]:
    match outcome:
        case StemAnalyzed():
            return {
                "audio_data_hash": outcome.audio_hash.hex,
                "waveform_data_path": outcome.waveform_path,
                "file_size": outcome.size_bytes,
                "duration": outcome.duration_s,
                "sample_rate": outcome.sample_rate_hz,
                "num_peaks": outcome.num_peaks,
                **_extras(outcome),
            }
        case DuplicateDeleted():
            return {
                "isDuplicate": True,
                "action": "duplicate_deleted",
                "audio_data_hash": outcome.audio_hash.hex,
            }
        case Failure():
            return _failure_result(outcome)


def mixing_complete(event: StageMixed) -> WebhookRequest:
    """`/mixing-complete`."""
    outcome = event.outcome
    stored = outcome if isinstance(outcome, MixStored) else None
    body: dict[str, Any] = {
        "stageId": event.stage_id,
        "upstreamId": event.upstream_id,
        "status": SUCCESS if stored else FAILED,
        "task_id": event.task_id,
        "mixed_file_path": stored.mix_path if stored else None,
        "waveform_data_path": stored.waveform_path if stored else None,
        "stem_count": len(event.stem_paths),
        "stem_paths": list(event.stem_paths),
        "processed_at": event.processed_at,
        **(_extras(stored) if stored else {}),
    }
    if isinstance(outcome, Failure):
        body["result"] = _failure_result(outcome)
    return WebhookRequest(MIXING_COMPLETE, event.event_id, body)


def _extras(stored: StemAnalyzed | MixStored) -> dict[str, Any]:
    """What a setting asks for: without it, there is no such key."""
    levels = {"levels": stored.levels.as_data()} if stored.levels else {}
    dat = {"waveform_dat_path": stored.dat_path} if stored.dat_path else {}
    return levels | dat


def _failure_result(failure: Failure) -> dict[str, Any]:
    return {"error": failure.error, "code": failure.code}
