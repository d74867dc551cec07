"""The Tab key, pressed in real shells at a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console_script import WAVEFLOW

pytestmark = pytest.mark.slow

_SET_UP = {
    "bash": (["bash", "--norc", "-i"], 'eval "$(waveflow completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -U compinit; compinit -u -D; source <(waveflow completion zsh)",
    ),
    "fish": (["fish", "--no-config", "-i"], "waveflow completion fish | source"),
}


class Typist:
    """Somebody at a terminal with a shell, who waits for what appears."""

    def __init__(self, shell: str, folder: Path) -> None:
        arguments, set_up = _SET_UP[shell]
        self._seen = b""
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.chdir(folder)
            path = f"{WAVEFLOW.parent}:{os.environ['PATH']}"
            os.execvpe(
                arguments[0], arguments, {"PATH": path, "TERM": "xterm", "HOME": str(folder)}
            )
        # What is typed is echoed: only what was carried out lacks the quotes.
        self.types(f"{set_up}; echo rea''dy\r", until="ready")

    def types(self, text: str, *, until: str) -> None:
        """Type `text`, and see `until` appear."""
        self._seen = b""
        os.write(self._terminal, text.encode())
        end_s = time.monotonic() + 30
        while until.encode() not in self._seen:
            assert time.monotonic() < end_s, self._seen.decode(errors="replace")
            if select.select([self._terminal], [], [], 0.2)[0]:
                self._seen += os.read(self._terminal, 65_536)
            if self._seen.endswith((b"\x1b[c", b"\x1b[0c")):  # Fish asks what terminal this is.
                os.write(self._terminal, b"\x1b[?1;2c")

    def leave(self) -> None:
        """Close the terminal."""
        os.close(self._terminal)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


@pytest.fixture(
    params=[
        pytest.param(
            shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"needs {shell}")
        )
        for shell in _SET_UP
    ]
)
def typist(request: pytest.FixtureRequest, folder: Path) -> Iterator[Typist]:
    """Somebody at each of the shells."""
    (folder / "long song.wav").touch()
    typist = Typist(request.param, folder)
    yield typist
    typist.leave()


def test_tab_completes_commands_options_and_files(typist: Typist) -> None:
    typist.types("waveflow resol\t", until="resolve-duplicate")
    typist.types(" --kee\t", until="--keep")
    typist.types(" lon\t", until="long\\ song.wav")
