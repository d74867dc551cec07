"""`waveflow queue`: how full the queue is, and what has been given up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict

from waveflow.entrypoints.cli.output import json_option, print_facts, print_json, wired
from waveflow.entrypoints.cli.progress import busy
from waveflow.entrypoints.cli.queue.access import (
    dead_letters_of,
    duration,
    facts_of,
    require_sqs,
)
from waveflow.entrypoints.cli.queue.redrive import redrive
from waveflow.entrypoints.cli.whole_numbers import WholeNumber
from waveflow.entrypoints.printable import printable

if TYPE_CHECKING:
    from waveflow.adapters.queue.sqs_ages import OldestMessage
    from waveflow.adapters.queue.sqs_facts import QueueFacts
    from waveflow.entrypoints.container import Container


@click.group()
def queue() -> None:
    """The queue of SQS_QUEUE_URL: how full it is, and the messages that were given up.

    \b
    Examples:
      waveflow queue status
      waveflow queue dead-letters
      waveflow queue redrive --all
    """


queue.add_command(redrive)


@queue.command(short_help="Say how many messages wait, and for how long.")
@json_option
def status(as_json: bool) -> None:
    """Say how many messages wait in the queue and among the dead letters, and for how long.

    The counts are approximate, as SQS gives them, and nothing is received. How long the oldest
    message has waited is what CloudWatch last knew (it needs cloudwatch:GetMetricData).

    \b
    Examples:
      waveflow queue status
      waveflow queue status --json
    """
    with wired(require_sqs()) as container, busy("Asking the queue"):
        report = _status(container)
    if as_json:
        print_json(report)
        return
    print_facts(_told("queue", report["queue"]))
    click.echo()
    if report["dead_letter_queue"] is None:
        print_facts({"dead-letter queue": "none; messages that fail for good stay on the queue"})
    else:
        print_facts(_told("dead-letter queue", report["dead_letter_queue"]))


def _status(container: Container) -> dict[str, Any]:
    from waveflow.adapters.queue.sqs import SqsQueue

    main, urls = container.queue(), [container.config.sqs_queue_url()]
    assert isinstance(main, SqsQueue)
    main_facts, dead_facts = main.facts(), None
    if main_facts.dead_letter_queue_url is not None:
        dead_facts = container.dead_letters().facts()
        urls.append(main_facts.dead_letter_queue_url)
    ages = container.queue_ages().of(urls)
    return {
        "queue": _described(urls[0], main_facts, ages[urls[0]]),
        "dead_letter_queue": dead_facts and _described(urls[1], dead_facts, ages[urls[1]]),
    }


def _described(url: str, facts: QueueFacts, oldest: OldestMessage) -> dict[str, Any]:
    return {
        "url": url,
        "visible": facts.visible,
        "in_flight": facts.in_flight,
        "delayed": facts.delayed,
        "visibility_timeout_s": facts.visibility_timeout_s,
        "max_receive_count": facts.max_receive_count,
        "oldest_message": asdict(oldest),
    }


def _told(name: str, said: Mapping[str, Any]) -> dict[str, object]:
    oldest = said["oldest_message"]
    if oldest["age_s"] is None:
        age = f"unknown: {printable(oldest['why_unknown'])}"
    else:
        age = f"{duration(oldest['age_s'])} (at {oldest['measured_at']})"
    return {
        name: said["url"],
        "visible": said["visible"],
        "in flight": said["in_flight"],
        "delayed": said["delayed"],
        "visibility timeout": duration(said["visibility_timeout_s"]),
        "max receive count": said["max_receive_count"],
        "oldest message": age,
    }


@queue.command("dead-letters", short_help="List the messages that were given up.")
@click.option(
    "--limit", type=WholeNumber(1), default=50, show_default=True, help="How many at most."
)
@click.option("--bodies", is_flag=True, help="Show the messages themselves, too.")
@json_option
def dead_letters(limit: int, bodies: bool, as_json: bool) -> None:
    """List the messages that were given up, and why.

    They are borrowed for the moment and given back at the end; what somebody else is looking at
    just now is not shown. "Received too often" are those that SQS moved there by itself: workers
    that took them up crashed or were killed.

    \b
    Examples:
      waveflow queue dead-letters
      waveflow queue dead-letters --limit 500 --json
      waveflow queue dead-letters --bodies --limit 1
    """
    with (
        wired(require_sqs()) as container,
        dead_letters_of(container) as borrowed,
        busy("Looking at the dead letters"),
    ):
        now_s = container.clock().unix_s()
        found = [
            facts_of(letter, now_s) | ({"body": letter.body} if bodies else {})
            for letter in borrowed.letters(limit)
        ]
    if as_json:
        print_json({"dead_letters": found, "limit_reached": len(found) == limit})
        return
    for letter in found:
        _print_letter(letter)
    more = ", the --limit; there may be more" if len(found) == limit else ""
    click.echo(f"{len(found)} dead letter{'' if len(found) == 1 else 's'}{more}.")


def _print_letter(letter: dict[str, Any]) -> None:
    told = letter | {"age_s": duration(letter["age_s"])}
    print_facts(
        {
            name.removesuffix("_s").replace("_", " "): printable(str(value))
            for name, value in told.items()
            if value is not None
        }
    )
    click.echo()
