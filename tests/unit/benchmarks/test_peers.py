"""Which other programs are here, and what is said of those that aren't."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.formats import Missing
from benchmarks.peers import AUDIOWAVEFORM_VARIABLE, PEERS, Peers
from benchmarks.place import Launcher, RunFailed


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_programs_on_the_path_are_found_with_their_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sox = program(tmp_path / "sox", "echo sox: SoX v14.4.2")
    monkeypatch.setenv("PATH", str(tmp_path))

    peers = Peers()

    assert peers.path("sox") == str(sox)
    assert peers.versions()["sox"] == "14.4.2"
    assert peers.versions()["flac"] is None


def test_what_is_missing_comes_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(AUDIOWAVEFORM_VARIABLE, raising=False)

    missing = {peer.name: peer.how_to_get() for peer in Peers().missing()}

    assert set(missing) == {peer.name for peer in PEERS}
    assert missing["oggdec"] == "apt-get install vorbis-tools"
    assert "libmad0-dev" in missing["audiowaveform"]
    with pytest.raises(Missing, match="flac is not installed"):
        Peers().path("flac")


def test_audiowaveform_may_lie_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = program(tmp_path / "build-of-it", "echo AudioWaveform v1.10.3")
    monkeypatch.setenv(AUDIOWAVEFORM_VARIABLE, str(built))

    assert Peers().path("audiowaveform") == str(built)
    assert Peers().versions()["audiowaveform"] == "1.10.3"


def test_a_program_that_does_not_say_its_version_is_there_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "sox", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert Peers().versions()["sox"] == "?"


class TestLauncher:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "launched").mkdir()
        return tmp_path / "launched"

    def test_time_processor_and_memory_are_those_of_the_program(self, folder: Path) -> None:
        launcher = Launcher(folder)
        try:
            work = "a = bytearray(300 * 2**20)\nfor _ in range(2_000_000): pass"
            large = launcher.run([sys.executable, "-S", "-c", work]).sample
            small = launcher.run(["/bin/true"]).sample
        finally:
            launcher.close()

        assert large.peak_mb > 300
        # Not that of the process that launches, nor of this one.
        assert small.peak_mb < 30
        assert 0 < large.cpu_s <= large.wall_s * 1.5
        assert small.cpu_s < large.cpu_s

    def test_a_program_that_fails_says_why(self, folder: Path) -> None:
        launcher = Launcher(folder)
        try:
            with pytest.raises(RunFailed, match="ended with code 3: no such thing"):
                launcher.run(["/bin/sh", "-c", "echo no such thing >&2; exit 3"])
            with pytest.raises(RunFailed, match="No such file"):
                launcher.run(["/no/such/program"])
            assert launcher.run(["/bin/true"]).sample.wall_s > 0
        finally:
            launcher.close()

    def test_what_a_program_says_can_be_read(self, folder: Path) -> None:
        launcher = Launcher(folder)
        try:
            launcher.run(["/bin/echo", "figures"])
            assert launcher.output() == "figures\n"
        finally:
            launcher.close()


def test_the_launcher_ends_when_nobody_asks_any_more() -> None:
    script = Path(__file__).parents[3] / "benchmarks" / "launcher.py"

    ended = subprocess.run([sys.executable, "-I", str(script)], input=b"", timeout=30, check=False)

    assert ended.returncode == 0
