"""Reading the main server's answer: delivered means 2xx, whatever the body says."""

from __future__ import annotations

import json

import structlog
from attrs import frozen

from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable

_log = structlog.get_logger(__name__)

SHOWN_CHARACTERS = 300


@frozen
class WebhookAnswer:
    """Status and body that came back for one POST."""

    status: int
    body: bytes = b""


def require_delivered(request: WebhookRequest, answer: WebhookAnswer, tally: Tally) -> None:
    """Raises `NotifierUnavailable` unless the status is 2xx.

    The server answers 2xx also where its handler has failed. That counts as delivered, since
    asking again would run the handler twice, but it is logged and counted.
    """
    if not 200 <= answer.status < 300:
        raise NotifierUnavailable(
            f"The server answered {request.endpoint} with status {answer.status}."
        )
    if _tells_of_an_error(answer.body):
        tally.add("delivered_with_error_body")
        _log.warning(
            "delivered_with_error_body",
            endpoint=request.endpoint,
            event_id=request.event_id,
            answer=answer.body[:SHOWN_CHARACTERS].decode(errors="replace"),
        )


def _tells_of_an_error(body: bytes) -> bool:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict):
        return False
    return answer.get("success") is False or answer.get("status") == "error"
