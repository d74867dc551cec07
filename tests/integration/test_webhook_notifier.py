"""The webhook notifier over real connections, to a server with every bad habit."""

from __future__ import annotations

import base64
import gzip
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks.webhooks import Webhook

from tests.support.contracts.notifier import AnsweredNotifierContract, AnsweringReceiver
from tests.support.contracts.notifier_events import EXAMPLES
from tests.support.http_exchange import (
    ENDLESS_BODY,
    TRICKLED_BODY,
    TRICKLED_HEADERS,
    Answer,
    Behaviour,
    Raw,
    ReceivedRequest,
    Reset,
    Stall,
    Trickle,
)
from tests.support.http_receiver import HttpReceiver
from waveflow.adapters.notifier.webhook import MAX_BODY_BYTES, WebhookNotifier
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.clock import Clock
from waveflow.application.ports import Notifier
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable

SHORT_S = 0.3
PATIENT_S = 30.0
SOON_S = 3.0
"""Well over what a delivery takes here, well below what it may take."""

EXAMPLE = EXAMPLES["hash of a known content"]
SECRETS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]

Make = Callable[..., WebhookNotifier]


@pytest.fixture
def server() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        yield server


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def make(server: HttpReceiver, tally: Tally) -> Iterator[Make]:
    """Makes notifiers to the server, and closes them."""
    made: list[WebhookNotifier] = []

    def make(url: str | None = None, **options: Any) -> WebhookNotifier:
        notifier = WebhookNotifier(url or server.url, tally=tally, clock=Clock(), **options)
        made.append(notifier)
        return notifier

    yield make
    for notifier in made:
        notifier.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


def fails(match: str = ".") -> AbstractContextManager[pytest.ExceptionInfo[NotifierUnavailable]]:
    return pytest.raises(NotifierUnavailable, match=match)


def open_connections(server: HttpReceiver) -> int:
    """Sockets of this process that are connected to the server, whichever side they are."""
    found = psutil.Process().net_connections("tcp")
    return sum(1 for each in found if each.raddr and each.raddr.port == server.port)


@contextmanager
def endless_server() -> Iterator[tuple[str, Future[int]]]:
    """Answers one request with 200 and a body without end; says how much could be sent of it."""

    def serve(listener: socket.socket) -> int:
        sent_bytes = 0
        with listener.accept()[0] as connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                sent_bytes += connection.send(b"x" * 65536)
        return sent_bytes

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(SOON_S)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", pool.submit(serve, listener)


class Webhooks(AnsweringReceiver):
    """The notifier and a server that records what comes."""

    def __init__(self, server: HttpReceiver, notifier: WebhookNotifier, tally: Tally) -> None:
        self._server = server
        self._notifier = notifier
        self._tally = tally

    @property
    def notifier(self) -> Notifier:
        return self._notifier

    @property
    def tally(self) -> Tally:
        return self._tally

    def arrived(self) -> list[WebhookRequest]:
        return [
            WebhookRequest(request.path, request.headers["webhook-id"], request.json())
            for request in self._server.requests()
        ]

    def go_away(self) -> None:
        self._server.go_away()

    def come_back(self) -> None:
        self._server.come_back()

    def answer(self, status: int, body: bytes = b"") -> None:
        self._server.answer(status, body)


class TestWebhookNotifier(AnsweredNotifierContract):
    @pytest.fixture
    def receiver(self, server: HttpReceiver, make: Make, tally: Tally) -> AnsweringReceiver:
        return Webhooks(server, make(timeout_s=PATIENT_S), tally)


