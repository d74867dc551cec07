"""The command group, its exit codes, and how it says that something went wrong."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper

import click

from waveflow.domain.errors import PermanentError, TransientError, WaveFlowError
from waveflow.entrypoints.cli.output import print_json_error
from waveflow.entrypoints.settings import SettingsError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TRY_LATER = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

_MODULES = {
    "again": "again.command",
    "analyze": "audio",
    "cleanup": "service",
    "demo": "service",
    "explain": "explain.command",
    "health": "health",
    "ingest": "copies",
    "ledger": "service",
    "mix": "audio",
    "queue": "queue.command",
    "resend": "resend.command",
    "resolve-duplicate": "copies",
    "send": "send",
    "stand-in": "stand_in",
    "warmup": "warmup",
    "worker": "worker",
}
"""Where each command is: the function of its name, in the module of this one."""

_LEFT_WITH: list[int] = []
"""The exit code that a signal asked for, once one came."""


class _LateCommands(click.Group):
    """Imports a command when it is called for: the others may need much that it doesn't."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_MODULES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"waveflow.entrypoints.cli.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(
    cls=_LateCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="waveflow")
def waveflow() -> None:
    """Hashes, waveforms and mixes of audio stems.

    `analyze`, `mix`, `ingest` and `resolve-duplicate` work on local files without any
    configuration; with --stored they do to the configured storage what the worker does.
    `send` and `queue` talk to the queue that workers take their messages from; `explain`, `again`
    and `resend` say what became of a stem, and have it analysed or told again.

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
    for stream in (sys.stdout, sys.stderr):
        # A file name may hold what the terminal can't show; that is no reason to fail.
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    code = run(sys.argv[1:])
    sys.exit(_LEFT_WITH.pop() if _LEFT_WITH else code)


def _leave(number: int, _: object) -> None:
    """An orderly exit: work files are removed and children ended on the way out.

    The exception may be raised within a decoder's callback, where it is lost and looks like
    damaged audio: hence the note.
    """
    if number == signal.SIGINT:
        _LEFT_WITH.append(EXIT_INTERRUPTED)
        raise KeyboardInterrupt
    _LEFT_WITH.append(EXIT_TERMINATED)
    raise SystemExit(EXIT_TERMINATED)


def run(arguments: list[str]) -> int:
    """Run one command line; errors become one sentence each on standard error."""
    try:
        code = waveflow.main(arguments, prog_name="waveflow", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.Abort:
        click.echo("waveflow: interrupted.", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SettingsError as error:
        return _complain("invalid_settings", error.problems, EXIT_USAGE, arguments)
    except PermanentError as error:
        return _complain(error.code, [str(error)], EXIT_FAILED, arguments)
    except TransientError as error:
        return _complain("try_later", str(error).splitlines(), EXIT_TRY_LATER, arguments)
    except (WaveFlowError, OSError) as error:
        return _complain("failed", [_sentence(error)], EXIT_FAILED, arguments)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def _complain(code: str, problems: list[str], exit_code: int, arguments: list[str]) -> int:
    for problem in [] if _LEFT_WITH else problems:
        if "--json" in arguments:
            print_json_error(problem, code)
        else:
            click.echo(f"waveflow: {problem}", err=True)
    return exit_code
