"""What `waveflow again` says: a line for each stem, and what all of it came to."""

from __future__ import annotations

import sys
from collections import Counter
from math import ceil
from typing import Any

import click
from attrs import Factory, define

from waveflow.entrypoints.cli.output import print_facts, print_json
from waveflow.entrypoints.printable import printable

_LISTED_AT_ONCE = 1000
_USD_PER_LIST = _USD_PER_PUT = 0.005 / 1000
_USD_PER_GET = 0.0004 / 1000
_USD_PER_SQS_REQUEST = 0.40 / 1_000_000
"""Amazon's list prices of S3 Standard and SQS in us-east-1 and eu-west-1, 2026."""

_SHOWN_EVERY = 1000
_GETS_OF_A_WORKER = 2
_SQS_OF_A_WORKER = 2


@define
class Report:
    """Counts and tells what becomes of each stem.

    Attributes:
        dry_run: whether messages are only shown.
        listed: keys that were listed; `read`: objects that were read or looked at.
    """

    as_json: bool
    dry_run: bool
    listed: int = 0
    read: int = 0
    counts: Counter[str] = Factory(Counter)

    @property
    def exit_code(self) -> int:
        """1 when a stem that was meant is left out."""
        return 1 if any(self.counts[name] for name in ("gone", "unknown", "refused")) else 0

    def looked_at(self) -> None:
        """One more object was read or looked for; now and then a terminal shows how many."""
        self.read += 1
        if self.read % _SHOWN_EVERY == 0 and sys.stderr.isatty():
            sent = self.counts["to_send" if self.dry_run else "sent"]
            click.echo(f"{self.read} stems looked at, messages for {sent}", err=True)

    def sent(self, stem_id: str, filepath: str, message_id: str | None) -> None:
        """Its message is on the queue, or would be put there."""
        self.counts["to_send" if self.dry_run else "sent"] += 1
        if self.as_json:
            facts = {"stem_id": stem_id, "filepath": filepath}
            print_json(facts | ({} if message_id is None else {"message_id": message_id}))
        else:
            click.echo(printable(f"{stem_id} -> {message_id or '(dry run)'}  {filepath}"))

    def left_out(self, why: str, sentence: str, **facts: str | None) -> None:
        """It gets no message, and `why` counts."""
        self.counts[why] += 1
        if self.as_json:
            print_json({"left_out": why, "problem": sentence} | facts)
        else:
            about = " ".join(filter(None, facts.values()))
            click.echo(f"waveflow: {printable(about)}: {printable(sentence)}", err=True)

    def passed(self, why: str) -> None:
        """It wasn't meant, or was sent before."""
        self.counts[why] += 1

    def tell_sums(self) -> None:
        """Say what all of it came to."""
        sums: dict[str, Any] = dict(self.counts)
        if self.dry_run:
            sums |= self._costs()
        if self.as_json:
            print_json({"sums": sums})
            return
        click.echo()
        told = {
            name.replace("_", " "): f"{value:.6f}" if isinstance(value, float) else value
            for name, value in sums.items()
        }
        print_facts(told or {"sent": 0})

    def _costs(self) -> dict[str, Any]:
        messages = self.counts["to_send"]
        lists = ceil(self.listed / _LISTED_AT_ONCE)
        ours_usd = (
            lists * _USD_PER_LIST + self.read * _USD_PER_GET + messages * _USD_PER_SQS_REQUEST
        )
        theirs_usd = messages * (
            _GETS_OF_A_WORKER * _USD_PER_GET
            + _USD_PER_PUT
            + _SQS_OF_A_WORKER * _USD_PER_SQS_REQUEST
        )
        return {
            "list_requests": lists,
            "get_requests": self.read,
            "sqs_requests": messages,
            "cost_usd": round(ours_usd, 6),
            "workers_cost_usd": round(theirs_usd, 6),
        }
