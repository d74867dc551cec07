"""Whether the main server can be reached is found out without a word to it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_webhook_notifier import self_signed
from tests.support.http_receiver import HttpReceiver
from tests.support.processes import eventually
from waveflow.adapters.notifier import webhook_reach
from waveflow.adapters.notifier.webhook_reach import WebhookHost
from waveflow.domain.errors import NotifierUnavailable


@pytest.fixture
def server() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def secure_server(certificate: Path) -> Iterator[HttpReceiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HttpReceiver(context) as server:
        yield server


def problem_with(url: str) -> str:
    with pytest.raises(NotifierUnavailable) as raised:
        WebhookHost(url).require_reachable()
    return str(raised.value)


def test_a_server_that_listens_is_reachable_and_is_told_nothing(server: HttpReceiver) -> None:
    host = WebhookHost(f"{server.url}/webhooks?token=t")
    for _ in range(3):
        host.require_reachable()
    assert eventually(lambda: server.connections() == 3)
    assert server.requests() == []


def test_one_that_answers_everything_with_an_error_is_reachable(server: HttpReceiver) -> None:
    server.answer(500)
    WebhookHost(server.url).require_reachable()


def test_one_that_is_away_is_told_with_what_to_check(server: HttpReceiver) -> None:
    server.go_away()
    problem = problem_with(f"http://user:password@127.0.0.1:{server.port}/webhooks?token=t")
    assert problem.startswith(
        f"http://127.0.0.1:{server.port}/webhooks can't be reached: the connection was refused;"
        " check that the server runs, and the port in WEBHOOK_URL"
    )
    assert "password" not in problem
    assert "token" not in problem


def test_a_name_that_nobody_knows() -> None:
    assert "the name of the host was not found" in problem_with("http://no-such-host.invalid/x")


def test_a_certificate_that_nobody_vouches_for(secure_server: HttpReceiver) -> None:
    assert "the server's certificate was not accepted" in problem_with(secure_server.url)


def test_a_certificate_that_the_operator_vouches_for(
    secure_server: HttpReceiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    host = WebhookHost(secure_server.url)
    for _ in range(2):
        host.require_reachable()
    assert secure_server.requests() == []


def test_a_handshake_that_stalls_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_reach, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        problem = problem_with(f"https://127.0.0.1:{silent.getsockname()[1]}")
    assert "no connection came about in time" in problem
    assert time.monotonic() - began_s < 5.0
