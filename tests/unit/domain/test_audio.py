"""What counts as audio: the allow-list, the limits, and when a file counts as cut short."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from waveflow.domain.audio import (
    ALL_MIME_TYPES,
    MIME_TYPES,
    AudioFormat,
    AudioHeader,
    AudioLimits,
    Container,
    Encoding,
    require_complete,
)
from waveflow.domain.errors import AudioTooLarge, InvalidAudio, TruncatedAudio, UnsupportedAudio

PCM = ["PCM_8", "PCM_16", "PCM_24", "PCM_32", "FLOAT_32", "FLOAT_64"]
ALLOWED = {
    *product(["WAV", "AIFF"], PCM),
    ("FLAC", "FLAC"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MP3"),
    ("M4A", "AAC"),
    ("M4A", "ALAC"),
}
LIMITS = AudioLimits()
WAV_16 = AudioFormat(Container.WAV, Encoding.PCM_16)


def header(
    *,
    kind: AudioFormat = WAV_16,
    channels: int = 2,
    sample_rate_hz: int = 44_100,
    announced: int | None = None,
) -> AudioHeader:
    return AudioHeader(kind, channels, sample_rate_hz, announced_frames=announced)


class TestFormats:
    @pytest.mark.parametrize(("container", "encoding"), list(product(Container, Encoding)))
    def test_only_pairs_on_the_allow_list_are_formats(
        self, container: Container, encoding: Encoding
    ) -> None:
        if (container.name, encoding.name) in ALLOWED:
            assert AudioFormat(container, encoding).container is container
        else:
            with pytest.raises(UnsupportedAudio, match="please upload") as caught:
                AudioFormat(container, encoding)
            assert caught.value.code == "unsupported_encoding"

    @pytest.mark.parametrize(
        ("container", "encoding", "text"),
        [
            (Container.WAV, Encoding.PCM_24, "WAV (24-bit PCM)"),
            (Container.OGG, Encoding.OPUS, "OGG (Opus)"),
            (Container.FLAC, Encoding.FLAC, "FLAC"),
            (Container.MP3, Encoding.MP3, "MP3"),
            (Container.M4A, Encoding.ALAC, "M4A (ALAC)"),
        ],
    )
    def test_a_format_has_a_readable_name(
        self, container: Container, encoding: Encoding, text: str
    ) -> None:
        assert str(AudioFormat(container, encoding)) == text

    def test_the_mime_types_are_those_that_deployments_list(self) -> None:
        listed = (
            "audio/wav audio/x-wav audio/wave audio/mpeg audio/mp3"
            " audio/flac audio/ogg audio/aiff audio/x-aiff"
            " audio/mp4 audio/x-m4a audio/m4a"
        )
        assert set(listed.split()) == ALL_MIME_TYPES
        assert set(MIME_TYPES) == set(Container)


class TestSize:
    @pytest.mark.parametrize("size_bytes", [0, 1, 104_857_600])
    def test_up_to_100_mb_are_allowed(self, size_bytes: int) -> None:
        LIMITS.require_size(size_bytes)

    def test_one_byte_more_is_too_large(self) -> None:
        with pytest.raises(AudioTooLarge, match="the limit is 100 MB") as caught:
            LIMITS.require_size(104_857_601)
        assert caught.value.code == "file_too_large"

    @pytest.mark.parametrize(
        "make_limits",
        [
            lambda: AudioLimits(max_bytes=0),
            lambda: AudioLimits(max_duration_s=0.0),
            lambda: AudioLimits(max_channels=-1),
            lambda: AudioLimits(min_sample_rate_hz=0),
            lambda: AudioLimits(max_sample_rate_hz=0),
        ],
    )
    def test_a_limit_that_nothing_could_keep_is_refused(
        self, make_limits: Callable[[], AudioLimits]
    ) -> None:
        with pytest.raises(ValueError, match="must be > 0"):
            make_limits()


class TestHeader:
    @pytest.mark.parametrize("channels", [1, 2, 32])
    def test_1_to_32_channels_are_allowed(self, channels: int) -> None:
        LIMITS.require_header(header(channels=channels))

    @pytest.mark.parametrize("channels", [-1, 0, 33, 65_535])
    def test_other_channel_counts_are_refused(self, channels: int) -> None:
        with pytest.raises(InvalidAudio, match=f"{channels} channels; 1 to 32"):
            LIMITS.require_header(header(channels=channels))

    @pytest.mark.parametrize("sample_rate_hz", [4_000, 44_100, 384_000])
    def test_4_to_384_khz_are_allowed(self, sample_rate_hz: int) -> None:
        LIMITS.require_header(header(sample_rate_hz=sample_rate_hz))

    @pytest.mark.parametrize("sample_rate_hz", [0, 1, 3_999, 384_001, 2**32 - 1])
    def test_other_sample_rates_are_refused(self, sample_rate_hz: int) -> None:
        with pytest.raises(InvalidAudio, match=f"{sample_rate_hz} Hz; 4000 to 384000 Hz"):
            LIMITS.require_header(header(sample_rate_hz=sample_rate_hz))

    @pytest.mark.parametrize("listed", MIME_TYPES[Container.WAV])
    def test_each_name_of_a_container_lets_it_in(self, listed: str) -> None:
        AudioLimits(mime_types=frozenset({listed})).require_header(header())

    def test_a_container_that_is_not_listed_is_refused_naming_those_that_are(self) -> None:
        limits = AudioLimits(mime_types=frozenset({"audio/mpeg", "audio/flac", "text/plain"}))
        with pytest.raises(UnsupportedAudio, match=r"please upload FLAC, MP3\.") as caught:
            limits.require_header(header())
        assert caught.value.code == "unsupported_format"


class TestDuration:
    @pytest.mark.parametrize(("frames", "sample_rate_hz"), [(0, 44_100), (44_100 * 21_600, 44_100)])
    def test_up_to_six_hours_are_allowed(self, frames: int, sample_rate_hz: int) -> None:
        LIMITS.require_duration(frames, sample_rate_hz)

    def test_one_frame_more_is_too_long(self) -> None:
        with pytest.raises(AudioTooLarge, match="more than 6 hours") as caught:
            LIMITS.require_duration(44_100 * 21_600 + 1, 44_100)
        assert caught.value.code == "audio_too_long"


class TestTruncation:
    @pytest.mark.parametrize(
        ("announced", "decoded", "sample_rate_hz"),
        [
            (None, 0, 44_100),
            (0, 0, 44_100),
            (100, 100, 44_100),
            (100, 200, 44_100),
            (44_100, 44_100 - 4_410, 44_100),
            (48_000, 48_000 - 4_800, 48_000),
            (400, 0, 4_000),
        ],
    )
    def test_a_header_off_by_up_to_a_tenth_of_a_second_is_forgiven(
        self, announced: int | None, decoded: int, sample_rate_hz: int
    ) -> None:
        require_complete(header(announced=announced, sample_rate_hz=sample_rate_hz), decoded)

    @pytest.mark.parametrize(
        ("announced", "decoded", "sample_rate_hz"),
        [
            (44_100, 44_100 - 4_411, 44_100),
            (48_000, 48_000 - 4_801, 48_000),
            (401, 0, 4_000),
            (2**36 - 1, 44_100, 44_100),
        ],
    )
    def test_a_file_further_off_was_cut(
        self, announced: int, decoded: int, sample_rate_hz: int
    ) -> None:
        with pytest.raises(TruncatedAudio) as caught:
            require_complete(header(announced=announced, sample_rate_hz=sample_rate_hz), decoded)
        assert caught.value.code == "audio_truncated"

    def test_the_error_says_how_much_there_is(self) -> None:
        with pytest.raises(TruncatedAudio, match=r"announces 2\.00 s of audio, but 0\.50 s"):
            require_complete(header(announced=88_200), 22_050)
