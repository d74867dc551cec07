"""Every error that the HTTP packages can raise has its sentence."""

from __future__ import annotations

import inspect
import socket
import ssl

import httpcore
import httpx
import pytest

from waveflow.adapters.notifier.webhook_faults import explain, is_too_slow, known_fault
from waveflow.adapters.notifier.webhook_transport import httpx_errors


def errors_in(package: object) -> list[type[Exception]]:
    kinds = [kind for _, kind in inspect.getmembers(package, inspect.isclass)]
    return [kind for kind in kinds if issubclass(kind, Exception)]


def raised_by(package: object) -> list[type[Exception]]:
    """Those that others don't build on: only they are raised."""
    kinds = errors_in(package)
    return [kind for kind in kinds if not any(kind in other.__bases__ for other in kinds)]


@pytest.mark.parametrize("kind", raised_by(httpx), ids=lambda kind: kind.__name__)
def test_every_error_of_httpx_is_explained(kind: type[Exception]) -> None:
    # Not by its constructor, since they take different arguments.
    assert known_fault(kind.__new__(kind)) is not None


@pytest.mark.parametrize("kind", errors_in(httpcore), ids=lambda kind: kind.__name__)
def test_every_error_of_httpcore_becomes_one_of_httpx(kind: type[Exception]) -> None:
    with pytest.raises(httpx.TransportError) as raised, httpx_errors():
        raise kind("what happened")
    same = kind.__name__ == type(raised.value).__name__
    assert same or kind is httpcore.ConnectionNotAvailable
    assert known_fault(raised.value) is not None


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (ssl.SSLCertVerificationError(1, "self-signed"), "certificate"),
        (ssl.SSLError(1, "wrong version number"), "https"),
        (socket.gaierror(-2, "Name or service not known"), "DNS"),
        (ConnectionRefusedError(111, "Connection refused"), "refused"),
    ],
)
def test_the_cause_below_says_more(cause: OSError, sentence: str) -> None:
    error = httpx.ConnectError("no connection")
    # As httpcore does it, which raises again `from None`.
    error.__context__ = httpcore.ConnectError(cause)
    error.__context__.__context__ = cause
    assert sentence in explain(error)


def test_what_nobody_expected_is_named() -> None:
    assert explain(ZeroDivisionError("division by zero")) == (
        "something unexpected happened (ZeroDivisionError: division by zero)"
    )


def test_a_long_error_is_shown_in_part() -> None:
    assert len(explain(httpx.ReadError("x" * 10_000))) < 500


@pytest.mark.parametrize("kind", raised_by(httpx), ids=lambda kind: kind.__name__)
def test_only_an_answer_that_did_not_come_in_time_is_too_slow(kind: type[Exception]) -> None:
    """What wasn't even sent in time has not arrived."""
    assert is_too_slow(kind.__new__(kind)) is (kind is httpx.ReadTimeout)


def test_a_read_timeout_of_httpcore_is_too_slow() -> None:
    with pytest.raises(httpx.TransportError) as raised, httpx_errors():
        raise httpcore.ReadTimeout("timed out")
    assert is_too_slow(raised.value)


def test_what_was_too_slow_before_says_nothing_about_this_event() -> None:
    error = httpx.ConnectError("refused")
    error.__context__ = httpx.ReadTimeout("of an event that was sent before")
    assert not is_too_slow(error)
