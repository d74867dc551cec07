"""Every command reaches its use case."""

from __future__ import annotations

import pytest

from tests.support.workshop import Workshop
from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
    Origin,
)
from waveflow.application.events import HashGenerated, StageMixed, StemCompleted
from waveflow.application.maintenance import HealthReport
from waveflow.application.work_folder import Sweep
from waveflow.domain.errors import ObjectNotFound

ORIGIN = Origin("message-1", 1_704_103_200_123, "task-1")
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
HASH_A = HashRequest(stem_id="s", filepath="a.wav", track_id="t")
HASH_B = HashRequest(stem_id="s", filepath="b.wav", track_id="t")


@pytest.mark.parametrize(
    ("command", "kind", "endpoints"),
    [
        (HASH_A, HashGenerated, ["/hash-check"]),
        (
            DuplicateRequest(stem_id="s", filepath="b.wav", audio_hash=DRUMS_HASH, track_id="t"),
            StemCompleted,
            ["/completion"],
        ),
        (
            AnalysisRequest(stem_id="s", filepath="a.wav", num_peaks=2),
            StemCompleted,
            ["/completion"],
        ),
        (MixRequest(stage_id="g", stem_paths=("a.wav",)), StageMixed, ["/mixing-complete"]),
        (HealthRequest(), HealthReport, []),
        (CleanupRequest(), Sweep, []),
    ],
)
def test_a_command_is_carried_out_by_its_use_case(
    workshop: Workshop, command: Command, kind: type, endpoints: list[str]
) -> None:
    for key, request in (("a.wav", HASH_A), ("b.wav", HASH_B)):
        workshop.upload_audio(key, b"drums", [0.5, 0.25])
        workshop.dispatcher.perform(request, ORIGIN)
    workshop.server.requests.clear()
    assert isinstance(workshop.dispatcher.perform(command, ORIGIN), kind)
    assert [request.endpoint for request in workshop.server.requests] == endpoints


def test_what_a_use_case_raises_is_passed_on(workshop: Workshop) -> None:
    with pytest.raises(ObjectNotFound):
        workshop.dispatcher.perform(HASH_A, ORIGIN)
