"""Secrets of the environment are left out of log lines, whoever repeats them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from waveflow.entrypoints.log_secrets import secrets_in, without
from waveflow.entrypoints.logs import configure_logs

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjEXAMPLE",
    "WAVEFLOW_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_b2xkc2VjcmV0b2xk==",
    "WEBHOOK_URL": "https://server:pa%73sword@api.example.com/hooks?token=t0k3nt0k3n&v=2",
    "AWS_ENDPOINT_URL_S3": "http://minio:minio-secret@10.0.0.1:9000",
    "https_proxy": "http://proxy:proxy-secret@10.0.0.2",
    "S3_BUCKET_NAME": "stems-of-production",
}
SECRETS = [
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "IQoJb3JpZ2luX2VjEXAMPLE",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "b2xkc2VjcmV0b2xk",
    "pa%73sword",
    "password",
    "c2VydmVyOnBhc3N3b3Jk",
    "t0k3nt0k3n",
    "minio-secret",
    "bWluaW86bWluaW8tc2VjcmV0",
    "proxy-secret",
    "cHJveHk6cHJveHktc2VjcmV0",
]


@pytest.fixture(autouse=True)
def structlog_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_all_secrets_are_found_and_nothing_else() -> None:
    assert sorted(secrets_in(ENVIRONMENT)) == sorted(SECRETS)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WEBHOOK_URL": "https://[half"},
        {"WEBHOOK_URL": "https://api.example.com/?v=2", "AWS_SECRET_ACCESS_KEY": ""},
        {"WAVEFLOW_WEBHOOK_SECRET": "  "},
    ],
)
def test_what_is_absent_short_or_broken_hides_nothing(environment: dict[str, str]) -> None:
    assert secrets_in(environment) == ()


def test_a_token_is_hidden_as_it_is_written_and_as_it_is_meant() -> None:
    secrets = secrets_in(
        {"WEBHOOK_URL": "https://tok%2Ben%2B01@api.example.com/?key=a%2Bb%2Fc%3Dd1"}
    )
    assert set(secrets) == {
        "tok%2Ben%2B01",
        "tok+en+01",
        "dG9rK2VuKzAxOg",  # What the header says: the user, a colon, and nothing.
        "a%2Bb%2Fc%3Dd1",
        "a+b/c=d1",
    }


def test_a_secret_within_another_leaves_no_rest() -> None:
    secrets = secrets_in({"AWS_SECRET_ACCESS_KEY": "abcdefgh", "AWS_SESSION_TOKEN": "abcdefghijkl"})
    assert without(secrets, "x abcdefghijkl abcdefgh y") == "x [secret] [secret] y"


@pytest.mark.parametrize("format_", ["json", "console"])
def test_no_log_line_holds_one(monkeypatch: pytest.MonkeyPatch, format_: str) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setitem(os.environ, name, value)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("info", format_)
    logger = structlog.get_logger()
    for secret in SECRETS:
        logger.info(
            "answer", body=f"you sent {secret}", nested=[{"a": secret}], error=OSError(secret)
        )
        try:
            raise ValueError(f"not {secret}")
        except ValueError:
            logger.exception("defect")
    text = stream.getvalue()
    assert [secret for secret in SECRETS if secret in text] == []
    assert text.count("[secret]") >= 4 * len(SECRETS)
