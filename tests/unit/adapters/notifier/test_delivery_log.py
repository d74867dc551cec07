"""The log line of a webhook that was delivered: enough to send it again, if it says so."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from waveflow.adapters.notifier import delivery_log
from waveflow.adapters.notifier.delivery_log import log_delivery
from waveflow.adapters.notifier.wire import MIXING_COMPLETE, WebhookRequest
from waveflow.entrypoints.log_lines import MOST_CHARACTERS


def line(body: dict[str, Any]) -> MutableMapping[str, Any]:
    with capture_logs() as logs:
        size_bytes = len(json.dumps(body).encode())
        log_delivery(WebhookRequest(MIXING_COMPLETE, "msg_1.mixing", body), 201, size_bytes)
    [log] = logs
    return log


def test_it_has_the_body_as_it_was_sent() -> None:
    body = {"stageId": "s1", "stem_paths": ["users/u1/드럼.wav"], "result": {"code": "not_audio"}}
    assert line(body) == {
        "event": "webhook_delivered",
        "log_level": "info",
        "endpoint": "/mixing-complete",
        "webhook_id": "msg_1.mixing",
        "status": 201,
        "body": body,
    }


@pytest.mark.parametrize("count", [500, 20_000])
def test_one_with_thousands_of_stems_stays_short_and_says_so(count: int) -> None:
    paths = [
        f"users/u1/projects/t1/stems/2025-07-16T07-39-22_stem number {n}.wav" for n in range(count)
    ]
    log = line({"stageId": "s1", "stem_count": count, "stem_paths": paths})
    assert log["body_cut"] is True
    assert len(json.dumps(log)) < 20_000
    shown = log["body"]["stem_paths"]
    assert len(shown) > 100
    assert shown == paths[: len(shown)]
    assert log["body"]["stem_count"] == count


def test_what_is_logged_leaves_the_body_itself_alone() -> None:
    body = {"stem_paths": ["users/u1/a.wav"] * 10_000}
    line(body)
    assert len(body["stem_paths"]) == 10_000


def test_one_with_a_text_that_a_log_line_cuts_says_so() -> None:
    assert "body_cut" not in line({"userId": "u" * MOST_CHARACTERS})
    assert line({"userId": "u" * (MOST_CHARACTERS + 1)})["body_cut"] is True
    assert line({"result": {"error": ["u" * (MOST_CHARACTERS + 1)]}})["body_cut"] is True


def test_the_two_agree_on_what_is_long() -> None:
    assert delivery_log.LONGEST_TEXT == MOST_CHARACTERS
