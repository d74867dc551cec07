"""Programs that do part of the same work: which of them are here, and how to get the others."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shutil import which

from attrs import field, frozen

from benchmarks.formats import Missing

AUDIOWAVEFORM_VARIABLE = "AUDIOWAVEFORM"
_VERSION_LIMIT_S = 10


@frozen
class Peer:
    """A program.

    Attributes:
        package: of Debian; empty for none.
        how: how to get it where no package has it.
    """

    name: str
    does: str
    version_option: str = "--version"
    package: str = ""
    how: str = ""

    def how_to_get(self) -> str:
        """What to do to have it."""
        return self.how or f"apt-get install {self.package}"


PEERS = (
    Peer(
        "audiowaveform",
        "peaks (BBC)",
        how="build it from github.com/bbc/audiowaveform: apt-get install g++ cmake libmad0-dev"
        " libid3tag0-dev libsndfile1-dev libgd-dev libboost-filesystem-dev"
        " libboost-program-options-dev libboost-regex-dev, then cmake -B build"
        " -DENABLE_TESTS=0 -DCMAKE_BUILD_TYPE=Release && cmake --build build; on the PATH, or"
        f" {AUDIOWAVEFORM_VARIABLE}=/path/to/it",
    ),
    Peer("ffmpeg", "mixes, decodes, writes M4A", "-version", "ffmpeg"),
    Peer("sox", "mixes", package="sox"),
    Peer("flac", "decodes FLAC", package="flac"),
    Peer("mpg123", "decodes MP3", package="mpg123"),
    Peer("oggdec", "decodes Vorbis", package="vorbis-tools"),
    Peer("opusdec", "decodes Opus", package="opus-tools"),
)


def _found() -> dict[str, str]:
    programs = {peer.name: which(peer.name) for peer in PEERS}
    named = os.environ.get(AUDIOWAVEFORM_VARIABLE)
    if named:
        programs["audiowaveform"] = which(named)
    return {name: str(Path(program).resolve()) for name, program in programs.items() if program}


@frozen
class Peers:
    """The programs of this machine, by name."""

    paths: Mapping[str, str] = field(factory=_found)

    def has(self, name: str) -> bool:
        """Whether a program is here."""
        return name in self.paths

    def path(self, name: str) -> str:
        """Raises `Missing` when a program isn't here."""
        if name not in self.paths:
            raise Missing(f"{name} is not installed")
        return self.paths[name]

    def missing(self) -> list[Peer]:
        """Those that aren't here."""
        return [peer for peer in PEERS if not self.has(peer.name)]

    def versions(self) -> dict[str, str | None]:
        """The version of each; None for those that aren't here."""
        return {
            peer.name: _version(self.paths[peer.name], peer.version_option)
            if self.has(peer.name)
            else None
            for peer in PEERS
        }


def _version(program: str, option: str) -> str:
    try:
        ran = subprocess.run(
            [program, option],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    number = re.search(r"\d+(\.\d+)+", (ran.stdout + ran.stderr).decode(errors="replace"))
    return number.group() if number else "?"
