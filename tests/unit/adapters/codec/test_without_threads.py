"""Where the system has no thread to give, everything is done by the one that there is."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from tests.support.audio_files import tone, write_audio
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.clock import Clock
from waveflow.domain.audio import AudioLimits
from waveflow.entrypoints.local_files import analyze_file


@pytest.fixture
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)


def mixed(stems: list[Path], destination: Path) -> bytes:
    SoundfileCodec().mix(stems, destination, 100, AudioLimits())
    return destination.read_bytes()


def test_a_mix_is_the_same(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    stems = [
        write_audio(tmp_path / f"{number}", tone(9_000, channels), kind="wav-24")
        for number, channels in enumerate((1, 2, 1))
    ]
    with_threads = mixed(stems, tmp_path / "with.wav")
    request.getfixturevalue("_no_threads")
    assert mixed(stems, tmp_path / "without.wav") == with_threads


@pytest.mark.usefixtures("_no_threads")
def test_a_file_is_hashed_after_its_analysis(tmp_path: Path) -> None:
    song = write_audio(tmp_path / "song", tone(900), kind="wav-16")
    analysis = analyze_file(song, 10, Clock())
    assert analysis.content_hash is not None
    assert analysis.document.num_peaks == 10
