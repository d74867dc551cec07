"""The worker's HTTP port: what it answers, and to whom it doesn't give in."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, Gate, in_thread
from waveflow.entrypoints.settings import SettingsError
from waveflow.entrypoints.worker import http_port
from waveflow.entrypoints.worker.http_port import MOST_CONNECTIONS, HttpPort, Page, PortInUse

HELLO = Page(200, b"hello", "text/plain")


def fail() -> Page:
    raise ValueError("a defect")


PAGES: dict[str, Callable[[], Page]] = {
    "/hello": lambda: HELLO,
    "/ill": lambda: Page.of(503, {"well": False}),
    "/defect": fail,
}


@pytest.fixture(autouse=True)
def closed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_port, "_TIDY_EVERY_S", 0.01)


@pytest.fixture
def port() -> Iterator[HttpPort]:
    with HttpPort("127.0.0.1", 0, PAGES) as port:
        yield port


def ask(
    port: HttpPort, path: str, method: str = "GET", host: str = "127.0.0.1"
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(host, port.port, timeout=SECONDS)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def said_to(port: HttpPort, *parts: bytes) -> bytes:
    """Everything that is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", port.port), SECONDS) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        with suppress(ConnectionResetError):
            while read := connection.recv(65536):
                answer += read
        return answer


@contextmanager
def silent_clients(port: HttpPort, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port.port), SECONDS))
            for _ in range(count)
        ]