class TestRequest:
    def test_it_is_a_post_of_json_that_names_its_sender(
        self, server: HttpReceiver, make: Make
    ) -> None:
        EXAMPLE.send(make())
        [request] = server.requests()
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"] == f"WaveFlow/{version('waveflow')}"
        assert request.headers["accept-encoding"] == "identity"
        assert "드럼 (최종).wav".encode() in request.body

    def test_the_timestamp_is_that_of_the_attempt(self, server: HttpReceiver, tally: Tally) -> None:
        times = iter([1_700_000_000.9, 1_700_000_060.0])
        clock = Clock(unix_s=lambda: next(times))
        server.behave(Reset())
        with WebhookNotifier(server.url, tally=tally, clock=clock) as notifier:
            for _ in range(2):
                with fails():
                    EXAMPLE.send(notifier)
        stamps = [request.headers["webhook-timestamp"] for request in server.requests()]
        assert stamps == ["1700000000", "1700000060"]
        assert len({request.headers["webhook-id"] for request in server.requests()}) == 1

    def test_path_query_and_login_of_the_url_are_used(
        self, server: HttpReceiver, make: Make
    ) -> None:
        EXAMPLE.send(make(f"http://us%40er:p%3Ass@127.0.0.1:{server.port}/api/?token=t%2F"))
        [request] = server.requests()
        assert request.target == "/api/hash-check?token=t%2F"
        login = base64.b64decode(request.headers["authorization"].removeprefix("Basic "))
        assert login == b"us@er:p:ss"

    def test_a_url_that_can_not_be_used_is_refused_at_once(self, make: Make) -> None:
        with pytest.raises(ValueError, match="http:// or https://"):
            make("main:3000")

    def test_an_id_that_no_header_can_hold_is_an_error_of_the_port(self, make: Make) -> None:
        event = WebhookRequest("/completion", "msg_\r\nX-Evil: 1", {})
        with fails("can't be written as HTTP"):
            make()._deliver(event)

    def test_what_is_not_json_is_never_sent(self, server: HttpReceiver, make: Make) -> None:
        with pytest.raises(ValueError, match="JSON"):
            make()._deliver(WebhookRequest("/completion", "msg_1", {"duration": float("nan")}))
        assert server.requests() == []


class TestSignature:
    def test_without_a_secret_there_is_none(self, server: HttpReceiver, make: Make) -> None:
        EXAMPLE.send(make())
        assert "webhook-signature" not in server.requests()[0].headers

    @pytest.mark.parametrize("count", [1, 2])
    def test_the_verifier_of_the_specification_accepts_it(
        self, server: HttpReceiver, make: Make, count: int
    ) -> None:
        EXAMPLE.send(make(secrets=SECRETS[:count]))
        [request] = server.requests()
        for secret in SECRETS[:count]:
            verified = Webhook(secret).verify(request.body, dict(request.headers))
            assert verified == EXAMPLE.arrives.body
        assert len(request.headers["webhook-signature"].split()) == count


class TestDeadline:
    @pytest.mark.parametrize(
        "behaviour",
        [
            Stall(),
            TRICKLED_HEADERS,
            Trickle(b"HTTP/1.1 ", b"2"),
            Trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        ],
        ids=["stalled", "trickled headers", "trickled status", "never more than 100 Continue"],
    )
    def test_it_is_for_the_whole_attempt(
        self, server: HttpReceiver, make: Make, behaviour: Behaviour
    ) -> None:
        server.behave(behaviour)
        began_s = time.monotonic()
        with fails("did not answer in time") as raised:
            EXAMPLE.send(make(timeout_s=SHORT_S))
        assert raised.value.too_slow
        assert SHORT_S <= time.monotonic() - began_s < SOON_S

    def test_waiting_for_a_connection_counts(self, server: HttpReceiver, make: Make) -> None:
        server.behave(Stall())
        notifier = make(timeout_s=2 * SHORT_S, connections=1)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(lambda: EXAMPLE.send(notifier))
            server.wait_for(1)
            began_s = time.monotonic()
            with fails("every connection stayed busy|did not|no connection came about"):
                EXAMPLE.send(notifier)
            assert time.monotonic() - began_s < SOON_S
            error = first.exception()
            assert isinstance(error, NotifierUnavailable)
            assert error.too_slow

    def test_an_attempt_that_failed_leaves_room_for_the_next(
        self, server: HttpReceiver, make: Make
    ) -> None:
        server.next(Stall(), TRICKLED_HEADERS, Stall())
        notifier = make(timeout_s=SHORT_S, connections=1)
        for _ in range(3):
            with fails():
                EXAMPLE.send(notifier)
        EXAMPLE.send(notifier)
        assert len(server.requests()) == 4


