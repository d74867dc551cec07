"""`waveflow resend`: tells the main server again what it was told before."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from waveflow.adapters.notifier.webhook_url import shown_url
from waveflow.adapters.notifier.wire import ENDPOINTS
from waveflow.domain.errors import ObjectNotFound, PermanentError
from waveflow.entrypoints.cli.moments import MOMENT
from waveflow.entrypoints.cli.output import configured, json_option, require_storage, wired
from waveflow.entrypoints.cli.pace import HANDFUL, Pace, per_second_option
from waveflow.entrypoints.cli.questions import confirm
from waveflow.entrypoints.cli.resend.report import Report
from waveflow.entrypoints.cli.resend.told_events import Choice, Told, require_webhook, told_in

if TYPE_CHECKING:
    from waveflow.entrypoints.container import Container
    from waveflow.entrypoints.settings import Settings

_TOO_MANY_FAILURES = 3


@click.command()
@click.option(
    "--log",
    type=click.File("r", encoding="utf-8", errors="surrogateescape"),
    help="A log of workers, with the webhooks that they delivered; - is standard input.",
)
@click.option("--stem-id", "stem_ids", multiple=True, metavar="ID", help="About this stem.")
@click.option("--stage-id", "stage_ids", multiple=True, metavar="ID", help="About this stage.")
@click.option("--since", type=MOMENT, help="Delivered at this moment or later, as the log says.")
@click.option("--until", type=MOMENT, help="Delivered before this moment.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    type=click.Choice(ENDPOINTS),
    help="Webhooks to this one; without it, all but /hash-check.",
)
@per_second_option("webhooks")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@click.pass_context
def resend(
    context: click.Context,
    log: TextIO | None,
    stem_ids: tuple[str, ...],
    stage_ids: tuple[str, ...],
    since: float | None,
    until: float | None,
    endpoints: tuple[str, ...],
    per_second: float,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send webhooks again that the main server took in and lost.

    With --log from the lines `webhook_delivered` of a worker's JSON log, as journald, Docker or
    CloudWatch give them; they are chosen by the other options. Without it the /completion of one
    stem is made from its newest waveform document. Each has the webhook id and the facts that it
    had, and is signed anew; a server that keeps the ids knows it as a repetition. What a log
    shows cut short is never sent.

    A server that doesn't keep the ids handles each one as if it were new. Today's makes a second
    category and a second analysis of a repeated /hash-check: it is sent only if --endpoint says
    so. What was never taken in needs no command: it is told by the next delivery of its message.

    Exit 1 when one of them could not be sent; 3 when the server is away.

    \b
    Examples:
      waveflow resend --stem-id 0b7c2f6e --dry-run
      waveflow resend --log worker.log --stem-id 0b7c2f6e
      journalctl -t waveflow-a -o cat | waveflow resend --log - \\
          --since 2026-11-22T01:00 --until 2026-11-22T01:40 --endpoint /completion --yes
    """
    choice = Choice(frozenset(stem_ids), frozenset(stage_ids), since, until, frozenset(endpoints))
    _require_source(log, choice)
    settings = configured() if dry_run else require_webhook()
    if log is None:
        require_storage(settings)
    with wired(settings) as container:
        if log is not None:
            found = told_in(log, choice)
        else:
            found = [_told_by_document(container, stem_ids[0])]
        report = Report(as_json, dry_run)
        sendable = report.sort(found)
        if not dry_run:
            question = f"Send {len(sendable)} webhooks to {_server(settings)} again?"
            if not confirm(question, asks=len(sendable) > HANDFUL, yes=yes, piped=log):
                click.echo("Nothing was sent.", err=True)
                context.exit(1)
        if settings.notifier == "webhook":
            click.echo(f"waveflow: Webhooks go to {_server(settings)}.", err=True)
        with report:
            _send(container, sendable, report, Pace(per_second))
    context.exit(report.exit_code)


def _require_source(log: TextIO | None, choice: Choice) -> None:
    if log is not None:
        return
    if choice.stage_ids or choice.endpoints or choice.is_timed:
        raise click.UsageError(
            "--stage-id, --since, --until and --endpoint choose from a log: name one with --log."
        )
    if len(choice.stem_ids) != 1:
        raise click.UsageError("Say which: --log FILE, or one --stem-id with a waveform document.")


def _server(settings: Settings) -> str:
    """Where webhooks go."""
    if settings.notifier != "webhook" or settings.webhook_url is None:
        return "the console"
    return shown_url(settings.webhook_url, "")


def _told_by_document(container: Container, stem_id: str) -> Told:
    from waveflow.application.analyze_stem import completion
    from waveflow.application.stored_waveforms import newest_waveform, waveform_keys

    storage = container.storage()
    # The newest that can be read, and no older one: the server would take it for the last word.
    each = ([key] for key in waveform_keys(storage, stem_id))
    found = next(filter(None, (newest_waveform(storage, stem_id, keys) for keys in each)), None)
    if found is None:
        raise ObjectNotFound(
            f"No waveform of the stem {stem_id!r} is stored, so there is no /completion to send"
            f" again; `waveflow explain {stem_id}` says what is known of it."
        )
    asked = found.document.request
    if asked is None:
        raise PermanentError(
            f"{found.key!r} doesn't say who asked for it, as documents of earlier versions don't;"
            " take a log (--log FILE), or have the stem analysed again (waveflow again).",
            code="unknown_request",
        )
    return Told.of(completion(stem_id, asked, found.key, found.document))


def _send(container: Container, wanted: list[Told], report: Report, pace: Pace) -> None:
    from waveflow.application.outbox import send_event
    from waveflow.domain.errors import NotifierUnavailable

    notifier, tally, failures = container.notifier(), container.tally(), 0
    for told in wanted:
        if failures == _TOO_MANY_FAILURES:
            report.not_tried(told)
            continue
        pace.wait()
        errors = tally.counts().get("delivered_with_error_body", 0)
        try:
            send_event(notifier, told.event)
        except NotifierUnavailable as error:
            report.failed(told, str(error), away=not error.refused)
            failures = 0 if error.refused else failures + 1
        else:
            failures = 0
            has_error = tally.counts().get("delivered_with_error_body", 0) > errors
            report.sent(told, has_error=has_error)
