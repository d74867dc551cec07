"""What the worker's HTTP port answers: `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

import os
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock

from waveflow.entrypoints.log_secrets import secrets_in, without
from waveflow.entrypoints.worker.http_port import Page, Pages
from waveflow.entrypoints.worker.liveness import Liveness
from waveflow.entrypoints.worker.readiness import Readiness

_RENDERING_S = 2.0

Render = Callable[[], tuple[str, bytes]]
"""Makes the metrics: their content type, and the text."""


def pages_of(liveness: Liveness, readiness: Readiness, render_metrics: Render) -> Pages:
    """The pages of one worker."""
    secrets = secrets_in(os.environ)

    def shown(problem: str | None) -> str | None:
        return problem and without(secrets, problem)

    def livez() -> Page:
        signs = liveness.signs()
        document = {
            "alive": signs.problem is None,
            "state": signs.state.value,
            "problem": shown(signs.problem),
        }
        return Page.of(_status(signs.problem is None), document)

    def readyz() -> Page:
        report = readiness.report()
        document = {
            "ready": report.is_ready,
            "state": report.state.value,
            "checks": {check.name: shown(check.problem) or "ok" for check in report.checks},
        }
        return Page.of(_status(report.is_ready), document)

    return {
        "/livez": livez,
        "/readyz": readyz,
        "/metrics": _one_at_a_time(render_metrics),
    }


def _status(is_well: bool) -> int:
    return HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE


def _one_at_a_time(render: Render) -> Callable[[], Page]:
    """Should a disk hang that is measured, one thread hangs with it, and not one each time."""
    rendering = Lock()

    def metrics() -> Page:
        if not rendering.acquire(timeout=_RENDERING_S):
            return Page.of(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "Still being measured."})
        try:
            content_type, body = render()
        finally:
            rendering.release()
        return Page(HTTPStatus.OK, body, content_type)

    return metrics