class TestBrokenConnections:
    @pytest.mark.parametrize("behaviour", [Reset(), Reset(politely=True)])
    def test_one_that_broke_after_sending_is_in_doubt_and_not_sent_again(
        self, server: HttpReceiver, make: Make, behaviour: Behaviour
    ) -> None:
        server.behave(behaviour)
        with fails("not known whether the event arrived") as raised:
            EXAMPLE.send(make())
        assert not raised.value.too_slow
        assert len(server.requests()) == 1

    def test_one_that_is_closed_before_anything_was_read_is_an_error(
        self, server: HttpReceiver, make: Make
    ) -> None:
        server.refuse()
        notifier = make()
        with fails("the connection broke"):
            EXAMPLE.send(notifier)
        EXAMPLE.send(notifier)
        assert len(server.requests()) == 1

    @pytest.mark.parametrize(
        "sent",
        [b"", b"HTTP/1.1 200 O", b"\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n"],
    )
    def test_what_is_no_answer_is_an_error(
        self, server: HttpReceiver, make: Make, sent: bytes
    ) -> None:
        server.behave(Raw(sent))
        with fails("not known whether"):
            EXAMPLE.send(make())

    def test_headers_without_end_are_an_error(self, server: HttpReceiver, make: Make) -> None:
        server.behave(Trickle(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 8192 + b"\r\n", 0))
        with fails("wasn't HTTP"):
            EXAMPLE.send(make())

    def test_a_server_that_does_not_listen_is_told_as_such(
        self, server: HttpReceiver, make: Make
    ) -> None:
        server.go_away()
        with fails("refused; check that the server runs") as raised:
            EXAMPLE.send(make())
        assert raised.value.__cause__ is not None
        assert not raised.value.too_slow

    @pytest.mark.parametrize("status", [302, 404, 422, 429, 500, 503, 504])
    def test_an_answer_whatever_it_says_is_not_too_slow(
        self, server: HttpReceiver, make: Make, status: int
    ) -> None:
        server.answer(status)
        with fails(str(status)) as raised:
            EXAMPLE.send(make())
        assert not raised.value.too_slow

    def test_a_host_that_does_not_exist_is_told_as_such(self, make: Make) -> None:
        with fails("name of the host was not found"):
            EXAMPLE.send(make("http://main.invalid/"))

    def test_a_switch_of_protocols_is_not_delivered(self, server: HttpReceiver, make: Make) -> None:
        server.behave(Raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"))
        with fails():
            EXAMPLE.send(make())


class TestKeptConnections:
    def test_events_in_sequence_share_one(self, server: HttpReceiver, make: Make) -> None:
        notifier = make()
        for _ in range(20):
            EXAMPLE.send(notifier)
        assert {request.connection for request in server.requests()} == {1}

    @pytest.mark.parametrize("status", [503, 302])
    def test_an_answer_that_is_not_2xx_costs_none(
        self, server: HttpReceiver, make: Make, status: int
    ) -> None:
        server.answer(status, b"x" * 1000)
        notifier = make()
        for _ in range(3):
            with fails():
                EXAMPLE.send(notifier)
        assert server.connections() == 1

    def test_many_threads_use_no_more_than_are_allowed(
        self, server: HttpReceiver, make: Make
    ) -> None:
        server.behave(Answer(delay_s=0.005))
        notifier = make(connections=3)
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(lambda: EXAMPLE.send(notifier)) for _ in range(64)]:
                done.result()
        assert len(server.requests()) == 64
        assert server.connections() <= 3

    def test_one_that_the_server_has_closed_meanwhile_is_made_anew(
        self, server: HttpReceiver, make: Make
    ) -> None:
        notifier = make()
        for _ in range(5):
            EXAMPLE.send(notifier)
            server.hang_up()
        assert len(server.requests()) == server.connections() == 5

    def test_one_that_the_server_announced_to_close_is_made_anew(
        self, server: HttpReceiver, make: Make
    ) -> None:
        server.behave(Answer(headers={"Connection": "close"}, hang_up=True))
        notifier = make()
        for _ in range(5):
            EXAMPLE.send(notifier)
        assert server.connections() == 5

    def test_a_server_that_was_restarted_gets_the_next_event(
        self, server: HttpReceiver, make: Make
    ) -> None:
        notifier = make()
        EXAMPLE.send(notifier)
        server.go_away()
        server.come_back()
        EXAMPLE.send(notifier)
        assert len(server.requests()) == 2


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_they_are_not_followed(self, server: HttpReceiver, make: Make, status: int) -> None:
        with HttpReceiver() as elsewhere:
            server.answer(status, headers={"Location": f"{elsewhere.url}/hash-check"})
            with fails(f"{status}.*Redirects"):
                EXAMPLE.send(make())
            assert elsewhere.connections() == 0


