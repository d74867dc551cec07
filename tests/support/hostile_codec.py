"""A codec that does what the file tells it to: crash, hang, eat memory, or give a number.

A file holds a command and perhaps a number: `segfault`, `sleep 0.5`, `answer 7`.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
from attrs import frozen

from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioFormat, AudioLimits, Container, Encoding
from waveflow.domain.errors import InvalidAudio, TruncatedAudio, UnreadableStem
from waveflow.domain.mixing import Mix
from waveflow.domain.pixels import Pixels
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

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        if extras.dat is not None:
            with extras.dat.destination.open("xb") as file:
                file.write(b"half")
        value = self._obey(source)
        if not isinstance(value, int):
            return value  # type: ignore[no-any-return]  # that's the point
        return _analysis(value, num_peaks)

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        with destination.open("xb") as file:
            file.write(b"half")
            file.flush()
            frames = [self._obey(source) for source in sources]
            file.write(b" and half")
        return Mix(Waveform(np.zeros(num_peaks), sum(frames), 8_000, Pixels.laid_out(0, 1)), 1.0)

    def _obey(self, source: Path) -> Any:
        line = source.read_text()
        command, _, number = line.partition(" ")
        self._note(f"begins {line}")
        value = _COMMANDS[command](float(number) if number else 0.0, source)
        self._note(f"ends {line}")
        if value is _DIE:
            os.abort()
        return value

    def _note(self, line: str) -> None:
        if self.trace is not None:
            with self.trace.open("a") as file:
                file.write(line + "\n")


_DIE = "die"


def _analysis(frames: int, num_peaks: int) -> Analysis:
    waveform = Waveform(np.zeros(num_peaks), frames, 8_000, Pixels.laid_out(0, 1))
    return Analysis(waveform, AudioFormat(Container.WAV, Encoding.PCM_16), 1)


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


def _crash_fork_server_once(number: float, source: Path) -> int:
    tried = source.with_name(f"{source.name} was tried")
    if not tried.exists():
        tried.touch()
        _kill_fork_server(number, source)
    return int(number)


def _stop(_: float, __: Path) -> int:
    signal.raise_signal(signal.SIGSTOP)
    return 7


def _answer_slowly(number: float, _: Path) -> int:
    time.sleep(0.1)
    return int(number)


def _meet(count: float, source: Path) -> int:
    """Wait until so many processes do this in the same folder, and so at the same time."""
    source.with_name(f"here is {os.getpid()}").touch()
    while len(list(source.parent.glob("here is *"))) < count:
        time.sleep(0.005)
    return os.getpid()


def _write_at(offset: float, source: Path) -> int:
    """One byte at a place far out: the file has a hole, and takes no room."""
    with source.with_name("far").open("wb") as file:
        return os.pwrite(file.fileno(), b"x", int(offset))


def _write_endlessly(_: float, source: Path) -> int:
    with source.with_name("endless").open("wb", buffering=0) as file:
        while True:
            with suppress(OSError):  # as C code that doesn't look at what `write` returns
                file.write(bytes(1 << 16))


def _connect(port: float, _: Path) -> int:
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=5.0).close()
    except OSError as error:
        return error.errno or -1
    return 0


def _refusal_of(do: Callable[[], object]) -> Callable[[float, Path], int]:
    """0 when that can be done, else the number of the error."""

    def attempt(_: float, __: Path) -> int:
        try:
            do()
        except OSError as error:
            return error.errno or -1
        return 0

    return attempt


def _trying(make: Callable[[Path, Path], object]) -> Callable[[float, Path], int]:
    """As `_refusal_of`, with a name beside the source, and one in a folder beside it."""

    def attempt(_: float, source: Path) -> int:
        beside, elsewhere = source.with_name("made"), source.parent / "other" / "made"
        return _refusal_of(lambda: make(beside, elsewhere))(0.0, source)

    return attempt


def _fork() -> None:
    if os.fork() == 0:
        signal.pause()


def _open_a_pair() -> None:
    for each in socket.socketpair():
        each.close()


def _start_threads(count: float, _: Path) -> int:
    ended: list[int] = []
    threads = [Thread(target=ended.append, args=[1]) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(ended)


def _read_environment(pid: float, _: Path) -> int:
    """0 when another process's environment can be read without a superuser's rights."""
    if os.getuid() == 0:
        os.setresuid(65_534, 65_534, 65_534)
    try:
        Path(f"/proc/{int(pid)}/environ").read_bytes()
    except OSError as error:
        return error.errno or -1
    return 0


def _kill_fork_server(_: float, source: Path) -> int:
    os.kill(os.getppid(), signal.SIGKILL)
    return _pause(_, source)


def _answer_by_itself(content: Callable[[], bytes]) -> Callable[[float, Path], int]:
    """Write this to the parent, past the code that should answer; then hang."""

    def answer(_: float, source: Path) -> int:
        for descriptor in range(3, 256):
            with suppress(OSError):
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    os.write(descriptor, content())
        return _pause(_, source)

    return answer


class _RunsInItsReader:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("import os; os.environ['TAKEN_OVER'] = 'yes'",)


def _framed(content: bytes) -> bytes:
    return len(content).to_bytes(8, "big") + content


_COMMANDS: dict[str, Callable[[float, Path], Any]] = {
    "answer": lambda number, _: int(number),
    "pid": lambda _, __: os.getpid(),
    "memory-limit": lambda _, __: resource.getrlimit(resource.RLIMIT_AS)[0],
    "cpu-limit": lambda _, __: resource.getrlimit(resource.RLIMIT_CPU)[0],
    "blas-threads": lambda _, __: int(os.environ["OPENBLAS_NUM_THREADS"]),
    "print": lambda _, __: os.write(1, b"forged\n") + os.write(2, b"forged\n"),
    "outputs-to-nowhere": lambda _, __: sum(
        os.fstat(number).st_rdev == Path(os.devnull).stat().st_rdev for number in (1, 2)
    ),
    "file-limit": lambda _, __: resource.getrlimit(resource.RLIMIT_FSIZE)[0],
    "core-limit": lambda _, __: resource.getrlimit(resource.RLIMIT_CORE)[1],
    "write-at": _write_at,
    "write-endlessly": _write_endlessly,
    "connect": _connect,
    "run-program": _refusal_of(lambda: subprocess.run(["/bin/true"], check=True)),
    "become-a-program": _refusal_of(lambda: os.execv("/bin/true", ["true"])),
    "make-link": _trying(lambda beside, _: beside.symlink_to("/proc/self/environ")),
    "make-pipe": _trying(lambda beside, _: os.mkfifo(beside)),
    "make-second-name": _trying(lambda beside, elsewhere: beside.hardlink_to(elsewhere)),
    "move-away": _trying(lambda beside, elsewhere: elsewhere.rename(beside)),
    "fork": _refusal_of(_fork),
    "open-a-pair": _refusal_of(_open_a_pair),
    "start-threads": _start_threads,
    "read-environment": _read_environment,
    "answer-slowly": _answer_slowly,
    "meet": _meet,
    "stop": _stop,
    "kill-fork-server-once": _crash_fork_server_once,
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
    "huge": lambda _, __: _analysis(7, num_peaks=1 << 18),
    "answer-by-itself": _answer_by_itself(lambda: _framed(pickle.dumps(_RunsInItsReader()))),
    "answer-garbage": _answer_by_itself(lambda: _framed(b'{"value": {"waveform": 7}}')),
    "answer-a-nest": _answer_by_itself(lambda: _framed(b"[" * 100_000)),
    "answer-without-end": _answer_by_itself(lambda: (1 << 40).to_bytes(8, "big")),
    "answer-in-part": _answer_by_itself(lambda: _framed(b'{"value": []}')[:-4]),
    "answer-half-a-size": _answer_by_itself(lambda: b"\0\0\0"),
}
