"""So many in a second, moments on the command line, and asking before much is done."""

from __future__ import annotations

import io

import click
import pytest

from tests.support.workshop import FakeClock
from waveflow.entrypoints.cli.moments import MOMENT, unix_s_of
from waveflow.entrypoints.cli.pace import Pace
from waveflow.entrypoints.cli.questions import confirm


def test_things_are_spaced_out_and_lost_time_is_not_made_up_for() -> None:
    time, pauses = FakeClock(), list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(round(seconds, 6))
        time.advance(seconds)

    pace = Pace(4.0, time.as_clock(), sleep)
    for _ in range(3):
        pace.wait()
    time.advance(60.0)
    for _ in range(2):
        pace.wait()
    assert pauses == [0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("text", "unix_s"),
    [
        ("2024-01-01", 1704067200.0),
        ("2024-01-01T10:00", 1704103200.0),
        ("2024-01-01T10:00:00Z", 1704103200.0),
        ("2024-01-01T10:00:00.5+01:00", 1704099600.5),
    ],
)
def test_a_moment_is_in_utc_unless_it_says_otherwise(text: str, unix_s: float) -> None:
    assert MOMENT.convert(text, None, None) == unix_s


@pytest.mark.parametrize("text", ["", "yesterday", "10:00", "2024-13-01"])
def test_what_is_no_moment_is_wrong_usage(text: str) -> None:
    assert unix_s_of(text) is None
    with pytest.raises(click.UsageError, match="2026-11-22T01:40"):
        MOMENT.convert(text, None, None)


class Terminal(io.StringIO):
    """Standard input, with somebody at it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "may"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_whoever_sits_at_a_terminal_is_asked(
    monkeypatch: pytest.MonkeyPatch, answer: str, may: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert confirm("Send 6?", asks=True, yes=False) is may


def test_a_log_on_standard_input_leaves_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal("y\n")
    monkeypatch.setattr("sys.stdin", terminal)
    with pytest.raises(click.UsageError, match="say --yes"):
        confirm("Send 6?", asks=True, yes=False, piped=terminal)


def test_nobody_is_asked_who_has_said_yes_or_about_a_handful(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert confirm("Send 6?", asks=True, yes=True)
    assert confirm("Send 1?", asks=False, yes=False)