class TestBodies:
    def test_an_endless_one_changes_nothing(self, server: HttpReceiver, make: Make) -> None:
        server.behave(ENDLESS_BODY)
        began_s = time.monotonic()
        EXAMPLE.send(make(timeout_s=PATIENT_S))
        assert time.monotonic() - began_s < SOON_S

    def test_a_trickled_one_changes_nothing(self, server: HttpReceiver, make: Make) -> None:
        server.behave(TRICKLED_BODY)
        EXAMPLE.send(make(timeout_s=SHORT_S))
        assert len(server.requests()) == 1

    @pytest.mark.parametrize(
        "sent",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbroken off",
            b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\nzz",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk",
            b"HTTP/1.0 200\r\n\r\nuntil the end",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: =;;=\xff; expires=never\r\nRetry-After: ?\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        ],
    )
    def test_a_broken_one_changes_nothing(
        self, server: HttpReceiver, make: Make, tally: Tally, sent: bytes
    ) -> None:
        server.behave(Raw(sent))
        EXAMPLE.send(make())
        assert tally.counts() == {}

    def test_a_broken_one_leaves_a_refusal_a_refusal(
        self, server: HttpReceiver, make: Make
    ) -> None:
        server.behave(Raw(b"HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nbroken off"))
        with fails("503"):
            EXAMPLE.send(make())

    def test_a_big_one_is_read_in_part_and_its_connection_dropped(
        self, server: HttpReceiver, make: Make, tally: Tally
    ) -> None:
        server.answer(200, b'{"success": false, "x": "' + b"x" * MAX_BODY_BYTES + b'"}')
        notifier = make()
        for _ in range(2):
            EXAMPLE.send(notifier)
        assert tally.counts() == {}
        assert server.connections() == 2

    def test_of_an_endless_one_little_is_taken_off_the_wire(self, make: Make) -> None:
        with endless_server() as (url, sent):
            EXAMPLE.send(make(url, timeout_s=PATIENT_S))
            # The rest was in the buffers of both systems.
            assert MAX_BODY_BYTES <= sent.result(SOON_S) < 16 * 1024**2

    def test_a_packed_one_stays_packed(
        self, server: HttpReceiver, make: Make, tally: Tally
    ) -> None:
        packed = gzip.compress(b'{"success": false, "x": "' + b"\0" * 50_000_000 + b'"}', 9)
        server.answer(200, packed, {"Content-Encoding": "gzip"})
        EXAMPLE.send(make())
        assert tally.counts() == {}

    def test_cookies_are_not_kept(self, server: HttpReceiver, make: Make) -> None:
        server.answer(200, headers={"Set-Cookie": "session=1; Path=/"})
        notifier = make()
        for _ in range(2):
            EXAMPLE.send(notifier)
        assert not any("cookie" in request.headers for request in server.requests())


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    def test_seconds_are_handed_on(self, server: HttpReceiver, make: Make, status: int) -> None:
        server.answer(status, headers={"Retry-After": "7"})
        with fails() as raised:
            EXAMPLE.send(make())
        assert raised.value.retry_after_s == 7.0

    def test_a_date_is_handed_on_as_seconds(self, server: HttpReceiver, make: Make) -> None:
        server.answer(503, headers={"Retry-After": formatdate(time.time() + 60, usegmt=True)})
        with fails() as raised:
            EXAMPLE.send(make())
        assert raised.value.retry_after_s == pytest.approx(60, abs=5)

    @pytest.mark.parametrize("headers", [{}, {"Retry-After": "-1"}, {"Retry-After": "soon"}])
    def test_anything_else_is_nothing(
        self, server: HttpReceiver, make: Make, headers: dict[str, str]
    ) -> None:
        server.answer(503, headers=headers)
        with fails() as raised:
            EXAMPLE.send(make())
        assert raised.value.retry_after_s is None


