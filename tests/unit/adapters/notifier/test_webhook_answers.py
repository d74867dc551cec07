"""`Retry-After` in all its forms reaches whoever sends again."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveflow.adapters.notifier.answer import WebhookAnswer, require_delivered, retry_after_s
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable

NOW_S = 1_700_000_000.0
REQUEST = WebhookRequest("/completion", "msg_1", {})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 10_000, 3600.0),
        (formatdate(NOW_S + 30, usegmt=True), 30.0),
        (formatdate(NOW_S + 30).replace("-0000", ""), 30.0),
        (formatdate(NOW_S + 86_400, usegmt=True), 3600.0),
        (formatdate(NOW_S - 30, usegmt=True), None),
        ("-7", None),
        ("1.5", None),
        ("٧", None),
        ("soon", None),
        ("", None),
        ("Wed, 99 Foo 2023 99:99:99 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_seconds_and_dates_count_and_the_rest_is_ignored(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, NOW_S) == seconds


@given(
    st.text()
    | st.integers().map(str)
    | st.datetimes().map("{:%a, %d %b %Y %H:%M:%S GMT}".format)
    | st.from_regex(r"\w{3}, \d{1,9} \w{3} \d{1,9} \d+:\d+:\d+ [+-]\d{1,9}", fullmatch=True)
)
def test_no_text_asks_for_more_than_an_hour_or_breaks_anything(value: str) -> None:
    seconds = retry_after_s(value, NOW_S)
    assert seconds is None or 0 <= seconds <= 3600


@pytest.mark.parametrize("status", [302, 429, 503])
def test_the_error_says_how_long_the_server_wants_to_be_left_alone(status: int) -> None:
    with pytest.raises(NotifierUnavailable) as raised:
        require_delivered(REQUEST, WebhookAnswer(status, retry_after_s=7.0), Tally())
    assert raised.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("status", "hint"),
    [(308, "Redirects"), (401, "login"), (403, "secret"), (404, "path of WEBHOOK_URL")],
)
def test_the_error_says_what_to_check(status: int, hint: str) -> None:
    with pytest.raises(NotifierUnavailable, match=f"/completion with status {status}.*{hint}"):
        require_delivered(REQUEST, WebhookAnswer(status), Tally())
