"""Log lines: none makes whoever logs fail or wait, and what is lost is told."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
import structlog

from waveflow.entrypoints.logs import (
    DescriptorLines,
    DirectLog,
    Log,
    QueuedLog,
    configure_logs,
)

SECONDS = 20.0
SOON_S = 0.05


class Stream:
    """Keeps the lines that it is given, unless it is held or fails."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.error: Exception | None = None
        self.entered = Event()
        self.free = Event()
        self.free.set()

    def hold(self) -> None:
        """Let writes not return from now on, like a pipe that is full."""
        self.free.clear()

    def write(self, line: str) -> None:
        self.entered.set()
        assert self.free.wait(SECONDS)
        if self.error:
            raise self.error
        self.lines.append(line)


@contextmanager
def queued(stream: Stream, most_lines: int = 1000) -> Iterator[QueuedLog]:
    log = QueuedLog(stream.write, lambda count: f"{count} lost", most_lines)
    try:
        yield log
    finally:
        stream.free.set()
        log.close(SECONDS)


def put_while_held(log: QueuedLog, stream: Stream, *lines: str) -> None:
    """Put lines of which the first is being written, for ever, and the others wait or are lost."""
    stream.hold()
    for number, line in enumerate(lines):
        log.put(line)
        assert number or stream.entered.wait(SECONDS)


def put_all(log: QueuedLog, lines: list[str]) -> None:
    for line in lines:
        log.put(line)


