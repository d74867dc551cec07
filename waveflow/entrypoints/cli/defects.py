"""Saying that something happened which should not: a defect of WaveFlow itself."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import click

from waveflow.entrypoints.log_secrets import secrets_in, without

_SOURCE = Path(__file__).parents[2]


def defect(error: Exception, *, with_traceback: bool) -> str:
    """A sentence that names the defect and its place, and says how to report it.

    With `LOG_LEVEL=debug` the traceback is written to standard error. Secrets of the environment
    are in neither.

    Args:
        with_traceback: writes it in any case.
    """
    secrets = secrets_in(os.environ)
    if with_traceback or os.environ.get("LOG_LEVEL", "").strip().lower() == "debug":
        click.echo(without(secrets, "".join(traceback.format_exception(error))), err=True)
        how = "please report it, with the traceback above"
    else:
        how = "please report it, with the traceback that LOG_LEVEL=debug shows"
    said = " ".join(without(secrets, str(error)).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"This should not happen ({what}, {_place(error)}). It is a defect of WaveFlow: {how}."


def _place(error: Exception) -> str:
    # The command line itself is always among them.
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_SOURCE)]
    path = Path(ours[-1].filename).relative_to(_SOURCE.parent)
    return f"{path}:{ours[-1].lineno}"
