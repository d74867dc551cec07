"""Showing that something takes its time, and how far it has come: on a terminal only.

All of it goes to standard error. Nothing is shown elsewhere, nothing with `--json`, and rich, which
draws it, isn't even imported then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from waveflow.entrypoints.cli.terminal import can_move
from waveflow.entrypoints.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

_NARROW = 80
"""Terminals with fewer columns get a percentage and no bar."""
_BAR_WIDTH = 20
_COLUMNS_WIDTH, _PERCENT_WIDTH, _SPINNER_WIDTH = 60, 6, 3

Advance = Callable[[int], None]
"""Is told how much more is done; may be called from any thread."""
Reach = Callable[[int], None]
"""Is told how much is done by now, likewise."""


def is_watched() -> bool:
    """Whether somebody sees how far a command has come."""
    context = click.get_current_context(silent=True)
    is_for_programs = context is not None and context.params.get("as_json", False)
    return not is_for_programs and can_move(sys.stderr)


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """Show that something takes its time, when how long isn't known."""
    if not is_watched():
        yield
        return
    terminal = _terminal()
    with terminal.status(_plain(doing, terminal.width - _SPINNER_WIDTH)):
        yield


@contextmanager
def bytes_bar(doing: str, total: int) -> Iterator[Advance]:
    """Show how many bytes are done of `total`, how fast, and how long the rest will take."""
    with _drawn(doing, total, _byte_columns) as (advance, _):
        yield advance


@contextmanager
def reached_bar(doing: str, total: int) -> Iterator[Reach]:
    """The same, told of the byte that is reached, for who can't count."""
    with _drawn(doing, total, _byte_columns) as (_, reach):
        yield reach


@contextmanager
def counted(doing: str, total: int | None = None) -> Iterator[Advance]:
    """Show how many are done, and of how many, and how long the rest will take, if known."""
    with _drawn(doing, total, _count_columns) as (advance, _):
        yield advance


def _count_columns(total: int | None) -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TimeRemainingColumn

    if total:
        return BarColumn(_BAR_WIDTH), MofNCompleteColumn(), TimeRemainingColumn()
    return SpinnerColumn(), MofNCompleteColumn()


def _byte_columns(_: int | None) -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    return BarColumn(_BAR_WIDTH), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()


@contextmanager
def _drawn(
    doing: str, total: int | None, columns: Callable[[int | None], tuple[ProgressColumn, ...]]
) -> Iterator[tuple[Advance, Reach]]:
    if not is_watched():
        yield _nobody_looks, _nobody_looks
        return
    from rich.progress import Progress

    terminal = _terminal()
    room = terminal.width - _COLUMNS_WIDTH
    if terminal.width < _NARROW:
        columns, room = _narrow, terminal.width - _PERCENT_WIDTH
    shown = columns(total)
    with Progress("{task.description}", *shown, console=terminal, transient=True) as progress:
        task = progress.add_task(_plain(doing, room), total=total)
        yield (
            lambda count: progress.advance(task, count),
            lambda place: progress.update(task, completed=place),
        )


def _narrow(total: int | None) -> tuple[ProgressColumn, ...]:
    from rich.progress import SpinnerColumn, TaskProgressColumn

    return (TaskProgressColumn() if total else SpinnerColumn(),)


def _plain(doing: str, room: int) -> str:
    """A file's name may look like rich's own marks, be what a terminal acts on, or be long."""
    from rich.cells import cell_len, set_cell_size
    from rich.markup import escape

    shown = printable(doing)
    if cell_len(shown) > room:
        shown = set_cell_size(shown, room - 1).rstrip() + "…"
    return escape(shown)


def _terminal() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def _nobody_looks(_: int) -> None:
    """What is done is told to nobody."""