@pytest.fixture(autouse=True)
def structlog_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class TestQueued:
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_one_whose_thread_has_ended_can_be_told(self) -> None:
        stream = Stream()
        stream.error = RuntimeError("a defect")
        log = QueuedLog(stream.write, lambda count: f"{count} lost")
        assert log.is_alive()
        log.put("one")
        log._thread.join(SECONDS)
        assert not log.is_alive()

    def test_one_that_can_not_be_written_is_alive(self) -> None:
        stream = Stream()
        stream.error = OSError(errno.ENOSPC, "full")
        with queued(stream) as log:
            log.put("one")
            assert log.flush(SECONDS)
            assert log.is_alive()

    def test_lines_are_written_in_their_order(self) -> None:
        stream = Stream()
        with queued(stream) as log:
            for number in range(500):
                log.put(str(number))
            assert log.flush(SECONDS)
            assert stream.lines == [str(number) for number in range(500)]

    def test_nobody_waits_for_a_stream_that_is_stuck(self) -> None:
        stream = Stream()
        with queued(stream, most_lines=3) as log:
            put_while_held(log, stream, *"abcdefg")
            stream.free.set()
            assert log.flush(SECONDS)
            assert stream.lines == ["a", "b", "c", "d", "3 lost"]
            log.put("h")
            assert log.flush(SECONDS)
            assert stream.lines[5:] == ["h"]
            assert log.lost_lines() == 3

    @pytest.mark.parametrize(
        "error", [BrokenPipeError(), OSError(errno.ENOSPC, "full"), ValueError("closed")]
    )
    def test_what_can_not_be_written_is_counted_until_something_can(self, error: Exception) -> None:
        stream = Stream()
        with queued(stream) as log:
            stream.error = error
            log.put("a")
            log.put("b")
            assert log.flush(SECONDS)
            stream.error = None
            log.put("c")
            assert log.flush(SECONDS)
            assert stream.lines == ["c", "2 lost"]
            assert log.lost_lines() == 2

    def test_what_is_lost_while_the_loss_is_told_is_told_next(self) -> None:
        stream = Stream()
        lost: list[int] = []

        def describe(count: int) -> str:
            lost.append(count)
            stream.error = OSError() if len(lost) == 1 else None
            return f"{count} lost"

        log = QueuedLog(stream.write, describe)
        stream.error = OSError()
        log.put("a")
        assert log.flush(SECONDS)
        for line in "bcd":
            stream.error = None
            log.put(line)
            assert log.flush(SECONDS)
        assert log.close(SECONDS)
        assert stream.lines == ["b", "c", "1 lost", "d"]
        assert log.lost_lines() == 1

    def test_a_flush_waits_no_longer_than_it_is_told(self) -> None:
        stream = Stream()
        with queued(stream) as log:
            put_while_held(log, stream, "a")
            assert not log.flush(SOON_S)
            assert not log.close(SOON_S)

    def test_a_closed_log_writes_what_waits_and_ends_its_thread(self) -> None:
        stream = Stream()
        with queued(stream) as log:
            put_while_held(log, stream, "a", "b")
            assert not log.close(0.0)
            stream.free.set()
            assert log.flush(SECONDS)
            assert stream.lines == ["a", "b"]

    def test_threads_share_it(self) -> None:
        stream = Stream()
        with queued(stream, most_lines=100_000) as log:
            threads = [
                Thread(target=put_all, args=(log, [f"{name} {n}" for n in range(500)]))
                for name in "abcdefgh"
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert log.flush(SECONDS)
        for name in "abcdefgh":
            mine = [line for line in stream.lines if line.startswith(name)]
            assert mine == [f"{name} {n}" for n in range(500)]

    def test_no_line_is_lost_uncounted_when_threads_fill_it(self) -> None:
        stream = Stream()
        with queued(stream, most_lines=50) as log:
            put_while_held(log, stream, "first")
            threads = [Thread(target=put_all, args=(log, ["line"] * 300)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            stream.free.set()
            assert log.flush(SECONDS)
        assert stream.lines == ["first", *["line"] * 50, f"{6 * 300 - 50} lost"]


def test_a_line_that_can_not_be_written_fails_no_command() -> None:
    stream = Stream()
    log = DirectLog(stream.write)
    for error in (BrokenPipeError(), OSError(errno.ENOSPC, "full"), ValueError("closed")):
        stream.error = error
        log.put("lost")
    stream.error = None
    log.put("a")
    assert stream.lines == ["a"]
    assert log.lost_lines() == 3
    assert log.close(0.0)


class TestDescriptor:
    def test_lines_are_written_past_every_buffer(self, tmp_path: Path) -> None:
        with (tmp_path / "log").open("w") as file:
            lines = DescriptorLines(file.fileno(), "ascii")
            lines.write("드럼.wav")
            lines.write("b")
            assert (tmp_path / "log").read_text() == "\\ub4dc\\ub7fc.wav\nb\n"

    def test_a_line_that_was_cut_off_does_not_spoil_the_next(self) -> None:
        reading, writing = os.pipe()
        try:
            # A pipe that takes part of a line and then says no, as a disk that fills up does.
            size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
            os.set_blocking(writing, False)
            lines = DescriptorLines(writing, "utf-8")
            with pytest.raises(BlockingIOError):
                lines.write("a" * (size + 1))
            with pytest.raises(BlockingIOError):
                lines.write("lost")
            assert os.read(reading, size) == b"a" * size
            lines.write("b")
            lines.write("c")
            assert os.read(reading, size) == b"\nb\nc\n"
        finally:
            os.close(reading)
            os.close(writing)


class TestConfiguration:
    def log_to(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, format_: str, *, is_queued: bool = False
    ) -> Log:
        monkeypatch.setattr(sys, "stderr", path.open("w"))
        return configure_logs("info", format_, queued=is_queued)

    @pytest.mark.parametrize("is_queued", [False, True])
    def test_every_level_is_one_line_of_json(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_queued: bool
    ) -> None:
        path = tmp_path / "log"
        log = self.log_to(path, monkeypatch, "json", is_queued=is_queued)
        with sys.stderr:
            logger = structlog.get_logger()
            for level in ("debug", "info", "warning", "error", "critical"):
                getattr(logger, level)("drums", key="드럼\n.wav")
            logger.exception("late", exc_info=ValueError("no"))
            assert log.close(SECONDS)
        logged = [json.loads(line) for line in path.read_text().splitlines()]
        levels = ["info", "warning", "error", "critical", "error"]
        assert [each["level"] for each in logged] == levels
        assert logged[0].items() >= {"event": "drums", "key": "드럼\n.wav"}.items()
        assert logged[-1]["exception"][0]["exc_value"] == "no"

    @pytest.mark.parametrize("format_", ["json", "console"])
    def test_a_loss_is_told_in_the_same_format(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
    ) -> None:
        path = tmp_path / "log"
        log = self.log_to(path, monkeypatch, format_, is_queued=True)
        assert isinstance(log, QueuedLog)
        with sys.stderr:
            log._lost = 7
            structlog.get_logger().info("drums")
            assert log.close(SECONDS)
        _, loss = path.read_text().splitlines()
        if format_ == "json":
            told = json.loads(loss)
            assert told.pop("timestamp").endswith("Z")
            assert told == {"event": "log_lines_lost", "count": 7, "level": "warning"}
        else:
            assert "warning" in loss
            assert "log_lines_lost" in loss
            assert "count=7" in loss

    def test_standard_error_may_be_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stderr", None)
        for format_ in ("json", "console"):
            configure_logs("info", format_)
            structlog.get_logger().info("drums")

    def test_one_without_a_descriptor_is_written_to_as_it_is(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logs("info", "json")
        structlog.get_logger().info("drums")
        assert json.loads(capsys.readouterr().err)["event"] == "drums"

    @pytest.mark.parametrize("is_queued", [False, True])
    def test_a_reader_that_has_gone_is_no_error(
        self, monkeypatch: pytest.MonkeyPatch, is_queued: bool
    ) -> None:
        reading, writing = os.pipe()
        with open(writing, "w") as stream:  # noqa: PTH123
            monkeypatch.setattr(sys, "stderr", stream)
            log = configure_logs("info", "json", queued=is_queued)
            os.close(reading)
            structlog.get_logger().info("drums")
            assert log.close(SECONDS)


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_traceback_holds_no_values_of_local_variables(
    capfd: pytest.CaptureFixture[str], format_: str
) -> None:
    def sign(secret: str) -> None:
        raise ZeroDivisionError("defect")

    configure_logs("info", format_)
    try:
        sign("whsec_" + "very" + "secret")
    except ZeroDivisionError as error:
        structlog.get_logger().error("defect", exc_info=error)
    finally:
        structlog.reset_defaults()
    logged = capfd.readouterr().err
    assert "ZeroDivisionError" in logged
    assert "verysecret" not in logged
