"""Sockets on which no attempt takes longer than it may.

httpx limits each operation, not their sum: a server that sends a byte of its headers every few
seconds keeps a request open for ever. Here a network backend, which httpcore lets one hand in,
gives every read and write no more than what is left of the attempt.

An asyncio loop in a thread of its own, with a timeout around the request, would be the other way.
It takes two to three times the processor time per event (0.9 to 1.7 ms, not 0.4 to 0.6), and
httpcore's asynchronous pool loses a connection for good when a request is cancelled at the wrong
moment (encode/httpcore#1093), until none is left. A name lookup that hangs would keep its
executor's thread, and with it the end of the process.

Import this module late: httpcore takes its time.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import httpcore

_WRITTEN_AT_ONCE = 64 * 1024

Resolve = Callable[[str], list[str]]
"""Name of a host -> its addresses."""

_SocketOptions = Iterable[httpcore.SOCKET_OPTION] | None


class _Attempt(threading.local):
    """When the calling thread's attempt ends; httpcore does all its work in that thread."""

    ends_at_s: float = math.inf


def addresses_of(host: str) -> list[str]:
    """What the system's resolver knows. Raises `OSError` or `UnicodeError`."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in infos]


class DeadlineBackend(httpcore.NetworkBackend):
    """Sockets that know the deadline of the thread that uses them, and can all be cut off."""

    def __init__(self, resolve: Resolve = addresses_of) -> None:
        """Look names up with `resolve`, which may hang."""
        self._resolve = resolve
        self.attempt = _Attempt()
        self._sockets = httpcore.SyncBackend()
        self._open: set[_DeadlineStream] = set()
        self._lock = threading.Lock()
        self._cut_off = False

    def left_s(self, timeout_s: float | None, error: type[httpcore.TimeoutException]) -> float:
        """Seconds that an operation may take. Raises `error` when there are none left."""
        # The sockets wait in real time, so the deadline is real too, whatever clock a test has.
        left_s = self.attempt.ends_at_s - time.monotonic()
        if left_s <= 0:
            raise error("The time for this attempt is over.")
        return min(left_s, threading.TIMEOUT_MAX if timeout_s is None else timeout_s)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions = None,
    ) -> httpcore.NetworkStream:
        ends_at_s = time.monotonic() + self.left_s(timeout, httpcore.ConnectTimeout)
        addresses = _in_time(self._resolve, host, ends_at_s - time.monotonic())
        for number, address in enumerate(addresses, start=1):
            # A share for each, so that an address nobody answers at leaves time for the next.
            share_s = (ends_at_s - time.monotonic()) / (len(addresses) - number + 1)
            try:
                stream = self._sockets.connect_tcp(
                    address, port, max(share_s, 0.001), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return self.watch(stream)
        raise httpcore.ConnectError("The host has no address.")

    def watch(self, stream: httpcore.NetworkStream) -> _DeadlineStream:
        """Put `stream` under the deadline, and among those that `cut_off` ends."""
        watched = _DeadlineStream(self, stream)
        with self._lock:
            if not self._cut_off:
                self._open.add(watched)
                return watched
        stream.close()
        raise httpcore.ConnectError("The notifier is closed.")

    def forget(self, stream: _DeadlineStream) -> None:
        """`stream` is about to be closed, or handed on."""
        with self._lock:
            self._open.discard(stream)

    def cut_off(self) -> None:
        """Make every operation under way fail now, and every later one."""
        # With the lock held no stream is closed meanwhile, so no number of a socket is reused.
        with self._lock:
            self._cut_off = True
            for stream in self._open:
                with suppress(OSError):
                    # Of the plain socket: the TLS one would take its state away from its reader.
                    socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every operation ends with the attempt that it is part of."""

    def __init__(self, backend: DeadlineBackend, stream: httpcore.NetworkStream) -> None:
        self._backend = backend
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.left_s(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In parts, because a part that the other side takes in slowly is given its time anew.
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            left_s = self._backend.left_s(timeout, httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + _WRITTEN_AT_ONCE], left_s)

    def close(self) -> None:
        self._backend.forget(self)
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        # The plain socket is given up to the TLS one, which can't be cut off before it is made.
        self._backend.forget(self)
        try:
            left_s = self._backend.left_s(timeout, httpcore.ConnectTimeout)
            stream = self._stream.start_tls(ssl_context, server_hostname, left_s)
        except BaseException:
            self._stream.close()
            raise
        return self._backend.watch(stream)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _in_time(resolve: Resolve, host: str, timeout_s: float) -> list[str]:
    """The host's addresses. The resolver knows no timeout, so a thread asks it.

    A daemon: one that hangs keeps its thread for as long as it hangs, but not the process.
    """
    found: Future[list[str]] = Future()

    def ask() -> None:
        try:
            found.set_result(resolve(host))
        except (OSError, UnicodeError) as error:
            found.set_exception(error)

    asking = threading.Thread(target=ask, name="webhook-name-lookup", daemon=True)
    asking.start()
    asking.join(timeout_s)
    if not found.done():
        raise httpcore.ConnectTimeout("The name of the host was not found in time.")
    try:
        return found.result()
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
