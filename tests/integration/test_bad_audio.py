"""Files that aren't what they claim: a coded failure, or every frame that is really there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.integration.bad_input_bench import HASH, Bench
from tests.support.audio_files import (
    flac_claiming,
    halve,
    mp3_without_xing,
    mpeg_frames,
    tone,
    wav_adpcm,
    write_audio,
)

RATE_HZ = 44_100
FRAMES = 2 * RATE_HZ
KEY = "users/u1/stem.wav"


def written(bench: Bench, kind: str) -> Path:
    """Two seconds of stereo under `KEY`, which ends in .wav whatever the kind."""
    return write_audio(bench.path(KEY), tone(FRAMES), RATE_HZ, kind=kind)


def floats_with(bench: Bench, value: float) -> Path:
    samples = tone(FRAMES)
    samples[FRAMES // 2, 1] = value
    return write_audio(bench.path(KEY), samples, RATE_HZ, kind="wav-float")


def with_bytes(content: bytes) -> Callable[[Bench], object]:
    return lambda bench: bench.path(KEY).write_bytes(content)


def of_size(size_bytes: int) -> Callable[[Bench], object]:
    def write(bench: Bench) -> None:
        with written(bench, "wav-16").open("r+b") as file:
            file.truncate(size_bytes)

    return write


CUT = "is damaged or cut short: it announces 2.00 s of audio, but"
NOT_FINITE = "The file contains samples that are not numbers (NaN or infinity)"
BAD: dict[str, tuple[Callable[[Bench], object], str, str]] = {
    "0 bytes": (with_bytes(b""), "empty_file", "The file is empty (0 bytes)."),
    "a text": (with_bytes(b"la la la"), "not_audio", "The file holds no audio that WaveFlow know"),
    "a web page": (with_bytes(b"<!doctype html>" * 99), "not_audio", "The file holds no audio"),
    "zeros": (with_bytes(bytes(10_000)), "not_audio", "The file holds no audio that WaveFlow"),
    "an M4A": (
        with_bytes(b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00" + bytes(999)),
        "unsupported_format",
        "M4A/MP4 files are not supported; please export it as WAV, AIFF, FLAC, MP3 or OGG",
    ),
    "a WAV header alone": (
        with_bytes(b"RIFF\x24\x00\x00\x00WAVE"),
        "invalid_audio",
        "The WAV file",
    ),
    "half a WAV": (lambda bench: halve(written(bench, "wav-16")), "audio_truncated", CUT),
    "half a FLAC": (lambda bench: halve(written(bench, "flac-16")), "audio_truncated", CUT),
    "half an MP3": (lambda bench: halve(written(bench, "mp3")), "audio_truncated", CUT),
    "half an AIFF": (lambda bench: halve(written(bench, "aiff-24")), "audio_truncated", CUT),
    "a FLAC that claims more": (
        lambda bench: flac_claiming(written(bench, "flac-16"), 2 * FRAMES),
        "audio_truncated",
        "it announces 4.00 s of audio, but 2.00 s could be decoded",
    ),
    "ADPCM": (
        lambda bench: wav_adpcm(bench.path(KEY), tone(FRAMES)),
        "unsupported_encoding",
        "WAV files with IMA ADPCM audio are not supported",
    ),
    "NaN": (lambda bench: floats_with(bench, np.nan), "audio_not_finite", NOT_FINITE),
    "infinity": (lambda bench: floats_with(bench, np.inf), "audio_not_finite", NOT_FINITE),
    "101 MB": (
        of_size(101 * 1024**2),
        "file_too_large",
        "The file has 101.0 MB; the limit is 100 MB.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_stem_that_can_not_be_used_fails_with_a_code_and_a_sentence(
    bench: Bench, name: str
) -> None:
    make, expected_code, sentence = BAD[name]
    make(bench)
    with bench.nothing_left_behind():
        answer = bench.analysis(KEY)
        code, error = answer.failure()
        assert code == expected_code
        assert sentence in error
        assert answer.parked == []
        assert KEY not in error


@pytest.mark.parametrize("name", ["half a WAV", "half a FLAC", "half an MP3", "NaN", "101 MB"])
def test_such_a_stem_fails_the_mix_and_is_named(bench: Bench, name: str) -> None:
    make, expected_code, sentence = BAD[name]
    make(bench)
    write_audio(bench.path("other.wav"), tone(FRAMES), RATE_HZ)
    with bench.nothing_left_behind():
        code, error = bench.mix("other.wav", KEY).failure("/mixing-complete")
        assert code == expected_code
        assert error.startswith("Stem 2 of 2, 'stem.wav', can't be mixed. ")
        assert sentence in error


def test_hashing_takes_any_size_and_any_content(bench: Bench) -> None:
    of_size(101 * 1024**2)(bench)
    [(endpoint, body)] = bench.task(HASH, {"stemId": "s1", "filepath": KEY}).webhooks
    assert endpoint == "/hash-check"
    assert len(body["audio_hash"]) == 64


@pytest.mark.parametrize("kind", ["mp3", "flac-24", "ogg-vorbis", "aiff-16", "wavex-24", "rf64-16"])
def test_the_name_of_a_file_says_nothing(bench: Bench, kind: str) -> None:
    written(bench, kind)
    result = bench.analysis(KEY).result
    assert (result["duration"], result["sample_rate"]) == (2.0, RATE_HZ)


def test_an_mp3_without_a_xing_header_is_counted_to_its_end(bench: Bench) -> None:
    path = mp3_without_xing(written(bench, "mp3"))
    count = len(mpeg_frames(path))
    assert count * 1152 >= FRAMES
    assert bench.analysis(KEY).result["duration"] == count * 1152 / RATE_HZ


@pytest.mark.parametrize("claimed", [FRAMES // 2, 0, 1])
def test_a_flac_that_claims_less_is_counted_to_its_end(bench: Bench, claimed: int) -> None:
    flac_claiming(written(bench, "flac-16"), claimed)
    assert bench.analysis(KEY).result["duration"] == 2.0


def test_a_stem_without_a_single_frame_is_silence_of_no_length(bench: Bench) -> None:
    write_audio(bench.path(KEY), np.zeros((0, 2), np.float32), RATE_HZ)
    result = bench.analysis(KEY).result
    assert (result["duration"], result["num_peaks"]) == (0.0, 4000)
