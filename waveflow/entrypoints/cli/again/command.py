"""`waveflow again`: has stems analysed anew, one or all below a prefix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waveflow.domain.audio import MAX_PEAKS
from waveflow.domain.errors import ObjectNotFound
from waveflow.entrypoints.cli.again.report import Report
from waveflow.entrypoints.cli.again.run import Run
from waveflow.entrypoints.cli.again.sources import count_rows, of_file, of_stem, of_waveforms
from waveflow.entrypoints.cli.again.state import State
from waveflow.entrypoints.cli.output import (
    FILE,
    configured,
    json_option,
    require_storage,
    wired,
)
from waveflow.entrypoints.cli.pace import HANDFUL, Pace, per_second_option
from waveflow.entrypoints.cli.progress import busy
from waveflow.entrypoints.cli.questions import confirm
from waveflow.entrypoints.cli.queue.access import require_sqs
from waveflow.entrypoints.cli.whole_numbers import WholeNumber

if TYPE_CHECKING:
    from waveflow.application.key_set import KeySet
    from waveflow.application.ports import AudioStorage
    from waveflow.entrypoints.settings import Settings

WHAT_CHANGES = """\
The main server gets a second /completion about each of these stems, with a new webhook id, and the
key of a new waveform in it. The waveforms that are there stay.
"""


@click.command()
@click.argument("where", required=False, metavar="[KEY_OR_PREFIX]")
@click.option("--stem-id", help="One stem; its key is taken from its newest waveform.")
@click.option(
    "--ids", type=FILE, help="A CSV file with the columns stemId and filepath, and more if need be."
)
@click.option(
    "--num-peaks",
    type=WholeNumber(1, MAX_PEAKS),
    help="Peaks of the new waveforms, instead of as many as before.",
)
@per_second_option("messages")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep in this file how far it has come; the same command goes on from there.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent and what it costs.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@click.pass_context
def again(
    context: click.Context,
    where: str | None,
    stem_id: str | None,
    ids: Path | None,
    num_peaks: int | None,
    per_second: float,
    state: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Have one stem, or every stem whose key lies below a prefix, analysed again.

    Puts ordinary analysis messages on the queue; workers do the rest. The main server gets a
    second /completion about each stem, with a new webhook id and the key of a new waveform. Old
    waveforms stay.

    Which stem an upload is, only the waveform documents say, or the server's database, as CSV with
    --ids (stemId, filepath; also userId, trackId, upstreamId, original_filename, audio_hash,
    num_peaks). For uploads that were never analysed, or by an earlier version, there is no other
    way. For a prefix all waveform documents of the bucket are read: --dry-run says how many
    requests that takes. Uploads below it whose stem isn't known are listed. A prefix is whole
    parts of a key: `users/u1` and `users/u1/` are the same, and neither is one of `users/u10/`.

    Musicians' uploads wait behind these messages: choose --per-second below what the workers do
    beside them. Whoever interrupts the command and runs it again with the same --state goes on
    where it was; the messages of its last second may be sent twice.

    Exit 1 when something was left out.

    \b
    Examples:
      waveflow again --stem-id 0b7c2f6e
      waveflow again --stem-id 0b7c2f6e "users/u1/projects/t1/stems/드럼 (최종).wav"
      waveflow again users/u1/ --dry-run
      waveflow again users/ --ids stems.csv --per-second 20 --state again.json --yes
    """
    _require_choice(where, stem_id, ids, state)
    settings = require_storage(configured() if dry_run else require_sqs())
    report = Report(as_json, dry_run)
    with wired(settings) as container:
        storage = container.storage()
        run = Run(storage, report, None if dry_run else container.queue(), Pace(per_second))
        if stem_id is not None:
            candidate = of_stem(storage, stem_id, where, num_peaks)
            run.one(candidate)
        else:
            with busy("Listing the uploads"):
                stored = _stored(storage, where, report) if where else None
            count = count_rows(ids) if stored is None and ids else len(stored or ())
            if not dry_run:
                click.echo(WHAT_CHANGES, err=True)
                question = f"Have up to {count} stems analysed again?"
                if not confirm(question, asks=count > HANDFUL, yes=yes):
                    click.echo("Nothing was sent.", err=True)
                    context.exit(1)
            wanted = _wanted(settings, where, ids, num_peaks)
            candidates = of_file(ids, num_peaks) if ids else of_waveforms(storage, num_peaks)
            with State(None if dry_run else state, wanted) as reached, _summed_up(report):
                run.all(candidates, where or "", stored, reached)
    context.exit(report.exit_code)


def _require_choice(
    where: str | None, stem_id: str | None, ids: Path | None, state: Path | None
) -> None:
    if stem_id is not None and (ids or state):
        raise click.UsageError("--ids and --state go with many stems, not with --stem-id.")
    if stem_id is None and not where and ids is None:
        raise click.UsageError("Say which: a prefix, --ids FILE, or --stem-id ID.")


def _wanted(
    settings: Settings, where: str | None, ids: Path | None, num_peaks: int | None
) -> dict[str, object]:
    """What a run is about: another bucket or queue is another run."""
    return {
        "where": where,
        "ids": _named(ids),
        "num_peaks": num_peaks,
        "bucket": settings.s3_bucket_name,
        "queue": settings.sqs_queue_url,
    }


def _named(ids: Path | None) -> str | None:
    """A file of ids as it was: rows that were added or taken out move the others."""
    return f"{ids.resolve()}, {ids.stat().st_size} bytes" if ids else None


def _stored(storage: AudioStorage, prefix: str, report: Report) -> KeySet:
    from waveflow.application.key_set import KeySet
    from waveflow.entrypoints.cli.again.run import uploads

    stored = KeySet(uploads(storage, prefix, report))
    if not len(stored):
        raise ObjectNotFound(
            f"No upload is called {prefix!r} or lies below it; compare it with the stems' keys."
        )
    return stored


@contextmanager
def _summed_up(report: Report) -> Iterator[Any]:
    """Whoever interrupts it, or meets an outage, still has to know what was done."""
    try:
        yield
    finally:
        report.tell_sums()
