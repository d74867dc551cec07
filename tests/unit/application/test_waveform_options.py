"""Levels and `.dat` files of the worker, by settings: what is stored, told and repeated."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, analysis_message, mix_message
from waveflow.adapters.notifier import wire
from waveflow.application.analyze_stem import completion
from waveflow.application.disposition import Acknowledge, BackOff
from waveflow.application.stored_waveforms import newest_waveform, waveform_keys
from waveflow.application.waveform_options import WaveformOptions
from waveflow.domain.errors import StorageUnavailable

A, B = "stems/a.wav", "stems/b.wav"
STEM = "waveforms/stem789_waveform_2024-01-01T10:00:00.123900Z"
MIX = "mixed/stage001_mixed_2024-01-01T10:00:00.123900Z.wav"
MIX_WAVEFORM = "waveforms/stage001_mixed_waveform_2024-01-01T10:00:00.123900Z"
ALL = WaveformOptions(levels=True, dat_bits=16)
MESSAGES = {"analysis": analysis_message(A), "mix": mix_message(A, B)}
WAVEFORMS = {"analysis": STEM, "mix": MIX_WAVEFORM}
every_message = pytest.mark.parametrize("name", list(MESSAGES))


def begun(root: Path, options: WaveformOptions = ALL) -> Workshop:
    workshop = Workshop(root, options=options)
    workshop.upload_audio(A, b"drums", [0.5, -0.25] * 500)
    workshop.upload_audio(B, b"bass", [0.125, 0.5] * 100)
    return workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return begun(tmp_path)


def written(workshop: Workshop) -> list[str]:
    return [step.key for step in workshop.storage.steps if step.method == "write"]


def test_a_stems_levels_are_in_its_document_and_in_the_result(workshop: Workshop) -> None:
    assert workshop.deliver(MESSAGES["analysis"]) == Acknowledge()
    [body] = workshop.server.bodies
    document = json.loads(workshop.content(f"{STEM}.json"))
    assert document["levels"] == body["result"]["levels"]
    assert document["levels"]["sample_peak_dbfs"] == -6.02
    assert document["levels"]["dc_offset"] == 0.125
    assert len(document["levels"]["channels"]) == 1


def test_a_mixes_levels_are_in_its_document_and_in_the_webhook(workshop: Workshop) -> None:
    assert workshop.deliver(MESSAGES["mix"]) == Acknowledge()
    [body] = workshop.server.bodies
    document = json.loads(workshop.content(f"{MIX_WAVEFORM}.json"))
    assert document["levels"] == body["levels"]
    assert document["levels"]["silent"] is False


@pytest.mark.parametrize(
    ("bits", "content"),
    [
        (16, struct.pack("<5i4h", 1, 0, 4_000, 512, 2, *[-8_192, 16_384] * 2)),
        (8, struct.pack("<5i4b", 1, 1, 4_000, 512, 2, *[-32, 64] * 2)),
    ],
)
def test_a_stems_dat_is_stored_beside_its_waveform_and_its_key_is_told(
    tmp_path: Path, bits: int, content: bytes
) -> None:
    workshop = begun(tmp_path, WaveformOptions(dat_bits=bits))
    workshop.deliver(MESSAGES["analysis"])
    assert workshop.content(f"{STEM}.dat") == content
    [body] = workshop.server.bodies
    assert body["result"]["waveform_dat_path"] == f"{STEM}.dat"
    assert "levels" not in body["result"]
    document = json.loads(workshop.content(f"{STEM}.json"))
    assert document["waveform_dat_path"] == f"{STEM}.dat"
    assert "levels" not in document


def test_a_mixes_dat_is_stored_beside_its_waveform_and_its_key_is_told(
    workshop: Workshop,
) -> None:
    workshop.deliver(MESSAGES["mix"])
    assert struct.unpack("<5i", workshop.content(f"{MIX_WAVEFORM}.dat")[:20]) == (
        *(1, 0, 4_000, 512, 2),
    )
    [body] = workshop.server.bodies
    assert body["waveform_dat_path"] == f"{MIX_WAVEFORM}.dat"
    assert json.loads(workshop.content(f"{MIX_WAVEFORM}.json"))["waveform_dat_path"] == (
        f"{MIX_WAVEFORM}.dat"
    )


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("analysis", [f"{STEM}.dat", f"{STEM}.json"]),
        ("mix", [MIX, f"{MIX_WAVEFORM}.dat", f"{MIX_WAVEFORM}.json"]),
    ],
)
def test_the_document_is_the_last_object_of_its_message(
    workshop: Workshop, name: str, keys: list[str]
) -> None:
    workshop.deliver(MESSAGES[name])
    assert written(workshop) == keys


@every_message
def test_without_the_settings_nothing_more_is_stored_or_told(tmp_path: Path, name: str) -> None:
    bare = begun(tmp_path / "bare", WaveformOptions())
    full = begun(tmp_path / "full")
    for workshop in (bare, full):
        workshop.deliver(MESSAGES[name])
    key = f"{WAVEFORMS[name]}.dat"
    document, more = (json.loads(each.content(f"{WAVEFORMS[name]}.json")) for each in (bare, full))
    assert {key: more.pop(key) for key in ("levels", "waveform_dat_path")}
    assert document == more
    [body], [more] = bare.server.bodies, full.server.bodies
    told = more["result"] if name == "analysis" else more
    assert {key: told.pop(key) for key in ("levels", "waveform_dat_path")}
    assert body == more
    steps = [step for step in full.storage.steps if step != Step("write", key)]
    # Stems of a mix are fetched side by side, in any order.
    assert sorted(map(str, bare.storage.steps)) == sorted(map(str, steps))


@every_message
def test_a_second_delivery_repeats_it_word_for_word_without_doing_the_work_again(
    workshop: Workshop, name: str
) -> None:
    workshop.deliver(MESSAGES[name])
    objects, decodes = workshop.objects(), list(workshop.codec.decodes)
    workshop.time.advance(60.0)
    assert workshop.deliver(MESSAGES[name], receive_count=2) == Acknowledge()
    assert (workshop.objects(), workshop.codec.decodes) == (objects, decodes)
    first, second = workshop.server.requests
    assert first == second


@every_message
def test_a_webhook_in_doubt_is_repeated_with_all_that_it_said(
    workshop: Workshop, name: str
) -> None:
    workshop.server.status = 503
    assert workshop.deliver(MESSAGES[name]) == BackOff(60.0)
    workshop.server.status = 200
    assert workshop.deliver(MESSAGES[name], receive_count=2) == Acknowledge()
    first, second = workshop.server.requests
    assert first == second


@every_message
@pytest.mark.parametrize("ending", [".dat", ".json"])
def test_a_storage_that_fails_at_either_object_is_tried_again(
    workshop: Workshop, name: str, ending: str
) -> None:
    def fail(step: Step) -> None:
        if step.method == "write" and step.key.endswith(ending):
            raise StorageUnavailable("away")

    workshop.storage.before = fail
    assert workshop.deliver(MESSAGES[name]) == BackOff(60.0)
    assert workshop.server.requests == []
    assert f"{WAVEFORMS[name]}.json" not in workshop.objects()
    assert (f"{WAVEFORMS[name]}.dat" in workshop.objects()) == (ending == ".json")
    assert list(workshop.work_folder.root.glob("*")) == []
    workshop.storage.leave_alone()
    assert workshop.deliver(MESSAGES[name], receive_count=2) == Acknowledge()
    assert {f"{WAVEFORMS[name]}.dat", f"{WAVEFORMS[name]}.json"} <= workshop.objects().keys()
    assert workshop.server.requests[-1].body["status"] == "SUCCESS"


@every_message
def test_two_deliveries_side_by_side_report_the_same(workshop: Workshop, name: str) -> None:
    interrupted: list[Step] = []

    def deliver_again(step: Step) -> None:
        if step.method == "write" and step.key.endswith(".json") and not interrupted:
            interrupted.append(step)
            workshop.deliver(MESSAGES[name], receive_count=2)

    workshop.storage.before = deliver_again
    assert workshop.deliver(MESSAGES[name]) == Acknowledge()
    first, second = workshop.server.requests
    assert first == second


@pytest.mark.parametrize("later", [ALL, WaveformOptions()])
def test_a_setting_that_changes_between_deliveries_changes_nothing(
    tmp_path: Path, later: WaveformOptions
) -> None:
    workshop = begun(tmp_path, WaveformOptions() if later.levels else ALL)
    workshop.deliver(MESSAGES["analysis"])
    second = Workshop(tmp_path, options=later)
    second.storage.inner = workshop.storage.inner
    second.deliver(MESSAGES["analysis"], receive_count=2)
    assert second.server.requests == workshop.server.requests


def test_what_is_sent_again_by_hand_is_what_was_sent(workshop: Workshop) -> None:
    workshop.deliver(MESSAGES["analysis"])
    keys = waveform_keys(workshop.storage, "stem789")
    assert keys == [f"{STEM}.json"]
    found = newest_waveform(workshop.storage, "stem789", keys)
    assert found
    assert found.document.request
    again = completion("stem789", found.document.request, found.key, found.document)
    [request] = workshop.server.requests
    assert wire.completion(again) == request


def test_a_document_of_an_earlier_version_is_reported_again(tmp_path: Path) -> None:
    workshop = begun(tmp_path, WaveformOptions())
    workshop.deliver(MESSAGES["analysis"])
    document = json.loads(workshop.content(f"{STEM}.json"))
    for key in ("version", "channels", "samples_per_pixel", "bits", "length", "data"):
        del document[key]
    workshop.remove(f"{STEM}.json")
    workshop.upload(f"{STEM}.json", json.dumps(document).encode())
    decodes = list(workshop.codec.decodes)
    workshop.deliver(MESSAGES["analysis"], receive_count=2)
    assert workshop.codec.decodes == decodes
    first, second = workshop.server.requests
    assert first == second


@pytest.mark.parametrize(
    ("options", "audio_bytes", "dat_bytes"),
    [(WaveformOptions(), 8_000, 0), (WaveformOptions(dat_bits=8), 8_000, 1_000)],
)
def test_room_is_reserved_for_the_dat(
    options: WaveformOptions, audio_bytes: int, dat_bytes: int
) -> None:
    assert options.dat_bytes(audio_bytes) == dat_bytes


@pytest.mark.parametrize(
    ("name", "swapped", "stored"),
    [
        ("analysis", "waveform.dat", set()),
        ("mix", "waveform.dat", {MIX}),
        ("mix", "mix.wav", set()),
    ],
)
def test_a_link_that_a_decoder_leaves_in_place_of_its_result_is_not_followed(
    tmp_path: Path, name: str, swapped: str, stored: set[str]
) -> None:
    secret = tmp_path / "credentials"
    secret.write_text("AWS_SECRET_ACCESS_KEY=mine")
    work = tmp_path / "work"
    workshop = begun(work)

    def swap(step: Step) -> None:
        for path in work.glob(f"*/{swapped}") if step.method == "write" else ():
            path.unlink()
            path.symlink_to(secret)

    workshop.storage.before = swap
    assert workshop.deliver(MESSAGES[name]) == Acknowledge()
    [body] = workshop.server.bodies
    failure = body["result"]
    assert (body["status"], failure["code"]) == ("FAILED", "decoder_crashed")
    assert "something else than its result" in failure["error"]
    assert set(workshop.objects()) == {A, B} | stored
    assert list(work.iterdir()) == []
    assert secret.exists()
