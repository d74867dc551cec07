"""`waveflow queue redrive`: puts messages that were given up back on the queue."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from attrs import Factory, define, frozen

from waveflow.domain.errors import LeaseLost, QueueUnavailable
from waveflow.entrypoints.cli.output import json_option, print_json, wired
from waveflow.entrypoints.cli.queue.access import dead_letters_of, facts_of, require_sqs
from waveflow.entrypoints.cli.whole_numbers import WholeNumber
from waveflow.entrypoints.printable import printable

if TYPE_CHECKING:
    from waveflow.adapters.queue.sqs_dead_letters import SqsDeadLetters
    from waveflow.adapters.queue.sqs_letter import DeadLetter
    from waveflow.entrypoints.container import Container

WHAT_CHANGES = """\
To SQS a re-driven message is a new one, with a new id and a new timestamp. So
  - its results get new object names; those of earlier tries stay where they are,
  - its webhooks get new ids: the main server can't recognise them as repetitions,
  - its retries start over.
"""

_TOO_MANY_FAILURES = 3

_DEFERRED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What people and machines end a command with; the last one when its terminal goes away."""


@frozen
class _Wanted:
    """What is to be re-driven: the letters of these ids, or without any, up to `limit`."""

    ids: tuple[str, ...]
    limit: int | None
    force: bool


