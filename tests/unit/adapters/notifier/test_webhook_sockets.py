"""Connecting takes no longer than it may, whatever names and addresses do."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpcore
import pytest

from waveflow.adapters.notifier.webhook_sockets import DeadlineBackend

SHORT_S = 0.2
SOON_S = 3.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port on 127.0.0.2 where connections are neither taken nor refused."""
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        waiting.connect(full.getsockname())
        yield full.getsockname()[1]


def test_a_name_that_is_not_found_in_time_is_given_up() -> None:
    answered = threading.Event()

    def hang(host: str) -> list[str]:
        answered.wait()
        return []

    began_s = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout, match="name of the host"):
        DeadlineBackend(hang).connect_tcp("main", 80, SHORT_S)
    assert SHORT_S <= time.monotonic() - began_s < SOON_S
    answered.set()


def test_a_name_without_addresses_is_no_connection() -> None:
    with pytest.raises(httpcore.ConnectError, match="no address"):
        DeadlineBackend(lambda host: []).connect_tcp("main", 80, SHORT_S)


def test_a_name_that_can_not_be_written_is_no_connection() -> None:
    with pytest.raises(httpcore.ConnectError) as raised:
        DeadlineBackend().connect_tcp("a" * 64, 80, SOON_S)
    assert isinstance(raised.value.__cause__, UnicodeError | OSError)


def test_after_an_address_that_refuses_the_next_is_tried(listener: socket.socket) -> None:
    backend = DeadlineBackend(lambda host: ["127.0.0.3", "127.0.0.1"])
    stream = backend.connect_tcp("main", listener.getsockname()[1], SOON_S)
    stream.close()


def test_an_address_that_never_answers_leaves_time_for_the_next(full_port: int) -> None:
    backend = DeadlineBackend(lambda host: ["127.0.0.2", "127.0.0.1"])
    with socket.create_server(("127.0.0.1", full_port)):
        began_s = time.monotonic()
        stream = backend.connect_tcp("main", full_port, 2 * SHORT_S)
        assert time.monotonic() - began_s < SOON_S
    stream.close()


def test_addresses_that_never_answer_take_the_time_of_one(full_port: int) -> None:
    backend = DeadlineBackend(lambda host: ["127.0.0.2"] * 4)
    began_s = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_tcp("main", full_port, SHORT_S)
    assert SHORT_S * 0.9 <= time.monotonic() - began_s < SOON_S


@pytest.mark.parametrize("operation", ["read", "write", "start_tls"])
def test_nothing_is_begun_when_the_time_is_over(listener: socket.socket, operation: str) -> None:
    backend = DeadlineBackend()
    stream = backend.connect_tcp("127.0.0.1", listener.getsockname()[1], SOON_S)
    backend.attempt.ends_at_s = time.monotonic() - 1
    with pytest.raises(httpcore.TimeoutException, match="time for this attempt is over"):
        getattr(stream, operation)(b"x")
    stream.close()


def test_one_thread_s_deadline_is_not_another_s(listener: socket.socket) -> None:
    backend = DeadlineBackend()
    other = threading.Thread(target=lambda: setattr(backend.attempt, "ends_at_s", 0.0))
    other.start()
    other.join()
    assert backend.attempt.ends_at_s == math.inf


def test_a_reader_that_takes_nothing_in_ends_a_write(listener: socket.socket) -> None:
    backend = DeadlineBackend()
    stream = backend.connect_tcp("127.0.0.1", listener.getsockname()[1], SOON_S)
    backend.attempt.ends_at_s = time.monotonic() + SHORT_S
    with pytest.raises(httpcore.WriteTimeout):
        stream.write(b"x" * 50_000_000)
    stream.close()


def test_once_cut_off_nothing_is_connected_any_more(listener: socket.socket) -> None:
    backend = DeadlineBackend()
    backend.cut_off()
    with pytest.raises(httpcore.ConnectError, match="closed"):
        backend.connect_tcp("127.0.0.1", listener.getsockname()[1], SOON_S)
    with suppress(OSError):
        listener.close()
