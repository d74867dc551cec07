"""What `waveflow resend` says, to people as it happens and to scripts at the end."""

from __future__ import annotations

from typing import Any

import click
from attrs import Factory, define

from waveflow.entrypoints.cli.moments import unix_s_of
from waveflow.entrypoints.cli.output import print_json
from waveflow.entrypoints.cli.resend.told_events import Told, hash_checks
from waveflow.entrypoints.printable import printable

_FAILED, _TRY_LATER = 1, 3
_TAKEN_WITH_ERROR = "The server took it, but its answer says that its handler failed."


@define
class Report:
    """What became of each webhook.

    Attributes:
        dry_run: whether they are only shown.
    """

    as_json: bool
    dry_run: bool
    webhooks: list[dict[str, Any]] = Factory(list)
    problems: list[dict[str, str]] = Factory(list)
    is_away: bool = False
    _undelivered: list[Told] = Factory(list)
    _is_broken_off: bool = False

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_broken_off:
            since = min((told.told_at or "" for told in self._undelivered), key=_unix_s)
            how = f" Go on with --since {printable(since)}." if since else ""
            click.echo(f"waveflow: The server is away; the rest was not tried.{how}", err=True)
        if self.as_json:
            name = "would_send" if self.dry_run else "sent"
            print_json({name: self.webhooks, "problems": self.problems})
        else:
            said = "To be sent" if self.dry_run else "Sent"
            click.echo(f"{said}: {len(self.webhooks)}. Problems: {len(self.problems)}.")

    @property
    def exit_code(self) -> int:
        """1 when something was not sent, 3 when because the server is away."""
        return _TRY_LATER if self.is_away else _FAILED if self.problems else 0

    def sort(self, found: list[Told]) -> list[Told]:
        """Those that can be sent; the others are problems."""
        if count := hash_checks(found):
            click.echo(
                f"waveflow: {count} of them are /hash-check: a server that doesn't keep webhook"
                " ids makes a second category and a second analysis of each.",
                err=True,
            )
        for told in found:
            if told.problem:
                self.failed(told, told.problem)
        sendable = [told for told in found if not told.problem]
        if self.dry_run:
            for told in sendable:
                self.sent(told)
            return []
        return sendable

    def sent(self, told: Told, *, has_error: bool = False) -> None:
        """It was delivered, or would be sent."""
        self._undelivered.clear()
        self.webhooks.append(_facts(told))
        if not self.as_json:
            when = f"  (first told {told.told_at})" if told.told_at else ""
            click.echo(printable(f"{told.webhook_id}  {told.endpoint}  {told.about}{when}"))
        if has_error:
            self.failed(told, _TAKEN_WITH_ERROR)

    def failed(self, told: Told, problem: str, *, away: bool = False) -> None:
        """It was not delivered."""
        self.is_away = self.is_away or away
        if away:
            self._undelivered.append(told)
        self.problems.append(_facts(told) | {"problem": problem})
        if not self.as_json:
            name = printable(told.webhook_id) or "a webhook"
            click.echo(f"waveflow: {name}: {printable(problem)}", err=True)

    def not_tried(self, told: Told) -> None:
        """The server was away before it came to this."""
        self._undelivered.append(told)
        self._is_broken_off = True
        self.problems.append(_facts(told) | {"problem": "It was not tried any more."})


def _unix_s(moment: str) -> float:
    return unix_s_of(moment) or 0.0


def _facts(told: Told) -> dict[str, str]:
    return {"webhook_id": told.webhook_id, "endpoint": told.endpoint, "about": told.about}
