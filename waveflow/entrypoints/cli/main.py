"""The `waveflow` command: its exit codes, and how it says that something went wrong."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

import click

from waveflow.domain.errors import PermanentError, TransientError, WaveFlowError
from waveflow.entrypoints.cli import signals
from waveflow.entrypoints.cli.group import LateCommands
from waveflow.entrypoints.cli.output import as_json_error
from waveflow.entrypoints.cli.terminal import wants_colour
from waveflow.entrypoints.printable import printable
from waveflow.entrypoints.settings import SettingsError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TRY_LATER = 3
EXIT_NOBODY_READS = 141
"""As a shell tells of a process that SIGPIPE ended: 128 and its number."""

COMPLETION_VARIABLE = "_WAVEFLOW_COMPLETE"
"""Set by a shell's completion, which then wants a list instead of a run."""

INTERRUPTED = "\nwaveflow: interrupted."
"""On a line of its own: a terminal shows ^C on the one so far."""


def _print_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not context.resilient_parsing:
        from waveflow.entrypoints.cli.version import version

        click.echo(version())
        context.exit()


@click.group(
    cls=LateCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version, that of Python, and which decoders there are.",
)
def waveflow() -> None:
    """Hashes, waveforms and mixes of audio stems.

    The commands for files need no configuration. With --stored they do to the configured storage
    what the worker does. `waveflow COMMAND --help` explains a command.

    \b
    Exit codes: 0 done, 1 failed for good (bad audio, refused deletion, unhealthy),
    2 wrong usage or settings, 3 may work later (storage, queue or disk not available).

    \b
    Examples:
      waveflow demo
      waveflow analyze song.wav -o song.json
      waveflow mix drums.wav bass.flac lead.mp3 -o mix.wav
    """


def main() -> None:
    """Run the command line and exit with its code."""
    # Before NumPy is loaded: OpenBLAS would start a thread for each core, and burn 0.07 s.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.stdin is None:  # It was closed; who reads it now finds nothing.
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 (to the end)
    for stream in (sys.stdout, sys.stderr):
        # A file name may hold what the terminal can't show; that is no reason to fail.
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    signals.install()
    try:
        code = run(sys.argv[1:])
    finally:
        signals.forget()
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    sys.exit(signals.LEFT_WITH.pop() if signals.LEFT_WITH else code)


def run(arguments: list[str]) -> int:
    """Run one command line; errors become one sentence each on standard error."""
    try:
        return _perform(arguments)
    except (click.Abort, KeyboardInterrupt):
        _say(INTERRUPTED)
        return signals.EXIT_INTERRUPTED
    except click.ClickException as error:
        _show(error, arguments)
        return error.exit_code
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return EXIT_NOBODY_READS
        return _complain(error, arguments)


def _perform(arguments: list[str]) -> int:
    """What Click's own `main` does, but for errors, of which a closed pipe's is lost there."""
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(waveflow, {}, "waveflow", COMPLETION_VARIABLE, instruction)
    colour = wants_colour(sys.stdout)
    try:
        with waveflow.make_context("waveflow", arguments.copy(), color=colour) as context:
            waveflow.invoke(context)
    except click.exceptions.Exit as left:
        return left.exit_code
    return 0


def _show(error: click.ClickException, arguments: list[str]) -> None:
    """Wrong usage: with the usage beside it, or for scripts without."""
    if "--json" in arguments:
        _say(as_json_error(error.format_message(), "wrong_usage"))
        return
    with suppress(OSError):
        error.show()


def _say(text: str) -> None:
    # Where even this can't be written (a full disk, a closed pipe) the exit code has to do.
    with suppress(OSError):
        click.echo(text, err=True)


def _complain(error: Exception, arguments: list[str]) -> int:
    if signals.LEFT_WITH:  # What went wrong was the signal.
        if signals.EXIT_INTERRUPTED in signals.LEFT_WITH:
            _say(INTERRUPTED)
        return signals.LEFT_WITH[0]
    code, problems, exit_code = _complaint(error, is_service=arguments[:1] == ["worker"])
    is_json = "--json" in arguments
    for problem in problems:
        _say(as_json_error(problem, code) if is_json else f"waveflow: {printable(problem)}")
    return exit_code


def _complaint(error: Exception, *, is_service: bool) -> tuple[str, list[str], int]:
    """What an error is called, what is said of it, and the exit code."""
    match error:
        case SettingsError():
            return "invalid_settings", error.problems, EXIT_USAGE
        case PermanentError():
            return error.code, [str(error)], EXIT_FAILED
        case TransientError():
            return "try_later", str(error).splitlines(), EXIT_TRY_LATER
        case WaveFlowError():
            return "failed", [str(error)], EXIT_FAILED
        case OSError():
            return "failed", [_sentence(error)], EXIT_FAILED
        case _:
            from waveflow.entrypoints.cli.defects import defect

            # Nobody can call a worker once more to see what it was.
            return "defect", [defect(error, with_traceback=is_service)], EXIT_FAILED


def _sentence(error: OSError) -> str:
    if error.filename:
        return f"{error.filename}: {error.strerror}."
    return f"{error.strerror}." if error.strerror else str(error)


def _nobody_reads() -> bool:
    """Whether the reader of the output has gone: it saw enough (`| head`), and wants no word."""
    try:
        look = select.poll()
        look.register(sys.stdout.fileno(), 0)
        return bool(look.poll(0))
    except (AttributeError, OSError, ValueError):  # There is no stream, or none of the system's.
        return False


def _let_go(stream: TextIO | None) -> None:
    """Drop what a stream holds that can't be written, or the interpreter's end fails over it."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        assert stream is not None
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (no path is at hand)
            os.dup2(nowhere.fileno(), stream.fileno())
