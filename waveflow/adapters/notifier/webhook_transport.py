"""The transport of the webhook notifier: httpx on top, sockets with a deadline below.

`httpx.HTTPTransport` makes its own connection pool and hands no network backend to it, so this
one makes the pool. Import this module late: it takes httpx with it.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

from waveflow.adapters.notifier.webhook_sockets import DeadlineBackend

KEEPALIVE_S = 4.0
"""Less than the 5 s after which Node (NestJS) closes an idle connection: an event sent on a
connection that is being closed is in doubt."""


class DeadlineTransport(httpx.BaseTransport):
    """Pooled HTTP/1.1 connections for `httpx.Client`; use each attempt inside `deadline`."""

    def __init__(self, ssl_context: ssl.SSLContext | None, connections: int) -> None:
        """At most `connections` at a time; `ssl_context` is needed for https."""
        self._backend = DeadlineBackend()
        self._pool = httpcore.ConnectionPool(
            ssl_context,
            max_connections=connections,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=self._backend,
        )

    @contextmanager
    def deadline(self, timeout_s: float) -> Iterator[None]:
        """What the calling thread does inside fails when `timeout_s` are over."""
        self._backend.attempt.ends_at_s = time.monotonic() + timeout_s
        try:
            yield
        finally:
            self._backend.attempt.ends_at_s = math.inf

    def hurry(self, timeout_s: float) -> None:
        """The calling thread's attempt ends in `timeout_s`, if it doesn't end earlier."""
        attempt = self._backend.attempt
        attempt.ends_at_s = min(attempt.ends_at_s, time.monotonic() + timeout_s)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with httpx_errors():
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    content=request.read(),
                    extensions=request.extensions,
                )
            )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    def cut_off(self) -> None:
        """Make every attempt under way fail now, in whatever thread, and every later one."""
        self._backend.cut_off()

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with httpx_errors():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


_HTTPCORE_ERRORS = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)


@contextmanager
def httpx_errors() -> Iterator[None]:
    """Errors of httpcore as those of httpx."""
    try:
        yield
    except _HTTPCORE_ERRORS as error:
        # The two packages call the same thing by the same name.
        kind = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error)) from error
