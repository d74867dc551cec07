"""Commands and where they come from."""

from __future__ import annotations

import pytest

from waveflow.application.commands import (
    AnalysisRequest,
    DuplicateRequest,
    HashRequest,
    MixRequest,
    Origin,
)

KEY = "users/u1/projects/t1/stems/2025-07-16T07-39-22_드럼 (최종).wav"


def test_an_event_has_the_same_id_at_every_delivery() -> None:
    first = Origin("message-1", 1_704_103_200_123, "task-1")
    second = Origin("message-1", 1_704_103_200_123, "message-1")
    assert first.event_id("completion", "SUCCESS") == "msg_message-1.completion.success"
    assert second.event_id("completion", "success") == "msg_message-1.completion.success"


def test_events_of_a_message_differ_by_event_and_status() -> None:
    origin = Origin("message-1", 1_704_103_200_123, "task-1")
    ids = {
        origin.event_id("hash-check", "hash_generated"),
        origin.event_id("completion", "success"),
        origin.event_id("completion", "failed"),
        origin.event_id("mixing-complete", "success"),
        origin.event_id("mixing-complete", "failed"),
        Origin("message-2", 1_704_103_200_123, "task-1").event_id("completion", "failed"),
    }
    assert len(ids) == 6


def test_a_stamp_is_the_send_time_and_three_digits_of_the_message() -> None:
    stamps = [Origin(f"message-{n}", 1_704_103_200_123, "task").stamp.text for n in (1, 2, 1)]
    assert stamps == [
        "2024-01-01T10:00:00.123900Z",
        "2024-01-01T10:00:00.123119Z",
        "2024-01-01T10:00:00.123900Z",
    ]


@pytest.mark.parametrize("original", [None, ""])
def test_a_file_without_an_original_name_is_called_after_its_key(original: str | None) -> None:
    hashed = HashRequest(stem_id="s", filepath=KEY, original_filename=original)
    analysed = AnalysisRequest(stem_id="s", filepath=KEY, num_peaks=1, original_filename=original)
    duplicate = DuplicateRequest(stem_id="s", filepath=KEY, audio_hash="")
    names = {hashed.filename, analysed.filename, duplicate.filename}
    assert names == {"2025-07-16T07-39-22_드럼 (최종).wav"}


def test_the_original_name_is_kept() -> None:
    hashed = HashRequest(stem_id="s", filepath=KEY, original_filename="a/b.wav")
    analysed = AnalysisRequest(stem_id="s", filepath=KEY, num_peaks=1, original_filename="b.wav")
    assert (hashed.filename, analysed.filename) == ("a/b.wav", "b.wav")


def test_a_key_without_folders_is_its_own_name() -> None:
    assert HashRequest(stem_id="s", filepath="sample.wav").filename == "sample.wav"


def test_a_mix_needs_a_stem() -> None:
    with pytest.raises(ValueError, match="stem_paths"):
        MixRequest(stage_id="stage001", stem_paths=())
