"""Lying lengths and full disks: what once crashed the decoder's process or hid the cause."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.audio_files import tone, write_audio
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.extras import Dat, Extras
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import WorkFolderUnavailable

LIMITS = AudioLimits()
ANALYSE = (
    "import sys, pathlib;"
    "from waveflow.adapters.codec.soundfile_codec import SoundfileCodec;"
    "from waveflow.domain.audio import AudioLimits;"
    "waveform = SoundfileCodec().analyse(pathlib.Path(sys.argv[1]), 4000, AudioLimits()).waveform;"
    "print(waveform.frames)"
)


@pytest.mark.slow
@pytest.mark.parametrize("granule", [2**63 - 1, 2**63 - 808])
def test_an_ogg_that_claims_to_end_at_the_end_of_time_crashes_nothing(
    tmp_path: Path, granule: int
) -> None:
    path = write_audio(tmp_path / "a.ogg", tone(100_000), kind="ogg-vorbis")
    content = bytearray(path.read_bytes())
    page = content.rfind(b"OggS")
    content[page + 6 : page + 14] = struct.pack("<q", granule)
    path.write_bytes(content)
    # In a process of its own: writing out of bounds would take this one along. The last page,
    # whose checksum no longer fits, is lost.
    done = subprocess.run(
        [sys.executable, "-c", ANALYSE, str(path)], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"91840\n")


def test_a_silent_mix_of_opus_has_a_silent_waveform(tmp_path: Path) -> None:
    silence = np.zeros((5_000, 2), np.float32)
    path = write_audio(tmp_path / "silence", silence, 48_000, kind="ogg-opus")
    mix = SoundfileCodec().mix([path], tmp_path / "mix.wav", 50, LIMITS)
    assert mix.waveform.normalised_peaks() == [0.0] * 50


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of its own, with room for so many KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={request.param}k"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("disk", [2000, 3000, 4000, 5860], indirect=True)
def test_a_full_disk_is_the_work_folders_fault(tmp_path: Path, disk: Path) -> None:
    stem = write_audio(tmp_path / "a.wav", tone(1_000_000, 1))
    with pytest.raises(WorkFolderUnavailable, match="No space left on device"):
        SoundfileCodec().mix([stem], disk / "mix.wav", 10, LIMITS)


@pytest.mark.parametrize("disk", [12], indirect=True)
def test_a_full_disk_ends_a_dat_and_names_it(tmp_path: Path, disk: Path) -> None:
    stem = write_audio(tmp_path / "a.wav", tone(1_000_000, 1))
    extras = Extras(dat=Dat(disk / "a.dat", samples_per_pixel=64))
    with pytest.raises(WorkFolderUnavailable, match="No space left on device") as error:
        SoundfileCodec().analyse(stem, 10, LIMITS, extras)
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.filename == str(disk / "a.dat")


def test_a_dat_is_right_also_where_the_header_misjudges_the_length(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.mp3", tone(100_000, 2), kind="mp3")
    # Without the first frame's count of frames, the length is a guess: the file is decoded twice.
    path.write_bytes(path.read_bytes().replace(b"Xing", b"None").replace(b"Info", b"None"))
    dat = Dat(tmp_path / "a.dat", samples_per_pixel=1_000)
    frames = SoundfileCodec().analyse(path, 10, LIMITS, Extras(dat=dat)).waveform.frames
    content = dat.destination.read_bytes()
    pixels = -(-frames // 1_000)
    assert struct.unpack("<5i", content[:20]) == (1, 0, 44_100, 1_000, pixels)
    assert len(content) == 20 + 4 * pixels


def ogg_checksum(page: bytes) -> int:
    """CRC-32 as Ogg has it, bit by bit."""
    checksum = 0
    for bit in (byte >> shift & 1 for byte in page for shift in range(7, -1, -1)):
        top = checksum >> 31
        checksum = (checksum << 1) & 0xFFFFFFFF
        if top ^ bit:
            checksum ^= 0x04C11DB7
    return checksum


@pytest.mark.parametrize("original_rate_hz", [0, 8_000, 44_100])
def test_opus_keeps_its_treble_whatever_original_rate_it_names(
    tmp_path: Path, original_rate_hz: int
) -> None:
    treble = 0.6 * np.sin(2 * np.pi * 9_000 * np.arange(48_000) / 48_000)
    path = write_audio(tmp_path / "a", treble[:, np.newaxis], 48_000, kind="ogg-opus")
    content = bytearray(path.read_bytes())
    packet = 27 + content[26]
    page_bytes = packet + sum(content[27:packet])
    content[packet + 12 : packet + 16] = original_rate_hz.to_bytes(4, "little")
    content[22:26] = bytes(4)
    content[22:26] = ogg_checksum(bytes(content[:page_bytes])).to_bytes(4, "little")
    path.write_bytes(content)
    waveform = SoundfileCodec().analyse(path, 10, LIMITS).waveform
    assert (waveform.sample_rate_hz, waveform.frames) == (48_000, 48_000)
    assert waveform.amplitude > 0.5
