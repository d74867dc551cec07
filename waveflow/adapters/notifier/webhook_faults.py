"""What keeps a webhook from being delivered, in words for an operator.

Import this module late: it takes httpx with it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

_LONGEST_DETAIL = 200

_BROKE = (
    "the connection broke before the answer, so it is not known whether the event arrived; "
    "it is sent again"
)
_CERTIFICATE = (
    "the server's certificate was not accepted; it is checked against the default "
    "certificate authorities, or those in SSL_CERT_FILE"
)
_ANSWER = "the answer could not be read"
_URL = "WEBHOOK_URL can't be used as it is; check it"
_NO_CONNECTION = "no connection came about; check WEBHOOK_URL, the network and the firewall"

_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (
        ssl.SSLCertVerificationError,
        _CERTIFICATE,
    ),
    (ssl.SSLError, "no secure connection came about; check that WEBHOOK_URL is right about https"),
    (socket.gaierror, "the name of the host was not found; check WEBHOOK_URL and the DNS"),
    (
        ConnectionRefusedError,
        "the connection was refused; check that the server runs, and the port in WEBHOOK_URL",
    ),
    (
        httpx.ConnectTimeout,
        "no connection came about in time; check WEBHOOK_URL, the network and the firewall",
    ),
    (httpx.PoolTimeout, "every connection stayed busy; the server takes too long to answer"),
    (httpx.WriteTimeout, "the server did not take it in in time"),
    (httpx.ReadTimeout, "the server did not answer in time"),
    (httpx.TimeoutException, "it took too long"),
    (httpx.ConnectError, _NO_CONNECTION),
    (httpx.NetworkError, _BROKE),
    (httpx.RemoteProtocolError, f"{_BROKE}, or it wasn't HTTP; check WEBHOOK_URL"),
    (httpx.LocalProtocolError, "the request can't be written as HTTP; check WEBHOOK_URL"),
    (httpx.ProtocolError, _BROKE),
    (httpx.ProxyError, _NO_CONNECTION),
    (httpx.UnsupportedProtocol, _URL),
    (httpx.InvalidURL, _URL),
    (httpx.DecodingError, _ANSWER),
    (httpx.TooManyRedirects, "the server redirects; WEBHOOK_URL has to be where it leads"),
    (httpx.HTTPStatusError, _ANSWER),
    (httpx.CookieConflict, _ANSWER),
    (httpx.StreamError, _ANSWER),
    (httpx.TransportError, _NO_CONNECTION),
    (OSError, _NO_CONNECTION),
)
"""The first that fits, of the error or of what caused it, row by row."""


def explain(error: BaseException) -> str:
    """What happened and what to check, in part of a sentence, with the error's own words."""
    known = known_fault(error) or "something unexpected happened"
    detail = f"{type(error).__name__}: {error}".strip(": ")
    return f"{known} ({detail[:_LONGEST_DETAIL]})"


def is_too_slow(error: BaseException) -> bool:
    """Whether the event was sent, and only its answer didn't come in time."""
    # Not its causes, which reach back to whatever was being handled when the event was sent.
    return isinstance(error, httpx.ReadTimeout)


def known_fault(error: BaseException) -> str | None:
    """The sentence that fits `error` or one of its causes, if there is one."""
    chain = list(_causes(error))
    for kind, sentence in _SENTENCES:
        if any(isinstance(each, kind) for each in chain):
            return sentence
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # httpcore raises again `from None`, which leaves the cause in the context alone.
        error = error.__cause__ or error.__context__
