"""Stored waveforms, without decoding anything."""

from __future__ import annotations

from attrs import evolve

from waveflow.application.documents import MixDocument, StemDocument, StemRequest, store_document
from waveflow.application.ports import AudioStorage
from waveflow.domain.keys import basename

STAMP = "2026-11-22T01:00:00.123456Z"
AUDIO_HASH = "ab" * 32


def stem_document(
    filepath: str | None, *, track_id: str | None = "t1", audio_hash: str = AUDIO_HASH
) -> StemDocument:
    """The waveform of an upload; without a `filepath`, one of an earlier version."""
    document = StemDocument(
        peaks=[1.0, 0.5],
        duration=1.0,
        sample_rate=44100,
        num_peaks=2,
        created_at=STAMP,
        waveform_version=1,
        amplitude=0.5,
        audio_data_hash=audio_hash,
        file_size=5,
        processing_time=0.25,
    )
    if filepath is None:
        return document
    request = StemRequest(
        filepath=filepath,
        original_filename=basename(filepath),
        user_id="u1",
        track_id=track_id,
        upstream_id=None,
        event_id="msg_m1.completion.success",
    )
    return evolve(document, request=request)


def store_stem(
    storage: AudioStorage, stem_id: str, document: StemDocument, stamp: str = STAMP
) -> str:
    """Store a stem's waveform; returns its key."""
    key = f"waveforms/{stem_id}_waveform_{stamp}.json"
    store_document(storage, key, document)
    return key


def store_mix(storage: AudioStorage, stage_id: str) -> None:
    """Store a mix of two stems, and its waveform."""
    waveform = MixDocument(
        peaks=[1.0],
        duration=1.0,
        sample_rate=44100,
        num_peaks=1,
        created_at=STAMP,
        waveform_version=1,
        amplitude=0.5,
        stem_count=2,
        gain=1.0,
    )
    storage.write(f"mixed/{stage_id}_mixed_{STAMP}.wav", b"mix", content_type="audio/wav")
    store_document(storage, f"waveforms/{stage_id}_mixed_waveform_{STAMP}.json", waveform)
