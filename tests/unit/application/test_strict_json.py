"""Stored JSON is taken at its word, or not at all."""

from __future__ import annotations

import json

import pytest

from tests.support.workshop import Workshop, analysis_message, hash_message
from waveflow.application.strict_json import parse_json

SAMPLE = "audio/sample.wav"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
LINE = f"ledger/track456/{DRUMS_HASH}"
OWNER = {"path": "a.wav", "etag": "e", "size_bytes": 5, "token": "m"}


@pytest.mark.parametrize("text", ["[" * 200_000, "NaN", "[Infinity]", "1e999", "{", ""])
def test_what_is_not_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize(
    "line",
    ["[" * 200_000, *(json.dumps(OWNER | {key: None}) for key in OWNER)],
    ids=["deep", *OWNER],
)
def test_a_ledger_line_of_the_wrong_kind_stops_the_work(workshop: Workshop, line: str) -> None:
    workshop.upload(SAMPLE, b"drums")
    workshop.upload(LINE, line.encode())
    workshop.deliver(hash_message(SAMPLE))
    assert workshop.server.requests == []
    assert workshop.tally.counts() == {"task_interrupted": 1}


@pytest.mark.parametrize(
    "damage",
    [
        {"duration": "1.0"},
        {"sample_rate": 44100.5},
        {"peaks": "12"},
        {"peaks": [None]},
        {"audio_data_hash": 7},
        {"num_peaks": True},
    ],
)
def test_a_waveform_of_the_wrong_kind_is_made_again(
    workshop: Workshop, damage: dict[str, object]
) -> None:
    workshop.upload_audio(SAMPLE, b"drums", [0.5, 0.25])
    workshop.deliver(analysis_message(SAMPLE))
    [key] = [key for key in workshop.objects() if key.startswith("waveforms/")]
    whole = json.loads(workshop.content(key))
    workshop.upload(key, json.dumps(whole | damage).encode())
    workshop.deliver(analysis_message(SAMPLE), receive_count=2)
    assert json.loads(workshop.content(key)) == whole
    assert workshop.server.bodies[0] == workshop.server.bodies[1]
