"""Waveform documents: what is written is found again, and nothing else is."""

from __future__ import annotations

import json

import pytest
from attrs import asdict, evolve

from tests.support.levels import largest_levels, some_levels
from tests.support.storage_doubles import Step
from tests.support.waveforms import largest_waveform, pixels_of, waveform_of
from tests.support.workshop import Workshop
from waveflow.application.documents import (
    MOST_REQUEST_BYTES,
    MixDocument,
    StemDocument,
    StemRequest,
    WaveformDocument,
    find_document,
    store_document,
)
from waveflow.domain.errors import StorageUnavailable

KEY = "waveforms/w.json"
STEM = StemDocument(
    peaks=[0.5, 1.0],
    duration=190.54297052154195,
    sample_rate=44100,
    num_peaks=2,
    created_at="2025-07-16T07:39:22.281940Z",
    waveform_version=1,
    amplitude=0.30000000000000004,
    audio_data_hash="ab" * 32,
    file_size=1_024_000,
    processing_time=0.42,
)


def test_a_document_describes_its_waveform() -> None:
    pixels = pixels_of((-0.125, 0.0), (0.25, 0.375), samples_per_pixel=33_075)
    waveform = waveform_of([0.125, 0.0, 0.375], frames=66150, pixels=pixels)
    document = WaveformDocument.of(waveform, created_at="2025-07-16T07:39:22.281940Z")
    assert document == WaveformDocument(
        peaks=[0.3333, 0.0, 1.0],
        duration=1.5,
        sample_rate=44100,
        num_peaks=3,
        created_at="2025-07-16T07:39:22.281940Z",
        waveform_version=1,
        amplitude=0.375,
        samples_per_pixel=33_075,
        data=[-42, 0, 85, 127],
    )


def test_silence_is_all_zero() -> None:
    silence = waveform_of([0.0] * 3, frames=3, pixels=pixels_of((0.0, 0.0), (0.0, 0.0)))
    document = WaveformDocument.of(silence, created_at="now")
    assert (document.peaks, document.amplitude) == ([0.0, 0.0, 0.0], 0.0)
    assert document.data == [0, 0, 0, 0]


def test_the_largest_document_fits_in_session_storage() -> None:
    document = MixDocument.of(
        largest_waveform(),
        created_at="2025-07-16T07:39:22.281940Z",
        levels=largest_levels(1),
        waveform_dat_path=f"waveforms/{'x' * 128}_mixed_waveform_2025-07-16T07:39:22.281940Z.dat",
        stem_count=10_000,
        gain=0.12345678901234567,
    )
    assert 65_000 < len(document.encode()) < 100_000


def test_a_stored_document_is_found_exactly_as_it_was(workshop: Workshop) -> None:
    store_document(workshop.storage, KEY, STEM)
    assert find_document(workshop.storage, KEY, StemDocument) == STEM


FULL = evolve(
    STEM,
    samples_per_pixel=4_200_000,
    data=[-64, 127, 0, 0],
    levels=some_levels(),
    waveform_dat_path="waveforms/w.dat",
)


class TestAdditionalKeys:
    """What came later, or by a setting, beside the keys that the front end reads."""

    def test_they_are_found_exactly_as_they_were(self, workshop: Workshop) -> None:
        store_document(workshop.storage, KEY, FULL)
        assert find_document(workshop.storage, KEY, StemDocument) == FULL

    def test_pixels_have_the_keys_of_audiowaveform_beside_the_sample_rate(self) -> None:
        keys = json.loads(FULL.encode())
        added = {key: keys[key] for key in keys if key not in json.loads(STEM.encode())}
        assert keys["sample_rate"] == 44100
        assert added == {
            "version": 2,
            "channels": 1,
            "samples_per_pixel": 4_200_000,
            "bits": 8,
            "length": 2,
            "data": [-64, 127, 0, 0],
            "levels": some_levels().as_data(),
            "waveform_dat_path": "waveforms/w.dat",
        }

    def test_a_document_of_an_earlier_version_is_written_as_it_was(self) -> None:
        assert set(json.loads(STEM.encode())) == {
            *("peaks", "duration", "sample_rate", "num_peaks", "created_at", "waveform_version"),
            *("amplitude", "audio_data_hash", "file_size", "processing_time"),
        }

    @pytest.mark.parametrize("damaged", [None, 7, [], {}, {"silent": True}])
    def test_illegible_levels_keep_no_waveform_from_being_found(
        self, workshop: Workshop, damaged: object
    ) -> None:
        document = json.loads(FULL.encode()) | {"levels": damaged}
        workshop.upload(KEY, json.dumps(document).encode())
        assert find_document(workshop.storage, KEY, StemDocument) == evolve(FULL, levels=None)

    @pytest.mark.parametrize("damaged", ["text", [0.5, 1.0], [True, False], {}])
    def test_illegible_pixels_do(self, workshop: Workshop, damaged: object) -> None:
        document = json.loads(FULL.encode()) | {"data": damaged}
        workshop.upload(KEY, json.dumps(document).encode())
        assert find_document(workshop.storage, KEY, StemDocument) is None


