"""Where webhooks go, and what of it may be read by people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveflow.adapters.notifier.webhook_url import (
    endpoint_url,
    login,
    shown_url,
    validate_webhook_url,
)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://main", "http://main/completion"),
        ("http://main/", "http://main/completion"),
        ("https://main:8443/api/webhooks", "https://main:8443/api/webhooks/completion"),
        ("https://main/api/webhooks//", "https://main/api/webhooks/completion"),
        ("https://main/api?token=a%2Fb/", "https://main/api/completion?token=a%2Fb/"),
        ("http://us%40er:p%3Ass@main:80/api", "http://main:80/api/completion"),
        ("http://[::1]:3000/a%20b", "http://[::1]:3000/a%20b/completion"),
        ("HTTP://메인.kr/웹훅", "http://메인.kr/웹훅/completion"),
    ],
)
def test_an_endpoint_is_below_the_path_and_before_the_query(url: str, endpoint: str) -> None:
    assert validate_webhook_url(url) == url
    assert endpoint_url(url, "/completion") == endpoint


def test_a_login_is_taken_out_of_the_url() -> None:
    assert login("http://us%40er:p%3Ass@main/api") == ("us@er", "p:ss")
    assert login("http://user@main/api") == ("user", "")
    assert login("http://main/api") is None


def test_neither_login_nor_query_is_shown() -> None:
    url = "https://user:pass@main/api?token=secret"
    assert shown_url(url, "/completion") == "https://main/api/completion"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must begin with http:// or https://"),
        ("main", "must begin with http:// or https://"),
        ("main:3000/api", "must begin with http:// or https://"),
        ("ftp://main", "must begin with http:// or https://"),
        ("http:main", "must begin with http:// or https://"),
        ("http://", "must begin with http:// or https:// and a host"),
        ("http:///api", "must begin with http:// or https:// and a host"),
        ("http://:80/api", "must name a host"),
        ("http://user@/api", "must name a host"),
        ("http://a..b/api", "must name a host"),
        ("http://" + "a" * 64, "must name a host"),
        ("http://main#part", "no fragment"),
        ("http://main/#", "no fragment"),
        ("http://user:12/34@main", "%2F"),
        ("http://user:12?34@main", "%2F"),
        ("http://ma in/", "no spaces"),
        ("http://main/\n", "no spaces and no control characters"),
        ("http://main:65536", "a port from 1 to 65535"),
        ("http://main:0", "a port from 1 to 65535"),
        ("http://main:http", "a port from 1 to 65535"),
        ("http://[::1", "must be a URL"),
        ("http://[nonsense]/", "must be a URL"),
    ],
)
def test_what_is_no_webhook_url_is_refused_in_a_sentence(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        validate_webhook_url(url)
    assert str(raised.value).startswith("must ")


@given(st.text() | st.text().map("http://{}".format))
def test_any_text_is_either_refused_in_a_sentence_or_usable(text: str) -> None:
    refusal = ""
    try:
        validate_webhook_url(text)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("must ")
    else:
        assert endpoint_url(text, "/completion")
        shown_url(text, "/completion")
        login(text)
