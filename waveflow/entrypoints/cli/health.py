"""`waveflow health`: whether a worker could work here, or whether one does."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from attrs import asdict

from waveflow.domain.errors import TransientError
from waveflow.entrypoints.cli.output import (
    configured,
    json_option,
    print_facts,
    print_json,
    wired,
)
from waveflow.entrypoints.settings import load_settings

if TYPE_CHECKING:
    from waveflow.application.maintenance import HealthReport

_TIMEOUT_S = 4.0
_MOST_BYTES = 64 * 1024
_WELL, _UNWELL = 200, 503
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (nobody listens there)


class NoAnswer(TransientError):
    """Raised when it can't be told how a worker is: none answers."""


@click.command()
@click.option(
    "--worker",
    "url",
    is_flag=False,
    flag_value="",
    metavar="[URL]",
    help="Ask the worker that runs here, or the one at URL.",
)
@click.option("--live", is_flag=True, help="With --worker: only whether it lives.")
@json_option
@click.pass_context
def health(context: click.Context, url: str | None, live: bool, as_json: bool) -> None:
    """Check queue, storage, main server, work folder and decoder; exit 1 if one doesn't work.

    With --worker a running worker says how it is, on its WAVEFLOW_HTTP_PORT: whether it would
    work on a message now, or, with --live, whether it has to be started anew.

    \b
    Exit codes: 0 all is well, 1 something isn't, 2 wrong usage or settings, 3 no worker answers.

    \b
    Examples:
      waveflow health
      waveflow health --worker
      waveflow health --worker http://127.0.0.1:9464 --live
    """
    if live and url is None:
        raise click.UsageError("--live is about a worker that runs: use it with --worker.")
    if url is None:
        context.exit(_look(as_json))
    context.exit(_ask(url or _own_address(), "/livez" if live else "/readyz", as_json))


def _look(as_json: bool) -> int:
    with wired(configured()) as container:
        report = container.report_health().report()
    if as_json:
        print_json({"healthy": report.healthy} | asdict(report))
    else:
        print_facts(_facts(report))
    return 0 if report.healthy else 1


def _facts(report: HealthReport) -> dict[str, object]:
    return {
        "healthy": "yes" if report.healthy else "no",
        **{check.name: check.problem or "ok" for check in report.checks},
        "free_work_bytes": report.free_work_bytes,
        "memory_mb": report.memory_mb,
    }


def _own_address() -> str:
    """Where the worker that has these settings listens."""
    settings = load_settings(os.environ)
    if not settings.http_port:
        raise click.UsageError(
            "WAVEFLOW_HTTP_PORT is not set: no worker of these settings can be asked. Set it for"
            " the worker and for this command, or name the worker's address after --worker."
        )
    # Who listens on all addresses also does so on that of the machine itself.
    host = _ANYWHERE.get(settings.http_host, settings.http_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"


def _ask(url: str, page: str, as_json: bool) -> int:
    status, document = _answer(url, page)
    if as_json:
        print_json(document)
    else:
        checks = document.pop("checks", {})
        print_facts({name: _shown(value) for name, value in (document | checks).items()})
    return 0 if status == _WELL else 1


def _answer(url: str, page: str) -> tuple[int, dict[str, Any]]:
    # What a container's health check runs every few seconds imports no more than this.
    from http.client import HTTPConnection, HTTPException

    host, port = _place(url)
    connection = HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", page)
        response = connection.getresponse()
        body = response.read(_MOST_BYTES)
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or error
        raise NoAnswer(
            f"No worker answers at {url} ({why}). See that it runs, and that its"
            " WAVEFLOW_HTTP_PORT and WAVEFLOW_HTTP_HOST are the ones asked here."
        ) from error
    finally:
        connection.close()
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if response.status not in (_WELL, _UNWELL) or not isinstance(document, dict):
        raise NoAnswer(f"What answers at {url} is no worker ({response.status}).")
    return response.status, document


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme != "http" or parts.path not in ("", "/"):
        raise click.UsageError(f"{url!r} is no address of a worker, as http://127.0.0.1:9464 is.")
    return host, port


def _shown(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value