def test_a_document_with_additional_keys_is_found(workshop: Workshop) -> None:
    document = json.loads(STEM.encode()) | {"something": "new"}
    workshop.upload(KEY, json.dumps(document).encode())
    assert find_document(workshop.storage, KEY, StemDocument) == STEM


def test_there_is_none_where_nothing_was_stored(workshop: Workshop) -> None:
    assert find_document(workshop.storage, KEY, StemDocument) is None


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"null", b"[]", b"\xff\xfe", b'"text"', STEM.encode()[:-1]]
)
def test_what_is_no_document_is_not_taken_for_one(workshop: Workshop, text: bytes) -> None:
    workshop.upload(KEY, text)
    assert find_document(workshop.storage, KEY, StemDocument) is None


def test_a_document_of_another_version_is_not_taken(workshop: Workshop) -> None:
    newer = json.loads(STEM.encode()) | {"waveform_version": 2}
    workshop.upload(KEY, json.dumps(newer).encode())
    assert find_document(workshop.storage, KEY, StemDocument) is None


def test_the_document_of_a_stem_is_not_taken_for_that_of_a_mix(workshop: Workshop) -> None:
    store_document(workshop.storage, KEY, STEM)
    assert find_document(workshop.storage, KEY, MixDocument) is None


def test_a_storage_that_does_not_answer_is_no_missing_document(workshop: Workshop) -> None:
    def fail(step: Step) -> None:
        raise StorageUnavailable("away")

    workshop.storage.before = fail
    with pytest.raises(StorageUnavailable):
        find_document(workshop.storage, KEY, StemDocument)


REQUEST = StemRequest(
    filepath="users/u1/드럼 (최종).wav",
    original_filename="드럼.wav",
    user_id="u1",
    track_id=None,
    upstream_id="up1",
    event_id="msg_1.completion.success",
)


class TestRequest:
    """Who asked for the waveform, which the front end doesn't read."""

    def test_it_is_found_exactly_as_it_was(self, workshop: Workshop) -> None:
        document = evolve(STEM, request=REQUEST)
        store_document(workshop.storage, KEY, document)
        assert find_document(workshop.storage, KEY, StemDocument) == document

    def test_without_one_the_key_is_left_out(self) -> None:
        assert "request" not in json.loads(STEM.encode())

    @pytest.mark.parametrize("damaged", [None, 7, "text", [], {}, {"filepath": "a.wav"}])
    def test_one_that_is_illegible_keeps_no_waveform_from_being_found(
        self, workshop: Workshop, damaged: object
    ) -> None:
        document = json.loads(STEM.encode()) | {"request": damaged}
        workshop.upload(KEY, json.dumps(document).encode())
        assert find_document(workshop.storage, KEY, StemDocument) == STEM

    @pytest.mark.parametrize("letter", ["a", '"', "가", "\U0001f3b5"])
    def test_with_the_longest_key_the_document_still_fits_in_session_storage(
        self, letter: str
    ) -> None:
        key = letter * (1024 // len(letter.encode()))
        request = evolve(REQUEST, filepath=key, original_filename=key)
        assert request.if_it_fits() == request
        document = StemDocument.of(
            largest_waveform(),
            created_at="2025-07-16T07:39:22.281940Z",
            audio_data_hash="ab" * 32,
            file_size=2**40,
            processing_time=600.123456,
            request=request,
        )
        assert len(document.encode()) < 100_000

    def test_the_largest_that_fits_leaves_the_largest_document_in_session_storage(self) -> None:
        request = evolve(REQUEST, user_id="")
        spare_bytes = MOST_REQUEST_BYTES - len(json.dumps(asdict(request), separators=(",", ":")))
        request = evolve(request, user_id="x" * spare_bytes)
        assert request.if_it_fits() == request
        assert evolve(request, user_id="x" * (spare_bytes + 1)).if_it_fits() is None
        document = StemDocument.of(
            largest_waveform(),
            created_at="2025-07-16T07:39:22.281940Z",
            levels=largest_levels(32),
            waveform_dat_path=f"waveforms/{'x' * 128}_waveform_2025-07-16T07:39:22.281940Z.dat",
            audio_data_hash="ab" * 32,
            file_size=2**40,
            processing_time=600.123456,
            request=request,
        )
        assert 90_000 < len(document.encode()) < 100_000

    @pytest.mark.parametrize("name", ["original_filename", "user_id", "upstream_id"])
    def test_what_would_make_the_document_too_large_is_left_out_as_a_whole(self, name: str) -> None:
        assert evolve(REQUEST, **{name: "x" * 19_000}).if_it_fits() is not None
        assert evolve(REQUEST, **{name: "x" * 20_000}).if_it_fits() is None