class TestEnvironment:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_proxies_and_netrc_are_ignored(
        self,
        server: HttpReceiver,
        make: Make,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path_factory: pytest.TempPathFactory,
        host: str,
    ) -> None:
        netrc = tmp_path_factory.mktemp("home") / ".netrc"
        netrc.write_text(f"machine {host} login somebody password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("NO_PROXY", "example.com")
        with HttpReceiver() as trap:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, trap.url)
                monkeypatch.setenv(name.lower(), trap.url)
            EXAMPLE.send(make(f"http://{host}:{server.port}"))
            assert trap.connections() == 0
        assert "authorization" not in server.requests()[0].headers


class TestTls:
    @pytest.fixture
    def secure_server(self, certificate: Path) -> Iterator[HttpReceiver]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with HttpReceiver(context) as server:
            yield server

    def test_a_certificate_that_nobody_vouches_for_is_refused(
        self, secure_server: HttpReceiver, make: Make
    ) -> None:
        with fails("certificate was not accepted; it is checked against the default"):
            EXAMPLE.send(make(secure_server.url))
        assert secure_server.requests() == []

    def test_one_that_the_operator_vouches_for_is_accepted(
        self,
        secure_server: HttpReceiver,
        make: Make,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        notifier = make(secure_server.url)
        for _ in range(3):
            EXAMPLE.send(notifier)
        secure_server.hang_up()
        EXAMPLE.send(notifier)
        assert [each.connection for each in secure_server.requests()] == [1, 1, 1, 2]

    def test_closing_ends_a_stalled_one(
        self,
        secure_server: HttpReceiver,
        make: Make,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        secure_server.behave(Stall())
        notifier = make(secure_server.url, timeout_s=PATIENT_S)
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(lambda: EXAMPLE.send(notifier))
            secure_server.wait_for(1)
            notifier.close()
            with fails("closed meanwhile"):
                sent.result(SOON_S)

    def test_a_server_without_tls_is_told_as_such(self, make: Make) -> None:
        def answer_in_plain_text(listener: socket.socket) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                # Closed with something unread, it would be reset, perhaps before it is read.
                with suppress(ConnectionResetError):
                    while connection.recv(1 << 16):
                        pass

        with socket.create_server(("127.0.0.1", 0)) as plain, ThreadPoolExecutor(1) as pool:
            answered = pool.submit(answer_in_plain_text, plain)
            with fails("right about https"):
                EXAMPLE.send(make(f"https://127.0.0.1:{plain.getsockname()[1]}"))
            answered.result(SOON_S)

    def test_a_handshake_that_stalls_ends_with_the_attempt(self, make: Make) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began_s = time.monotonic()
            with fails("no connection came about in time"):
                EXAMPLE.send(
                    make(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout_s=SHORT_S)
                )
        assert SHORT_S <= time.monotonic() - began_s < SOON_S


def self_signed(path: Path) -> Path:
    """A certificate for 127.0.0.1 by nobody in particular, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class TestSecrecy:
    def test_no_error_shows_a_secret_a_login_or_a_token(
        self, server: HttpReceiver, make: Make
    ) -> None:
        server.next(Reset(), Answer(500), Raw(b"?"), Answer(302))
        url = f"http://user:PASS@127.0.0.1:{server.port}/api?token=TOKEN"
        notifier = make(url, secrets=SECRETS)
        shown = repr(notifier) + repr(vars(notifier))
        for _ in range(4):
            with fails() as raised:
                EXAMPLE.send(notifier)
            shown_error = str(raised.value) + str(raised.value.__cause__)
            assert not any(hidden in shown_error for hidden in ("PASS", "TOKEN", SECRETS[0][6:]))
        assert SECRETS[0][6:] not in shown
        assert str(bytes([1]) * 32) not in shown

    def test_an_error_says_where_and_which_event(self, server: HttpReceiver, make: Make) -> None:
        server.behave(Reset())
        with fails(f"127.0.0.1:{server.port}/hash-check .*{EXAMPLE.arrives.event_id}"):
            EXAMPLE.send(make())


class TestClosing:
    def test_nothing_is_left_behind(self, server: HttpReceiver, make: Make) -> None:
        threads_before = set(threading.enumerate())
        notifier = make()
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(lambda: EXAMPLE.send(notifier)) for _ in range(16)]:
                done.result()
        assert open_connections(server)
        notifier.close()
        assert not open_connections(server)
        ours = [each for each in threading.enumerate() if each.name != "http-receiver"]
        assert set(ours) <= threads_before

    @pytest.mark.parametrize("behaviour", [Stall(), TRICKLED_HEADERS])
    def test_what_is_under_way_fails_promptly(
        self, server: HttpReceiver, make: Make, behaviour: Behaviour
    ) -> None:
        server.behave(behaviour)
        notifier = make(timeout_s=PATIENT_S)
        with ThreadPoolExecutor(3) as pool:
            sent = [pool.submit(lambda: EXAMPLE.send(notifier)) for _ in range(3)]
            server.wait_for(3)
            began_s = time.monotonic()
            notifier.close()
            for each in sent:
                with fails("closed meanwhile"):
                    each.result(SOON_S)
        assert time.monotonic() - began_s < SOON_S
        assert not open_connections(server)

    def test_who_waits_for_a_connection_fails_too(self, server: HttpReceiver, make: Make) -> None:
        server.behave(Stall())
        notifier = make(timeout_s=PATIENT_S, connections=1)
        with ThreadPoolExecutor(2) as pool:
            sent = [pool.submit(lambda: EXAMPLE.send(notifier)) for _ in range(2)]
            server.wait_for(1)
            notifier.close()
            for each in sent:
                with fails("closed"):
                    each.result(SOON_S)

    def test_a_closed_one_refuses(self, server: HttpReceiver, make: Make) -> None:
        notifier = make()
        notifier.close()
        notifier.close()
        with fails("the notifier is closed"):
            EXAMPLE.send(notifier)
        assert server.connections() == 0


def test_the_server_that_decides_is_asked_with_path_and_body(
    server: HttpReceiver, make: Make, tally: Tally
) -> None:
    asked: list[tuple[str, Any]] = []

    def decide(path: str, body: Any) -> tuple[int, Any]:
        asked.append((path, body))
        return 200, {"success": False}

    server.decide(decide)
    EXAMPLE.send(make())
    assert asked == [(EXAMPLE.arrives.endpoint, EXAMPLE.arrives.body)]
    assert tally.counts() == {"delivered_with_error_body": 1}


def test_requests_that_never_come_are_told(server: HttpReceiver) -> None:
    def enough(requests: list[ReceivedRequest]) -> bool:
        return bool(requests)

    with pytest.raises(AssertionError, match="0 requests"):
        server.wait_until(enough, timeout_s=0.01)


def test_every_event_body_is_json_that_any_reader_takes(server: HttpReceiver, make: Make) -> None:
    notifier = make()
    for example in EXAMPLES.values():
        example.send(notifier)
    for request, example in zip(server.requests(), EXAMPLES.values(), strict=True):
        assert json.loads(request.body.decode()) == example.arrives.body
