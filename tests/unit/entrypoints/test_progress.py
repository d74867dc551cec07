"""Progress: what a terminal shows, that others see nothing, and what counts as read."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stderr
from pathlib import Path
from typing import Any

import click
import pytest

from tests.support.processes import eventually
from waveflow.entrypoints.cli import reading as reading_module
from waveflow.entrypoints.cli.progress import busy, bytes_bar, counted, reached_bar
from waveflow.entrypoints.cli.reading import bytes_read, reading
from waveflow.entrypoints.cli.terminal import can_move, wants_colour


class Screen(io.StringIO):
    """A terminal that keeps what it is sent."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal of 100 columns, to be put in the place of standard error."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Screen()


KINDS: list[Callable[[], AbstractContextManager[Any]]] = [
    lambda: busy("Doing it"),
    lambda: bytes_bar("Doing it", 10),
    lambda: reached_bar("Doing it", 10),
    lambda: counted("Doing it", 10),
    lambda: counted("Doing it"),
    lambda: reading("Doing it", [Path(__file__)]),
]
each_kind = pytest.mark.parametrize("kind", KINDS)


class TestWhereItShows:
    @each_kind
    def test_a_terminal_says_what_is_being_done_and_is_cleaned_up(
        self, screen: Screen, kind: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        with redirect_stderr(screen), kind() as advance:
            if advance is not None:
                advance(3)
        assert "Doing it" in screen.getvalue()
        # The last word is to rub the line out.
        assert screen.getvalue().rstrip().endswith(("\x1b[2K", "\x1b[?25h"))

    @each_kind
    @pytest.mark.parametrize("variable", [("TERM", "dumb"), ("TERM", "unknown")])
    def test_a_terminal_that_can_not_rub_out_shows_nothing(
        self,
        screen: Screen,
        monkeypatch: pytest.MonkeyPatch,
        kind: Callable[[], AbstractContextManager[Any]],
        variable: tuple[str, str],
    ) -> None:
        monkeypatch.setenv(*variable)
        with redirect_stderr(screen), kind() as advance:
            if advance is not None:
                advance(3)
        assert screen.getvalue() == ""

    @each_kind
    def test_a_file_gets_nothing_even_when_colours_are_forced(
        self,
        monkeypatch: pytest.MonkeyPatch,
        kind: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        file = io.StringIO()
        with redirect_stderr(file), kind():
            pass
        assert file.getvalue() == ""

    @each_kind
    def test_with_json_nobody_is_meant_to_look(
        self, screen: Screen, kind: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        context = click.Context(click.Command("analyze"))
        context.params["as_json"] = True
        with redirect_stderr(screen), context, kind():
            pass
        assert screen.getvalue() == ""


class TestWhatItShows:
    def test_bytes_are_shown_with_their_sum(self, screen: Screen) -> None:
        with redirect_stderr(screen), bytes_bar("Hashing", 4_000_000) as advance:
            advance(1_000_000)
            advance(2_000_000)
        assert "3.0/4.0 MB" in screen.getvalue()

    def test_a_count_is_shown_with_its_sum_if_that_is_known(self, screen: Screen) -> None:
        with redirect_stderr(screen), counted("Compiling kernels", 20) as advance:
            advance(7)
        assert " 7/20" in screen.getvalue()
        with redirect_stderr(screen), counted("stems hashed") as advance:
            advance(3)
        assert "3/?" in screen.getvalue()

    def test_a_name_with_brackets_is_shown_as_it_is(self, screen: Screen) -> None:
        with redirect_stderr(screen), busy("Analysing take [red].wav"):
            pass
        assert "take [red].wav" in screen.getvalue()

    def test_a_narrow_terminal_gets_a_percentage_beside_what_fits_of_the_name(
        self, screen: Screen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        with redirect_stderr(screen), bytes_bar("아주 긴 이름의 노래 " * 5, 4) as advance:
            advance(1)
        assert "아주 긴 이름의 노래 아주 긴 이름…" in screen.getvalue()
        assert " 25%" in screen.getvalue()

    def test_a_narrow_terminal_that_is_not_told_the_end_gets_a_spinner(
        self, screen: Screen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        with redirect_stderr(screen), counted("stems hashed") as advance:
            advance(1)
        assert "stems hashed" in screen.getvalue()

    def test_a_long_name_leaves_the_bar_its_room(self, screen: Screen) -> None:
        with redirect_stderr(screen), bytes_bar("x" * 200, 4) as advance:
            advance(1)
        assert "x…" in screen.getvalue()
        assert "/4 bytes" in screen.getvalue()


class TestReading:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "song.wav"
        path.write_bytes(bytes(5_000_000))
        return path

    def test_what_was_read_of_a_file_counts_where_the_slower_reader_is(self, file: Path) -> None:
        status = file.stat()
        identity = [(status.st_dev, status.st_ino)]
        assert bytes_read(identity) == 0
        with file.open("rb", buffering=0) as fast, file.open("rb", buffering=0) as slow:
            fast.seek(4_000_000)
            slow.seek(1_000_000)
            assert bytes_read(identity) == 1_000_000
            slow.close()
            assert bytes_read(identity) == 4_000_000
        assert bytes_read(identity) == 0

    def test_it_is_shown_while_somebody_reads(self, screen: Screen, file: Path) -> None:
        with (
            redirect_stderr(screen),
            reading("Analysing", [file, file]),
            file.open("rb", buffering=0) as opened,
        ):
            opened.seek(2_000_000)
            assert eventually(lambda: "2.0/5.0 MB" in screen.getvalue())

    def test_where_the_system_tells_nothing_it_only_says_that_it_works(
        self, screen: Screen, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading_module, "_DESCRIPTORS", file.parent / "nowhere")
        with redirect_stderr(screen), reading("Analysing", [file]):
            pass
        assert "Analysing" in screen.getvalue()
        assert "MB" not in screen.getvalue()


class TestTerminal:
    @pytest.mark.parametrize(
        ("environment", "stream", "colour", "moves"),
        [
            ({}, Screen(), True, True),
            ({}, io.StringIO(), False, False),
            ({}, None, False, False),
            ({"NO_COLOR": "1"}, Screen(), False, True),
            ({"NO_COLOR": ""}, Screen(), True, True),
            ({"FORCE_COLOR": "1"}, io.StringIO(), True, False),
            ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, Screen(), False, True),
            ({"TERM": "dumb"}, Screen(), False, False),
            ({"TERM": "dumb", "FORCE_COLOR": "1"}, Screen(), True, False),
        ],
    )
    def test_colours_and_movement_are_for_terminals_that_have_them(
        self,
        monkeypatch: pytest.MonkeyPatch,
        environment: dict[str, str],
        stream: io.StringIO | None,
        colour: bool,
        moves: bool,
    ) -> None:
        for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert wants_colour(stream) is colour
        assert can_move(stream) is moves

    def test_a_closed_stream_has_nobody_before_it(self) -> None:
        closed = io.StringIO()
        closed.close()
        assert not can_move(closed)
