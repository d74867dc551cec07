"""What commands share: files, the container for a run, facts and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waveflow.entrypoints.printable import printable
from waveflow.entrypoints.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from waveflow.entrypoints.container import Container


class _Source(click.ParamType[str]):
    """A local file, or with `--stored` a key: taken as it is, and completed as a file."""

    name = "text"

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


SOURCE = _Source()
FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
OUTPUT = click.Path(dir_okay=False, writable=True, path_type=Path)
NO_BUCKET = (
    "S3_BUCKET_NAME is not set; set it to the name of the bucket, or WAVEFLOW_STORAGE to folder."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def configured() -> Settings:
    """The settings in the environment, with logging set up as they say.

    A command tells its result itself: without `LOG_LEVEL`, only warnings are logged beside it.
    """
    from waveflow.entrypoints.logs import configure_logs

    settings = load_settings(os.environ)
    level = settings.log_level if os.environ.get("LOG_LEVEL") else "warning"
    configure_logs(level, settings.log_format)
    return settings


def names_storage(settings: Settings) -> bool:
    """Whether somebody said where stems are; else it is a folder that nobody meant."""
    return settings.storage == "s3" or bool(os.environ.get("WAVEFLOW_STORAGE", "").strip())


def require_storage(settings: Settings) -> Settings:
    """The settings, if they say where stems are.

    Raises:
        SettingsError: when they don't.
    """
    if not names_storage(settings):
        raise SettingsError([NO_BUCKET])
    return settings


def regular_files(sources: Sequence[str]) -> list[Path]:
    """The local files that were named. Wrong usage when one is missing or no regular file."""
    paths = [Path(FILE.convert(source, None, None)) for source in sources]
    for path in paths:
        if not path.is_file():
            raise click.UsageError(
                f"{printable(str(path))} is a pipe or a device; save it to a file first."
            )
    return paths


@contextmanager
def wired(settings: Settings) -> Iterator[Container]:
    """A container for the length of one command."""
    from waveflow.entrypoints.container import container_for

    container = container_for(settings)
    try:
        yield container
    finally:
        container.shutdown_resources()


def print_json(document: object) -> None:
    """Write `document` to standard output, on one line."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def as_json_error(problem: str, code: str) -> str:
    """An error as a line of JSON, for standard error."""
    return json.dumps({"error": problem, "code": code}, ensure_ascii=False)


def print_facts(facts: Mapping[str, object]) -> None:
    """Write facts one below the other, their names aligned; each on one line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name:<{width}}  {'–' if value is None else printable(str(value))}")


def print_result(as_json: bool, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON or for people."""
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)
