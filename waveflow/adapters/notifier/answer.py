"""Reading the main server's answer: delivered means 2xx, whatever the body says."""

from __future__ import annotations

import json
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

import structlog
from attrs import frozen

from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable

_log = structlog.get_logger(__name__)

SHOWN_CHARACTERS = 300
LONGEST_RETRY_AFTER_S = 3600.0
"""Longer than that nobody is left alone."""

_HINTS = {
    3: " Redirects aren't followed: WEBHOOK_URL has to be where they lead.",
    401: " Check the login in WEBHOOK_URL and the signing secret.",
    403: " Check the login in WEBHOOK_URL and the signing secret.",
    404: " Check the path of WEBHOOK_URL.",
}
"""By status, or by its first digit."""

_OF_THE_WHOLE_SERVER = (401, 403, 404, 408, 425, 429)
"""Statuses that other events would get too: of a wrong address, a busy or half-started server."""


@frozen
class WebhookAnswer:
    """What came back for one POST.

    Attributes:
        retry_after_s: how long the server asks to be left alone, if it does.
    """

    status: int
    body: bytes = b""
    retry_after_s: float | None = None


def retry_after_s(value: str, now_unix_s: float) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number of them, or a date.

    Returns:
        0 to an hour; None for what is neither, or a date in the past.
    """
    value = value.strip()
    if re.fullmatch("[0-9]+", value):
        return min(float(value), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(value)
        # Without a time zone it is UTC, as every HTTP date is; not the zone of this machine.
        left_s = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_unix_s
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(left_s, LONGEST_RETRY_AFTER_S) if left_s > 0 else None


def require_delivered(request: WebhookRequest, answer: WebhookAnswer, tally: Tally) -> bool:
    """Raises `NotifierUnavailable`, with the server's `Retry-After`, unless the status is 2xx.

    The server answers 2xx also where its handler has failed. That counts as delivered, since
    asking again would run the handler twice, but it is logged and counted.

    Returns:
        Whether the handler has succeeded, as far as the answer says.
    """
    if not 200 <= answer.status < 300:
        hint = _HINTS.get(answer.status) or _HINTS.get(answer.status // 100, "")
        raise NotifierUnavailable(
            f"The server answered {request.endpoint} with status {answer.status}.{hint}",
            retry_after_s=answer.retry_after_s,
            refused=400 <= answer.status < 500 and answer.status not in _OF_THE_WHOLE_SERVER,
        )
    if not _tells_of_an_error(answer.body):
        return True
    tally.add("delivered_with_error_body")
    _log.warning(
        "delivered_with_error_body",
        endpoint=request.endpoint,
        event_id=request.event_id,
        answer=answer.body[:SHOWN_CHARACTERS].decode(errors="replace"),
    )
    return False


def _tells_of_an_error(body: bytes) -> bool:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(answer, dict):
        return False
    return answer.get("success") is False or answer.get("status") == "error"
