"""One of each event, and the request that the main server is to get for it, literally."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from tests.support.levels import some_levels
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.events import (
    DuplicateDeleted,
    Failure,
    HashGenerated,
    MixStored,
    StageMixed,
    StemAnalyzed,
    StemCompleted,
)
from waveflow.application.ports import Notifier
from waveflow.domain.content import ContentHash

HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
WAVEFORM = "waveforms/stem789_waveform_2024-01-01T10:00:00.123900Z.json"
MIX = "mixed/stage001_mixed_2024-01-01T10:00:00.123900Z.wav"
MIX_WAVEFORM = "waveforms/stage001_mixed_waveform_2024-01-01T10:00:00.123900Z.json"
DAT = "waveforms/stem789_waveform_2024-01-01T10:00:00.123900Z.dat"
LEVELS = {
    "integrated_lufs": -23.04,
    "loudness_range_lu": 5.5,
    "true_peak_dbtp": -1.02,
    "sample_peak_dbfs": -1.25,
    "rms_dbfs": -20.5,
    "clipped_samples": 0,
    "leading_silence_s": 0.25,
    "trailing_silence_s": 1.5,
    "silent": False,
    "dc_offset": 0.000001,
}
CHANNEL = {
    "true_peak_dbtp": -1.02,
    "sample_peak_dbfs": -1.25,
    "rms_dbfs": -20.5,
    "clipped_samples": 0,
    "dc_offset": 0.000001,
    "silent": False,
}
SENTENCE = 'Die Datei "드럼.wav" ist beschädigt; please export it again.'
FAILURE = Failure(SENTENCE, "invalid_audio")


@frozen
class Example:
    """How an event is sent, and what has to arrive."""

    send: Callable[[Notifier], None]
    arrives: WebhookRequest


def _hash_generated(owner_path: str | None, /, **expected: Any) -> Example:
    event = HashGenerated(
        event_id="msg_1.hash-check.hash_generated",
        stem_id="stem789",
        user_id="user123",
        track_id="track456",
        stage_id="stage001",
        filepath="users/u1/드럼 (최종).wav",
        audio_hash=ContentHash(HASH),
        timestamp=1_704_103_200_123,
        original_filename="드럼 (최종).wav",
        duplicate_of=owner_path,
    )
    body = {
        "stemId": "stem789",
        "userId": "user123",
        "trackId": "track456",
        "stageId": "stage001",
        "filepath": "users/u1/드럼 (최종).wav",
        "audio_hash": HASH,
        "timestamp": 1_704_103_200_123,
        "original_filename": "드럼 (최종).wav",
        "status": "hash_generated",
        **expected,
    }
    return Example(
        lambda notifier: notifier.hash_generated(event),
        WebhookRequest("/hash-check", "msg_1.hash-check.hash_generated", body),
    )


def _stem_completed(outcome: StemAnalyzed | DuplicateDeleted | Failure, **expected: Any) -> Example:
    event = StemCompleted(
        event_id="msg_1.completion.of_a_stem",
        stem_id="stem789",
        user_id="user123",
        track_id=None,
        upstream_id="up1",
        original_filename="sample.wav",
        completed_at="2024-01-01T10:05:00.123456Z",
        processing_time_s=0.42,
        outcome=outcome,
    )
    body = {
        "stemId": "stem789",
        "userId": "user123",
        "trackId": None,
        "upstreamId": "up1",
        "timestamp": "2024-01-01T10:05:00.123456Z",
        "original_filename": "sample.wav",
        "processing_time": 0.42,
        **expected,
    }
    return Example(
        lambda notifier: notifier.stem_completed(event),
        WebhookRequest("/completion", "msg_1.completion.of_a_stem", body),
    )


def _stage_mixed(outcome: MixStored | Failure, **expected: Any) -> Example:
    event = StageMixed(
        event_id="msg_1.mixing-complete.of_a_stage",
        stage_id="stage001",
        upstream_id=None,
        task_id="mixing-stage001-1700000000000",
        stem_paths=("a.wav", "b 드럼.wav", "a.wav"),
        processed_at="2024-01-01T10:05:00.123456Z",
        outcome=outcome,
    )
    body = {
        "stageId": "stage001",
        "upstreamId": None,
        "task_id": "mixing-stage001-1700000000000",
        "stem_count": 3,
        "stem_paths": ["a.wav", "b 드럼.wav", "a.wav"],
        "processed_at": "2024-01-01T10:05:00.123456Z",
        **expected,
    }
    return Example(
        lambda notifier: notifier.stage_mixed(event),
        WebhookRequest("/mixing-complete", "msg_1.mixing-complete.of_a_stage", body),
    )


EXAMPLES = {
    "hash of a new content": _hash_generated(None, owner="self", duplicate_of=None),
    "hash of a known content": _hash_generated(
        "users/u2/첫번째.wav", owner="other", duplicate_of="users/u2/첫번째.wav"
    ),
    "stem analysed": _stem_completed(
        StemAnalyzed(ContentHash(HASH), WAVEFORM, 1_024_000, 30.5, 44_100, 4000),
        status="SUCCESS",
        result={
            "audio_data_hash": HASH,
            "waveform_data_path": WAVEFORM,
            "file_size": 1_024_000,
            "duration": 30.5,
            "sample_rate": 44_100,
            "num_peaks": 4000,
        },
        audio_wave_path=WAVEFORM,
    ),
    "stem analysed, with all that settings ask for": _stem_completed(
        StemAnalyzed(
            *(ContentHash(HASH), WAVEFORM, 1_024_000, 30.5, 44_100, 4000),
            levels=some_levels(2),
            dat_path=DAT,
        ),
        status="SUCCESS",
        result={
            "audio_data_hash": HASH,
            "waveform_data_path": WAVEFORM,
            "file_size": 1_024_000,
            "duration": 30.5,
            "sample_rate": 44_100,
            "num_peaks": 4000,
            "levels": LEVELS | {"channels": [CHANNEL, CHANNEL]},
            "waveform_dat_path": DAT,
        },
        audio_wave_path=WAVEFORM,
    ),
    "duplicate deleted": _stem_completed(
        DuplicateDeleted(ContentHash(HASH)),
        status="SUCCESS",
        result={"isDuplicate": True, "action": "duplicate_deleted", "audio_data_hash": HASH},
        audio_wave_path=None,
    ),
    "stem failed": _stem_completed(
        FAILURE,
        status="FAILED",
        result={"error": SENTENCE, "code": "invalid_audio"},
        audio_wave_path=None,
    ),
    "stage mixed": _stage_mixed(
        MixStored(MIX, MIX_WAVEFORM),
        status="SUCCESS",
        mixed_file_path=MIX,
        waveform_data_path=MIX_WAVEFORM,
    ),
    "stage mixed, with all that settings ask for": _stage_mixed(
        MixStored(MIX, MIX_WAVEFORM, some_levels(), DAT),
        status="SUCCESS",
        mixed_file_path=MIX,
        waveform_data_path=MIX_WAVEFORM,
        levels=LEVELS | {"channels": [CHANNEL]},
        waveform_dat_path=DAT,
    ),
    "mix failed": _stage_mixed(
        FAILURE,
        status="FAILED",
        mixed_file_path=None,
        waveform_data_path=None,
        result={"error": SENTENCE, "code": "invalid_audio"},
    ),
}
