"""A codec that does what the file tells it to: crash, hang, eat memory, or give a number.

A file holds a command and perhaps a number: `segfault`, `sleep 0.5`, `answer 7`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
from attrs import frozen

from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioFormat, AudioLimits, Container, Encoding
from waveflow.domain.errors import InvalidAudio, TruncatedAudio, UnreadableStem
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis, Waveform


class OddError(Exception):
    """Can be pickled, but not unpickled: its constructor wants more than `args` holds."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


_NUMBERS = count()


def order(folder: Path, command: str) -> Path:
    """A new file in `folder` that holds `command`."""
    path = folder / f"{next(_NUMBERS)} {command}"
    path.write_text(command)
    return path


def events(trace: Path) -> list[tuple[str, str]]:
    """What has been traced so far: (`begins` or `ends`, the file's command), in order."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


@frozen
class HostileCodec(AudioCodec):
    """Obeys the files. The number that it answers is found as `waveform.frames`.

    Attributes:
        trace: file in which the begin and the end of each task are written down.
    """

    trace: Path | None = None

    def analyse(self, source: Path, num_peaks: int, limits: AudioLimits) -> Analysis:
        value = self._obey(source)
        if not isinstance(value, int):
            return value  # type: ignore[no-any-return]  # that's the point
        waveform = Waveform(np.zeros(num_peaks), value, 8_000)
        return Analysis(waveform, AudioFormat(Container.WAV, Encoding.PCM_16), 1)

    def mix(
        self, sources: Sequence[Path], destination: Path, num_peaks: int, limits: AudioLimits
    ) -> Mix:
        with destination.open("xb") as file:
            file.write(b"half")
            file.flush()
            frames = [self._obey(source) for source in sources]
            file.write(b" and half")
        return Mix(Waveform(np.zeros(num_peaks), sum(frames), 8_000), 1.0)

    def _obey(self, source: Path) -> Any:
        command, _, number = source.read_text().partition(" ")
        self._note(f"begins {source.read_text()}")
        value = _COMMANDS[command](float(number) if number else 0.0, source)
        self._note(f"ends {source.read_text()}")
        if value is _DIE:
            os.abort()
        return value

    def _note(self, line: str) -> None:
        if self.trace is not None:
            with self.trace.open("a") as file:
                file.write(line + "\n")


_DIE = "die"


def _sleep_and_die(seconds: float, _: Path) -> str:
    time.sleep(seconds)
    return _DIE


def _eat(_: float, __: Path) -> int:
    held = []
    while True:
        held.append(np.empty(1 << 26, np.uint8))


def _memory_error(_: float, __: Path) -> int:
    raise MemoryError


def _invalid(_: float, __: Path) -> int:
    raise InvalidAudio("The file is odd.", code="odd")


def _unreadable(_: float, __: Path) -> int:
    raise UnreadableStem(2, TruncatedAudio("The file is short."))


def _defect(_: float, __: Path) -> int:
    raise ValueError("a defect")


def _odd_error(_: float, __: Path) -> int:
    raise OddError(1, 2)


def _pause(_: float, __: Path) -> int:
    while True:
        signal.pause()


def _spin(_: float, __: Path) -> int:
    while True:
        pass


def _use_cpu(seconds: float, _: Path) -> int:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return os.getpid()


def _sleep(seconds: float, _: Path) -> int:
    time.sleep(seconds)
    return 7


def _leave_a_thread(_: float, __: Path) -> int:
    Thread(target=time.sleep, args=[3600.0]).start()
    return os.getpid()


def _crash_once(number: float, source: Path) -> int:
    tried = source.with_name(f"{source.name} was tried")
    if not tried.exists():
        tried.touch()
        os.abort()
    return int(number)


def _kill_fork_server(_: float, source: Path) -> int:
    os.kill(os.getppid(), signal.SIGKILL)
    return _pause(_, source)


_COMMANDS: dict[str, Callable[[float, Path], Any]] = {
    "answer": lambda number, _: int(number),
    "pid": lambda _, __: os.getpid(),
    "memory-limit": lambda _, __: resource.getrlimit(resource.RLIMIT_AS)[0],
    "cpu-limit": lambda _, __: resource.getrlimit(resource.RLIMIT_CPU)[0],
    "blas-threads": lambda _, __: int(os.environ["OPENBLAS_NUM_THREADS"]),
    "sleep": _sleep,
    "sleep-and-die": _sleep_and_die,
    "use-cpu": _use_cpu,
    "leave-a-thread": _leave_a_thread,
    "crash-once": _crash_once,
    "segfault": lambda _, __: ctypes.string_at(0),
    "abort": lambda _, __: os.abort(),
    "leave": lambda number, _: os._exit(int(number)),
    "exit": lambda number, _: sys.exit(int(number)),
    "interrupt": lambda _, __: signal.raise_signal(signal.SIGKILL),
    "kill-fork-server": _kill_fork_server,
    "pause": _pause,
    "spin": _spin,
    "eat": _eat,
    "memory-error": _memory_error,
    "invalid": _invalid,
    "unreadable": _unreadable,
    "defect": _defect,
    "odd-error": _odd_error,
    "unpicklable": lambda _, __: Lock(),
    "huge": lambda _, __: bytes(80 * 1024**2),
}
