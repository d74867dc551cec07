"""Commands that are played by a few lines of shell, and what they were called with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen


@frozen
class StandIns:
    """A folder of commands that comes first on PATH, and a root of its own for the scripts."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def etc(self) -> Path:
        return self.root / "etc/waveflow"

    def command(self, name: str, shell: str = "") -> None:
        """What `name` does, besides being written down. `$1` … are its arguments."""
        file = self.folder / "bin" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        note = f'printf "%s\\n" "{name} $*" >> {self.folder}/calls'
        file.write_text(f"#!/bin/bash\n{note}\n{shell}\n")
        file.chmod(0o755)

    def calls(self, start: str = "") -> list[str]:
        """All calls so far that begin like this, in order."""
        calls = self.folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line for line in lines if line.startswith(start)]

    def run(
        self,
        script: Path,
        *arguments: str,
        only: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script to its end; standard error comes with its output.

        Args:
            only: the commands of this machine that it may find; all of them when None.
        """
        path = os.environ["PATH"] if only is None else self._only(only)
        return subprocess.run(
            [script, *arguments],
            env={"PATH": f"{self.folder / 'bin'}:{path}", "WAVEFLOW_ROOT": str(self.root)}
            | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    def _only(self, names: Sequence[str]) -> str:
        folder = self.folder / "only"
        folder.mkdir(exist_ok=True)
        for name in names:
            [found, *_] = [
                Path(each) / name
                for each in os.environ["PATH"].split(":")
                if (Path(each) / name).exists()
            ]
            if not (folder / name).exists():
                (folder / name).symlink_to(found)
        return str(folder)