@click.command(short_help="Put dead letters back on the queue.")
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="MESSAGE_ID",
    help="This one, by its id as a dead letter or its original id. Can be given several times.",
)
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("--limit", type=WholeNumber(1), help="With --all: how many at most.")
@click.option("--force", is_flag=True, help="Messages that will fail again at once, too.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@click.pass_context
def redrive(
    context: click.Context,
    ids: tuple[str, ...],
    everything: bool,
    limit: int | None,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Put dead letters back on the queue, as their sender sent them.

    A message is sent before its dead letter is deleted, so a crash leaves it twice rather than
    never; whoever interrupts the command waits for the letter at hand. Exit 1 when one of them
    could not be re-driven.

    \b
    Examples:
      waveflow queue redrive --id 2f6a9c1e-8e0b-4a55-9d0f-3f6f1b1f7a11
      waveflow queue redrive --all --limit 100 --yes --json
    """
    _require_choice(ids, everything=everything, limit=limit)
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: say --yes.")
    with wired(require_sqs()) as container, dead_letters_of(container) as borrowed:
        question = _question(borrowed, ids, limit)
        click.echo(WHAT_CHANGES, err=True)
        if not yes and not click.confirm(question, err=True):
            click.echo("Nothing was re-driven.", err=True)
            context.exit(1)
        report = _Report(as_json)
        with report:
            _redrive(container, borrowed, _Wanted(ids, limit, force), report)
    context.exit(1 if report.problems else 0)


def _require_choice(ids: tuple[str, ...], *, everything: bool, limit: int | None) -> None:
    if bool(ids) == everything:
        raise click.UsageError("Say which: --id MESSAGE_ID (several times, if need be) or --all.")
    if ids and limit is not None:
        raise click.UsageError("--limit goes with --all only.")


def _question(borrowed: SqsDeadLetters, ids: tuple[str, ...], limit: int | None) -> str:
    # Asked before anything is borrowed: however long the answer takes, no loan runs out.
    if ids:
        return f"Re-drive {len(ids)} of the dead letters in {borrowed.url}?"
    upto = "all" if limit is None else f"up to {limit} of the"
    return f"Re-drive {upto} dead letters in {borrowed.url} (about {borrowed.facts().visible})?"


def _redrive(
    container: Container, borrowed: SqsDeadLetters, wanted: _Wanted, report: _Report
) -> None:
    from waveflow.adapters.queue.sqs_dead_letters import DeadLetterKept
    from waveflow.entrypoints.cli.task_form import problem_of

    clock, missing = container.clock(), set(wanted.ids)
    absent = "It is not among the dead letters, or somebody else is looking at it."
    for letter in _chosen(borrowed, wanted, missing):
        now_s = clock.unix_s()
        problem = None if wanted.force else problem_of(letter.body, container.parser(), now_s)
        if problem:
            advice = "send it anew, or re-drive it with --force"
            report.failed(letter.message_id, f"It would fail again at once; {advice}. {problem}")
            report.tell()
            continue
        try:
            with _signals_deferred():
                _put_back(borrowed, letter, now_s, report)
        except DeadLetterKept:
            # Whoever may not delete dead letters would soon have each of them twice.
            absent = "It was not tried any more."
            break
        report.tell()
    for message_id in sorted(missing):
        report.failed(message_id, absent)


def _chosen(borrowed: SqsDeadLetters, wanted: _Wanted, missing: set[str]) -> Iterator[DeadLetter]:
    """The letters that are wanted; their ids are taken out of `missing`."""
    for letter in borrowed.letters(wanted.limit):
        named = missing & {letter.message_id, letter.original_message_id}
        missing -= named
        if named or not wanted.ids:
            yield letter
        if wanted.ids and not missing:
            return


def _put_back(borrowed: SqsDeadLetters, letter: DeadLetter, now_s: float, report: _Report) -> None:
    from waveflow.adapters.queue.sqs_dead_letters import DeadLetterKept

    facts = facts_of(letter, now_s)
    try:
        borrowed.redrive(letter, lambda new_message_id: report.done(facts, new_message_id))
    except DeadLetterKept as error:
        report.failed(letter.message_id, str(error))
        raise
    except (LeaseLost, QueueUnavailable) as error:
        report.failed(letter.message_id, str(error))
        report.failures_in_a_row += 1
        # One letter may be to blame, as one that is too large for the queue; not several.
        if report.failures_in_a_row == _TOO_MANY_FAILURES:
            raise
    else:
        report.failures_in_a_row = 0


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Let signals wait until the block has ended: within it a letter is there twice.

    Not by a mask of the main thread: other threads would take the signals, and Python runs their
    handlers in the main thread all the same.
    """
    came: deque[int] = deque()
    handlers = {number: signal.getsignal(number) for number in _DEFERRED}
    try:
        for number in _DEFERRED:
            signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        # The first of them: most end the command, here and now.
        if came:
            signal.raise_signal(came.popleft())


@define
class _Report:
    """Tells people what happens as it happens, and scripts at the end, however it comes.

    Nothing is written where a letter is noted: a terminal that is slow to take it, or gone, must
    not come between sending and deleting.
    """

    as_json: bool
    redriven: list[dict[str, Any]] = Factory(list)
    problems: list[dict[str, str]] = Factory(list)
    failures_in_a_row: int = 0
    _untold: deque[tuple[str, bool]] = Factory(deque)

    def __enter__(self) -> _Report:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.tell()
        # Somebody who is told of an outage still has to know what was done before it.
        if kind is not None and not self.redriven + self.problems:
            return
        if self.as_json:
            print_json({"redriven": self.redriven, "problems": self.problems})
        else:
            click.echo(f"Re-driven: {len(self.redriven)}. Problems: {len(self.problems)}.")

    def done(self, facts: dict[str, Any], new_message_id: str) -> None:
        """A letter is on the queue again."""
        kept = ("message_id", "original_message_id", "task", "stemId", "stageId")
        entry = {name: facts[name] for name in kept} | {"new_message_id": new_message_id}
        self.redriven.append(entry)
        if not self.as_json:
            about = " ".join(printable(facts[name]) for name in kept[2:] if facts[name])
            self._untold.append((f"{entry['message_id']} -> {new_message_id}  {about}", False))

    def failed(self, message_id: str, problem: str) -> None:
        """A letter is not on the queue again, or not only there."""
        self.problems.append({"message_id": message_id, "problem": problem})
        if not self.as_json:
            self._untold.append((f"waveflow: {message_id}: {printable(problem)}", True))

    def tell(self) -> None:
        """Write what was noted since the last time."""
        while self._untold:
            line, is_problem = self._untold[0]
            click.echo(line, err=is_problem)
            # Not before: a line that a signal interrupts is written again, rather than never.
            self._untold.popleft()
