"""Webhooks that the main server took in, as a worker's log has them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

import click
from attrs import evolve, frozen

from waveflow.adapters.notifier.wire import HASH_CHECK
from waveflow.domain.errors import InvalidMessage, ObjectNotFound
from waveflow.entrypoints.cli.moments import unix_s_of
from waveflow.entrypoints.cli.output import configured
from waveflow.entrypoints.log_files import LogLine, LogReader
from waveflow.entrypoints.settings import Settings, SettingsError

if TYPE_CHECKING:
    from waveflow.application.events import Event

DELIVERED = "webhook_delivered"
_WEBHOOK_ID = re.compile(r"msg_[!-~]{1,300}\.([a-z-]+)\.[a-z_]+", re.ASCII)


@frozen
class Told:
    """A webhook that was delivered once.

    Attributes:
        about: the stem or the stage.
        told_at: when, ISO 8601; None when it isn't known.
        event: what to send; None when it can't be told from the log.
        problem: why it can't.
    """

    webhook_id: str
    endpoint: str
    about: str
    told_at: str | None = None
    event: Event | None = None
    problem: str | None = None

    @classmethod
    def of(cls, event: Event) -> Told:
        """What `event` would be as a webhook."""
        from waveflow.adapters.notifier.told import request_of

        request = request_of(event)
        return cls(request.event_id, request.endpoint, _subject(request.body), event=event)


@frozen
class Choice:
    """Which webhooks of a log are wanted; what is empty leaves the choice open.

    Attributes:
        since: Unix time in seconds; `until`, too.
    """

    stem_ids: frozenset[str]
    stage_ids: frozenset[str]
    since: float | None
    until: float | None
    endpoints: frozenset[str]

    @property
    def is_timed(self) -> bool:
        """Whether it is a matter of when."""
        return self.since is not None or self.until is not None

    def fits(self, line: LogLine) -> bool:
        """Whether the webhook in that line is wanted."""
        endpoint = line.text("endpoint")
        is_chosen = endpoint in self.endpoints if self.endpoints else endpoint != HASH_CHECK
        return is_chosen and self._fits_subject(line) and self._fits_moment(line)

    def _fits_subject(self, line: LogLine) -> bool:
        if not self.stem_ids | self.stage_ids:
            return True
        return bool(
            {_fact(line, "stem_id", "stemId")} & self.stem_ids
            or {_fact(line, "stage_id", "stageId")} & self.stage_ids
        )

    def _fits_moment(self, line: LogLine) -> bool:
        if not self.is_timed:
            return True
        moment = unix_s_of(line.text("timestamp") or "")
        return (
            moment is not None
            and (self.since is None or moment >= self.since)
            and (self.until is None or moment < self.until)
        )


def told_in(log: TextIO, choice: Choice) -> list[Told]:
    """The webhooks in a log that are wanted, each once, in the order of their last delivery.

    Raises:
        ObjectNotFound: when there is none. The sentence says what there is.
        UsageError: when it is no log, or cut short anywhere.
    """
    reader, found = LogReader(), dict[str, Told]()
    delivered = 0
    try:
        for line in reader.read(log):
            delivered += line.event == DELIVERED
            if line.event == DELIVERED and choice.fits(line):
                told = _told(line)
                found.pop(told.webhook_id, None)
                found[told.webhook_id] = told
    except ValueError as error:
        raise click.UsageError(f"--log: {log.name}: {error}.") from error
    if not reader.events:
        raise click.UsageError(
            f"--log: {log.name} has no log lines of WaveFlow in JSON; LOG_FORMAT=json makes them."
        )
    if reader.damaged:
        click.echo(
            f"waveflow: {reader.damaged} lines of {log.name} are cut short or damaged;"
            " a webhook among them is not sent again.",
            err=True,
        )
    if not found:
        raise ObjectNotFound(
            f"None of the {delivered} webhooks that {log.name} says were delivered is wanted;"
            " compare the ids, times and endpoints (/hash-check has to be named)."
        )
    return list(found.values())


def require_webhook() -> Settings:
    """The settings in the environment, if they say where the server is; it isn't waited for.

    Raises:
        SettingsError: when they don't.
    """
    settings = configured()
    if settings.notifier == "console" and not os.environ.get("WAVEFLOW_NOTIFIER", "").strip():
        raise SettingsError(["WEBHOOK_URL is not set; set it to the address of the main server."])
    return evolve(settings, webhook_patience_s=0.0)


def _told(line: LogLine) -> Told:
    from waveflow.adapters.notifier.told import event_told

    webhook_id, endpoint = line.text("webhook_id") or "", line.text("endpoint") or ""
    body = line.facts.get("body")
    told = Told(webhook_id, endpoint, "", line.text("timestamp"))
    if not isinstance(body, dict):
        return evolve(told, problem="The log line has no body; it can't be sent as it was.")
    told = evolve(told, about=_subject(body))
    if "body_cut" in line.facts:
        return evolve(
            told, problem="Its body was too long for the log; it can't be sent as it was."
        )
    named = _WEBHOOK_ID.fullmatch(webhook_id)
    if named is None or f"/{named[1]}" != endpoint:
        return evolve(told, problem="The log line has no webhook id; it can't be sent as it was.")
    try:
        return evolve(told, event=event_told(endpoint, webhook_id, body))
    except InvalidMessage as error:
        return evolve(told, problem=str(error))


def _fact(line: LogLine, name: str, name_in_body: str) -> str | None:
    body = line.facts.get("body")
    said = body.get(name_in_body) if isinstance(body, dict) else None
    return said if isinstance(said, str) else line.text(name)


def _subject(body: dict[str, Any]) -> str:
    return str(body.get("stemId") or body.get("stageId") or "")


def hash_checks(found: Iterable[Told]) -> int:
    """How many of them are what today's server must not be told twice."""
    return sum(told.endpoint == HASH_CHECK for told in found)
