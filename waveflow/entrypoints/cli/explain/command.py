"""`waveflow explain`: what became of a stem, a stage, a message or an upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click
from attrs import asdict

from waveflow.entrypoints.cli.explain.conclusion import Conclusion, conclude
from waveflow.entrypoints.cli.explain.findings import Inquiry
from waveflow.entrypoints.cli.output import (
    NO_BUCKET,
    configured,
    json_option,
    names_storage,
    print_json,
    wired,
)
from waveflow.entrypoints.cli.progress import busy
from waveflow.entrypoints.printable import printable

if TYPE_CHECKING:
    from waveflow.entrypoints.container import Container
    from waveflow.entrypoints.settings import Settings

_UNKNOWN, _TRY_LATER = 1, 3


@click.command()
@click.argument("what", metavar="ID_OR_KEY")
@click.option(
    "--log",
    type=click.File("r", encoding="utf-8", errors="surrogateescape"),
    help="A log of workers, in JSON; - is standard input.",
)
@click.option("--stem-id", "stem_ids", multiple=True, metavar="ID", help="With a key: the stem's.")
@click.option("--track-id", help="The track in whose ledger to look.")
@json_option
@click.pass_context
def explain(
    context: click.Context,
    what: str,
    log: TextIO | None,
    stem_ids: tuple[str, ...],
    track_id: str | None,
    as_json: bool,
) -> None:
    """Say what happened to a stem or a stage, and what to do about it.

    ID_OR_KEY is the id of a stem, a stage, a message or a webhook, or the key of an upload. Looked
    at are the upload itself and its versions, the ledger, records of removals, waveforms and
    mixes, outcomes that wait to be told, the dead letters, how much is on the queue and, with
    --log, what workers said. What can't be asked, for lack of a right or a setting, is said to be
    unknown. Nothing is changed; dead letters are borrowed for the moment.

    Exit 1 when nothing at all is known of it, 3 when that is because the storage can't be asked.

    \b
    Examples:
      waveflow explain 0b7c2f6e
      waveflow explain "users/u1/projects/t1/stems/드럼 (최종).wav" --stem-id 0b7c2f6e
      journalctl -t waveflow-a -o cat | waveflow explain 0b7c2f6e --log -
    """
    inquiry = Inquiry.about(what)
    inquiry.ids |= set(stem_ids)
    inquiry.track_id = track_id
    settings = configured()
    with wired(settings) as container, busy("Asking"):
        _ask(inquiry, container, settings, log)
    conclusion = conclude(inquiry)
    if as_json:
        _print_json(what, inquiry, conclusion)
    else:
        _print(inquiry, conclusion)
    context.exit(_exit_code(inquiry, conclusion))


def _ask(inquiry: Inquiry, container: Container, settings: Settings, log: TextIO | None) -> None:
    from waveflow.entrypoints.cli.explain.log import LOG, ask_log
    from waveflow.entrypoints.cli.explain.queue import ask_dead_letters, ask_queue
    from waveflow.entrypoints.cli.explain.storage import ask_storage, not_asked

    if log is None:
        inquiry.unknown[LOG] = "No log was given; --log FILE takes one."
    else:
        ask_log(inquiry, log)
    ask_dead_letters(inquiry, container, settings)
    if names_storage(settings):
        history = container.object_history().versions if settings.storage == "s3" else None
        ask_storage(inquiry, container.storage(), history)
    else:
        not_asked(inquiry, NO_BUCKET)
    ask_queue(inquiry, container, settings)


def _exit_code(inquiry: Inquiry, conclusion: Conclusion) -> int:
    from waveflow.entrypoints.cli.explain.storage import UPLOADS, WAVEFORMS

    if conclusion.state != "unknown":
        return 0
    is_silent = any(source.startswith((WAVEFORMS, UPLOADS)) for source in inquiry.unknown)
    return _TRY_LATER if is_silent else _UNKNOWN


def _print(inquiry: Inquiry, conclusion: Conclusion) -> None:
    for finding in inquiry.timeline():
        click.echo(
            printable(f"{finding.at or 'now':<27}  {finding.source:<12}  {finding.sentence}")
        )
    for source, why in inquiry.unknown.items():
        click.echo(printable(f"{'unknown':<27}  {source:<12}  {why}"))
    click.echo()
    click.echo(printable(f"{conclusion.state}: {conclusion.sentence}"))
    for command in conclusion.commands:
        click.echo(printable(f"  {command}"))


def _print_json(what: str, inquiry: Inquiry, conclusion: Conclusion) -> None:
    print_json(
        {
            "about": what,
            "timeline": [asdict(finding) for finding in inquiry.timeline()],
            "unknown": inquiry.unknown,
            **asdict(conclusion),
        }
    )
