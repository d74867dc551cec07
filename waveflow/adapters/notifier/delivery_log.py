"""The log line of a webhook that was delivered: what the server was told, word for word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args

import structlog

from waveflow.adapters.notifier.wire import WebhookRequest

_log = structlog.get_logger(__name__)

DeliveryResult = Literal["delivered", "error_body", "undelivered"]
"""What came of one attempt. `error_body`: delivered, but the server says that it has failed."""

DELIVERY_RESULTS: tuple[DeliveryResult, ...] = get_args(DeliveryResult)

MOST_BODY_BYTES = 32 * 1024
"""Of a body that is logged whole. The stems of a larger one, a mix of hundreds, are cut."""
MOST_PATHS_BYTES = 16 * 1024
LONGEST_TEXT = 4000
"""A log line cuts longer ones."""


def log_delivery(request: WebhookRequest, status: int, size_bytes: int) -> None:
    """Log what was delivered; `body_cut` says that not all of the body is in the line."""
    body, cut = request.body, {}
    if size_bytes > MOST_BODY_BYTES:
        body = {**body, "stem_paths": list(_first_of(body.get("stem_paths") or []))}
    if body is not request.body or any(len(text) > LONGEST_TEXT for text in _texts(body)):
        cut = {"body_cut": True}
    _log.info(
        "webhook_delivered",
        endpoint=request.endpoint,
        webhook_id=request.event_id,
        status=status,
        body=body,
        **cut,
    )


def _first_of(paths: list[str]) -> Iterator[str]:
    left_bytes = MOST_PATHS_BYTES
    for path in paths:
        left_bytes -= len(json.dumps(path)) + 2
        if left_bytes < 0:
            return
        yield path


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
