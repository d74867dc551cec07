"""Signals end a command wherever they find it, and nothing is lost or left by that."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile

from waveflow.entrypoints.cli import signals


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    """The command's handlers; whoever had these signals before gets them back."""
    numbers = (signal.SIGALRM, signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    signals.install()
    yield
    signals.forget()
    signals.LEFT_WITH.clear()
    for number, handler in before.items():
        signal.signal(number, handler)


def _kill(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def _work_on() -> None:
    """What a command does that takes its time; a signal that was lost shows here."""
    until_s = time.monotonic() + 5
    while time.monotonic() < until_s:
        pass


def test_sigterm_is_an_exit_with_its_code() -> None:
    with pytest.raises(SystemExit, match="143"):
        _kill()
    assert signals.LEFT_WITH == [143]


def test_control_c_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt):
        _kill(signal.SIGINT)
    assert signals.LEFT_WITH == [130]


def test_it_is_not_lost_where_an_object_ends() -> None:
    class Ends:
        def __del__(self) -> None:
            _kill()

    def end() -> None:
        del [Ends()][0]
        _work_on()

    with pytest.raises(SystemExit):
        end()


def test_it_is_not_lost_within_a_decoder_that_reads_through_python(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The decoder would print a traceback, take it for the end of the file, and go on."""
    content = io.BytesIO()
    noise = np.random.default_rng(1).uniform(-1, 1, 100_000)
    soundfile.write(content, noise, 44_100, format="FLAC")

    class Interrupted(io.BytesIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            if self.tell() > 1000 and not signals.LEFT_WITH:
                _kill()
            return super().readinto(buffer)

    def decode() -> None:
        soundfile.read(Interrupted(content.getvalue()))
        _work_on()

    with pytest.raises(SystemExit):
        decode()
    assert capfd.readouterr().err == ""


def test_a_lock_that_was_just_taken_is_let_go() -> None:
    lock = threading.Lock()

    class Signalling:
        acquire, release = lock.acquire, lock.release

        def __enter__(self) -> bool:
            taken = lock.__enter__()
            _kill()
            return taken

        def __exit__(self, *_: object) -> None:
            lock.release()

    with pytest.raises(SystemExit), threading.Condition(Signalling()):  # type: ignore[arg-type]
        _work_on()
    assert not lock.locked()


def test_a_folder_that_is_being_removed_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = TemporaryDirectory(dir=tmp_path)
    for name in "abc":
        (Path(folder.name) / name).touch()
    unlink = os.unlink

    def interrupted(*arguments: object, **named: object) -> None:
        _kill()
        unlink(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "unlink", interrupted)

    def clean_up() -> None:
        folder.cleanup()
        _work_on()

    with pytest.raises(SystemExit):
        clean_up()
    assert list(tmp_path.iterdir()) == []


def test_who_puts_signals_off_by_then_gets_it() -> None:
    came: list[int] = []

    class Ends:
        def __del__(self) -> None:
            _kill()

    del [Ends()][0]
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    until_s = time.monotonic() + 5
    while not came and time.monotonic() < until_s:
        time.sleep(0.001)
    assert came == [signal.SIGTERM]


def test_what_is_forgotten_does_not_come() -> None:
    class Ends:
        def __del__(self) -> None:
            _kill()

    del [Ends()][0]
    signals.forget()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    signal.raise_signal(signal.SIGALRM)
    assert signals.LEFT_WITH == [143]