def answering_threads() -> int:
    return sum(thread.name == "http-answer" for thread in threading.enumerate())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestAnswers:
    def test_a_page_is_answered_as_it_is_and_the_connection_closed(self, port: HttpPort) -> None:
        status, headers, body = ask(port, "/hello?verbose")
        assert (status, body) == (200, b"hello")
        assert headers == {
            "Content-Type": "text/plain",
            "Content-Length": "5",
            "Cache-Control": "no-store",
        }

    def test_a_page_of_json_has_its_own_status(self, port: HttpPort) -> None:
        status, headers, body = ask(port, "/ill")
        assert (status, json.loads(body)) == (503, {"well": False})
        assert headers["Content-Type"] == "application/json"

    def test_head_is_the_same_without_the_body(self, port: HttpPort) -> None:
        status, headers, body = ask(port, "/hello", "HEAD")
        assert (status, headers["Content-Length"], body) == (200, "5", b"")

    @pytest.mark.parametrize("path", ["/", "/hello/", "/../hello", "/%2e%2e/etc/passwd"])
    def test_what_is_not_there_is_not_found(self, port: HttpPort, path: str) -> None:
        status, _, body = ask(port, path)
        assert status == 404
        assert json.loads(body) == {"error": "Not Found", "pages": sorted(PAGES)}

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
    def test_nothing_but_reading_is_allowed(self, port: HttpPort, method: str) -> None:
        status, headers, body = ask(port, "/hello", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
        assert json.loads(body)["error"] == "Method Not Allowed"

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
            (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
            (b"GET /hello HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
            (b"GET /hello HTTP/9.9\r\n\r\n", b"505"),
        ],
    )
    def test_nonsense_is_refused_in_json(
        self, port: HttpPort, request_: bytes, status: bytes
    ) -> None:
        answer = said_to(port, request_)
        assert status in answer
        assert b'"error": ' in answer
        assert ask(port, "/hello")[0] == 200

    def test_it_does_not_say_what_it_is_made_of(self, port: HttpPort) -> None:
        for request_ in (b"GET /hello HTTP/1.1\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n", b"\0\r\n\r\n"):
            answer = said_to(port, request_).lower()
            assert b"python" not in answer
            assert b"server:" not in answer

    def test_a_request_that_comes_in_pieces_is_a_request(self, port: HttpPort) -> None:
        assert said_to(port, b"GE", b"T /hel", b"lo HTTP/1.1\r", b"\n\r\n").endswith(b"hello")

    def test_a_defect_is_logged_and_the_next_request_answered(self, port: HttpPort) -> None:
        with capture_logs() as logs:
            assert ask(port, "/defect")[0] == 500
        assert [log["event"] for log in logs] == ["defect"]
        assert ask(port, "/hello")[0] == 200

    def test_requests_are_not_logged(
        self, port: HttpPort, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with capture_logs() as logs:
            ask(port, "/hello")
            ask(port, "/nowhere")
            said_to(port, b"nonsense\r\n\r\n")
        assert logs == []
        assert capfd.readouterr() == ("", "")


class TestOtherClients:
    def test_clients_that_say_nothing_keep_nobody_from_an_answer(self, port: HttpPort) -> None:
        before = open_descriptors()
        with silent_clients(port, 120):
            assert ask(port, "/hello")[0] == 200
            # Those of the clients are this process's, too.
            assert eventually(lambda: open_descriptors() - before - 120 <= 2 * MOST_CONNECTIONS + 1)
            assert answering_threads() <= 2 * MOST_CONNECTIONS
            assert ask(port, "/hello")[0] == 200
        assert eventually(lambda: answering_threads() == 0)
        assert open_descriptors() <= before

    def test_a_client_that_says_nothing_is_hung_up_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_port._Request, "timeout", 0.01)
        with HttpPort("127.0.0.1", 0, PAGES) as port, silent_clients(port, 1) as [client]:
            assert client.recv(1) == b""

    def test_a_client_that_never_comes_to_an_end_is_hung_up_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_port, "LONGEST_S", 0.01)
        with HttpPort("127.0.0.1", 0, PAGES) as port, silent_clients(port, 1) as [client]:
            client.sendall(b"GET /hello HTTP/1.1\r\nX-Long: ")
            assert client.recv(1) == b""

    def test_a_page_that_takes_long_keeps_no_other_waiting(self) -> None:
        gate = Gate()

        def wait() -> Page:
            gate()
            return HELLO

        with (
            HttpPort("127.0.0.1", 0, PAGES | {"/slow": wait}) as port,
            in_thread(lambda: ask(port, "/slow")) as slow,
        ):
            gate.wait_until_reached()
            assert ask(port, "/hello")[0] == 200
            gate.open()
            assert slow.result(SECONDS)[0] == 200

    def test_a_client_that_leaves_before_the_answer_is_no_defect(self) -> None:
        gate = Gate()

        def large() -> Page:
            gate()
            return Page(200, bytes(20_000_000))

        with capture_logs() as logs, HttpPort("127.0.0.1", 0, {"/large": large}) as port:
            with silent_clients(port, 1) as [client]:
                client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
                gate.wait_until_reached()
            gate.open()
            assert eventually(lambda: answering_threads() == 0)
        assert logs == []

    def test_a_process_without_room_for_a_thread_hangs_up_and_goes_on(
        self, port: HttpPort, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            assert said_to(port, b"GET /hello HTTP/1.1\r\n\r\n") == b""
        assert ask(port, "/hello")[0] == 200

    def test_a_flood_is_hung_up_on(self, port: HttpPort, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_port, "MOST_CONNECTIONS", 0)
        assert said_to(port, b"GET /hello HTTP/1.1\r\n\r\n") == b""

    def test_a_system_without_descriptors_is_asked_again_and_not_at_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[float] = []
        accept = socket.socket.accept

        def none_left(self: socket.socket) -> object:
            asked.append(1)
            if len(asked) < 3:
                raise OSError(24, "Too many open files")
            return accept(self)

        pauses: list[float] = []
        monkeypatch.setattr(time, "sleep", pauses.append)
        with HttpPort("127.0.0.1", 0, PAGES) as port:
            monkeypatch.setattr(socket.socket, "accept", none_left)
            assert ask(port, "/hello")[0] == 200
        assert len(pauses) == 2
        assert all(pauses)


class TestListening:
    def test_a_port_that_is_taken_is_told_with_the_setting(self, port: HttpPort) -> None:
        with pytest.raises(PortInUse, match=f"WAVEFLOW_HTTP_PORT is {port.port}.*another port"):
            HttpPort("127.0.0.1", port.port, PAGES)

    @pytest.mark.parametrize(
        "host", ["192.0.2.1", "no-such-host.invalid", "a b", "x" * 300, "[::1]"]
    )
    def test_an_address_that_this_machine_has_not_is_a_wrong_setting(self, host: str) -> None:
        with pytest.raises(SettingsError, match=r"WAVEFLOW_HTTP_HOST '.*no such address"):
            HttpPort(host, 0, PAGES)

    def test_a_port_that_was_left_a_moment_ago_is_free(self) -> None:
        with HttpPort("127.0.0.1", 0, PAGES) as port:
            number = port.port
            assert ask(port, "/hello")[0] == 200
        with HttpPort("127.0.0.1", number, PAGES) as port:
            assert ask(port, "/hello")[0] == 200
            assert port.is_alive()
        assert not port.is_alive()

    @pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
    @pytest.mark.parametrize(
        ("host", "asked"), [("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")]
    )
    def test_it_listens_on_addresses_of_ipv6_too(self, host: str, asked: str) -> None:
        with HttpPort(host, 0, PAGES) as port:
            assert ask(port, "/hello", host=asked)[0] == 200

    def test_all_of_the_machine(self) -> None:
        with HttpPort("0.0.0.0", 0, PAGES) as port:
            assert ask(port, "/hello")[0] == 200
