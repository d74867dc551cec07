"""Steps on the configured storage: what `--stored` means for each command."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from waveflow.application.clock import Clock
from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.cli.output import configured, wired
from waveflow.entrypoints.cli.progress import busy

if TYPE_CHECKING:
    from waveflow.application.commands import Command, Origin

_Function = TypeVar("_Function", bound=Callable[..., Any])

stored_option = click.option(
    "--stored",
    is_flag=True,
    help="Take keys of the configured storage instead of local files, store the results there"
    " and notify, as the worker does.",
)


def id_option(name: str) -> Callable[[_Function], _Function]:
    """An option `--NAME-id` that goes with `--stored`."""
    return click.option(f"--{name}-id", help=f"With --stored: the {name}'s id.")


def require_option(value: str | None, option: str) -> str:
    """`value`, which `--stored` can't do without."""
    if not value:
        raise click.UsageError(f"--stored needs {option}.")
    return value


def require_fitting(
    *, stored: bool, with_stored: tuple[str, ...], with_files: tuple[str, ...]
) -> None:
    """Refuse options that would be ignored, given the parameters that go with either."""
    context = click.get_current_context()
    for name in with_files if stored else with_stored:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            problem = "doesn't go with --stored" if stored else "goes with --stored only"
            raise click.UsageError(f"{option} {problem}.")


def perform_stored(command: Command, doing: str) -> Any:
    """Carry out `command` as the worker does, the webhook of a failure included.

    Raises:
        PermanentError, TransientError: as the use case does.
    """
    from waveflow.application.events import Failure
    from waveflow.application.failures import subject_of

    origin = _by_hand()
    started_s = Clock().monotonic_s()
    with wired(configured()) as container, busy(doing):
        try:
            return container.dispatcher().perform(command, origin)
        except PermanentError as error:
            elapsed_s = round(Clock().monotonic_s() - started_s, 6)
            container.failures().report(subject_of(command), origin, Failure.of(error), elapsed_s)
            raise


def _by_hand() -> Origin:
    from waveflow.application.commands import Origin

    message_id = str(uuid.uuid4())
    return Origin(message_id, int(Clock().unix_s() * 1000), f"cli-{message_id}")
