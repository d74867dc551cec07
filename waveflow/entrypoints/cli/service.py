"""Commands that look after the service: demo, cleanup, ledger."""

from __future__ import annotations

from pathlib import Path

import click
from attrs import asdict

from waveflow.domain.errors import InvalidMessage, ObjectNotFound
from waveflow.entrypoints.cli.output import (
    configured,
    json_option,
    print_facts,
    print_json,
    wired,
)
from waveflow.entrypoints.cli.progress import counted


@click.command()
@click.argument("stems", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Where the results go; each run gets a folder of its own in it.",
)
@json_option
def demo(stems: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Run all four steps on a small song, or on STEMS of your own, with nothing to configure.

    Uploads the stems to a local folder, sends the messages that the main server would send
    through an in-process queue, and lets a stand-in for the server answer.

    \b
    Examples:
      waveflow demo
      waveflow demo drums.wav bass.flac
    """
    from waveflow.entrypoints.demo.run import run_demo

    run_demo(stems, output, as_json=as_json)


@click.command()
@json_option
def cleanup(as_json: bool) -> None:
    """Remove what crashed tasks left in the work folder.

    A worker does it by itself, every WAVEFLOW_SWEEP_INTERVAL_S. What a running task uses is left
    alone.

    \b
    Examples:
      waveflow cleanup
      WAVEFLOW_WORK_DIR=/mnt/work waveflow cleanup --json
    """
    with wired(configured()) as container:
        sweep = container.clean_work_folder().clean()
    if as_json:
        print_json(asdict(sweep))
    else:
        print_facts({"removed folders": sweep.removed_folders, "freed bytes": sweep.freed_bytes})


@click.group()
def ledger() -> None:
    """The ledger: which copy of a recording, in each track, is the one to keep.

    \b
    Example:
      waveflow ledger build 'users/*/projects/{track}/stems/*'
    """


@ledger.command(short_help="Enter every stem whose key matches a pattern.")
@click.argument("pattern")
@json_option
def build(pattern: str, as_json: bool) -> None:
    """Enter every stem whose key matches PATTERN in the ledger.

    For storage that was in use before WaveFlow. `*` stands for anything within one segment of
    a key, `{track}` for the track id. The first copy in key order becomes the owner; running it
    again changes nothing.

    \b
    Example:
      waveflow ledger build 'users/*/projects/{track}/stems/*'
    """
    from waveflow.application.build_ledger import KeyPattern

    try:
        keys = KeyPattern(pattern)
    except InvalidMessage as error:
        raise click.UsageError(str(error)) from error
    with wired(configured()) as container, counted("stems hashed") as advance:
        result = container.build_ledger().build(keys, lambda _: advance(1))
    if not result.owners + result.duplicates:
        raise ObjectNotFound(
            f"No stem matches {pattern!r} in the configured storage; compare the pattern with"
            " the stems' keys."
        )
    if as_json:
        print_json(asdict(result))
    else:
        print_facts(asdict(result))
