"""The notifier that tells the main server by webhook: HTTP POST, Standard Webhooks headers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from threading import Condition
from types import TracebackType
from typing import TYPE_CHECKING, Self

from waveflow.adapters.notifier.answer import WebhookAnswer, require_delivered, retry_after_s
from waveflow.adapters.notifier.delivery_log import DeliveryResult, log_delivery
from waveflow.adapters.notifier.signing import SigningSecret, signatures
from waveflow.adapters.notifier.webhook_url import (
    endpoint_url,
    login,
    shown_url,
    validate_webhook_url,
)
from waveflow.adapters.notifier.wire import (
    WebhookRequest,
    completion,
    hash_check,
    mixing_complete,
)
from waveflow.application.clock import Clock
from waveflow.application.events import HashGenerated, StageMixed, StemCompleted
from waveflow.application.ports import Notifier
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable

if TYPE_CHECKING:
    import httpx

    from waveflow.adapters.notifier.webhook_transport import DeadlineTransport

CONNECT_TIMEOUT_S = 5.0
"""For the name and all addresses together; once more for the TLS handshake."""

BODY_TIMEOUT_S = 5.0
"""For the rest of an answer whose status is known: what it decides is decided."""

MAX_BODY_BYTES = 64 * 1024

CLOSING_S = 2 * CONNECT_TIMEOUT_S + 1
"""Attempts that are still connecting when the notifier is closed end by themselves in this."""


class WebhookNotifier(Notifier):
    """POSTs each event below a URL, for any number of threads. Close it, or use it in a `with`.

    Nothing is sent twice by itself. Before a kept connection is used again it is checked for
    having been closed; one that breaks later leaves in doubt whether the event arrived.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[SigningSecret | str] = (),
        timeout_s: float = 30.0,
        connections: int = 16,
        tally: Tally,
        clock: Clock,
    ) -> None:
        """Send to `url` + the endpoint.

        Args:
            secrets: each signs every event; none leaves them unsigned.
            timeout_s: for one attempt, from waiting for a connection to the answer's headers.
            connections: at most so many at a time; further threads wait for one.

        Raises:
            ValueError: when `url` or a secret can't be used.
        """
        self._url = validate_webhook_url(url)
        self._secrets = [SigningSecret.parse(s) if isinstance(s, str) else s for s in secrets]
        self._timeout_s = timeout_s
        self._tally = tally
        self._clock = clock
        self._changed = Condition()
        self._under_way = 0
        self._closed = False
        self._transport, self._client = _connect(self._url, timeout_s, connections)

    def hash_generated(self, event: HashGenerated) -> None:
        self._deliver(hash_check(event))

    def stem_completed(self, event: StemCompleted) -> None:
        self._deliver(completion(event))

    def stage_mixed(self, event: StageMixed) -> None:
        self._deliver(mixing_complete(event))

    def close(self) -> None:
        """Break off what is under way, which fails, and close every connection."""
        with self._changed:
            self._closed = True
        self._transport.cut_off()
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0, CLOSING_S)
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _deliver(self, request: WebhookRequest) -> None:
        body = json.dumps(request.body, ensure_ascii=False, allow_nan=False).encode()
        result: DeliveryResult = "undelivered"
        try:
            with self._open_for(request):
                answer = self._exchange(request, body)
            is_handled = require_delivered(request, answer, self._tally)
            result = "delivered" if is_handled else "error_body"
        finally:
            self._tally.add("webhook", request.endpoint, result)
        log_delivery(request, answer.status, len(body))

    @contextmanager
    def _open_for(self, request: WebhookRequest) -> Iterator[None]:
        with self._changed:
            if self._closed:
                raise self._unavailable(request, "the notifier is closed")
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _exchange(self, request: WebhookRequest, body: bytes) -> WebhookAnswer:
        from waveflow.adapters.notifier.webhook_faults import explain, is_too_slow

        try:
            with self._transport.deadline(self._timeout_s):
                response = self._client.send(self._post(request, body), stream=True)
                return self._answer(response)
        # Whatever it is, it leaves open whether the event arrived; the port has one word for that.
        except Exception as error:
            happened = "the notifier was closed meanwhile" if self._closed else explain(error)
            raise self._unavailable(request, happened, is_too_slow(error)) from error

    def _post(self, request: WebhookRequest, body: bytes) -> httpx.Request:
        timestamp_s = int(self._clock.unix_s())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": request.event_id,
            "webhook-timestamp": str(timestamp_s),
        }
        if self._secrets:
            headers["webhook-signature"] = signatures(
                self._secrets, request.event_id, timestamp_s, body
            )
        return self._client.build_request(
            "POST",
            endpoint_url(self._url, request.endpoint),
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            content=body,
        )

    def _answer(self, response: httpx.Response) -> WebhookAnswer:
        self._transport.hurry(BODY_TIMEOUT_S)
        asked_for = response.headers.get("Retry-After", "")
        return WebhookAnswer(
            response.status_code,
            _beginning_of(response),
            retry_after_s=retry_after_s(asked_for, self._clock.unix_s()),
        )

    def _unavailable(
        self, request: WebhookRequest, happened: str, too_slow: bool = False
    ) -> NotifierUnavailable:
        where = shown_url(self._url, request.endpoint)
        return NotifierUnavailable(
            f"{where} was not told of {request.event_id}: {happened}.", too_slow=too_slow
        )


def _beginning_of(response: httpx.Response) -> bytes:
    """What comes of the body, undecoded: an answer that unpacks to gigabytes stays packed."""
    body = bytearray()
    try:
        # The status has come: however the body ends, it changes nothing.
        with suppress(Exception):
            for chunk in response.iter_raw():
                body += chunk
                if len(body) >= MAX_BODY_BYTES:
                    break
    finally:
        # Drops the connection unless the body was read to its end.
        with suppress(Exception):
            response.close()
    return bytes(body[:MAX_BODY_BYTES])


def _connect(
    url: str, timeout_s: float, connections: int
) -> tuple[DeadlineTransport, httpx.Client]:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    from waveflow.adapters.notifier.webhook_transport import DeadlineTransport

    context = httpx.create_ssl_context() if url.lower().startswith("https:") else None
    transport = DeadlineTransport(context, connections)
    client = httpx.Client(
        transport=transport,
        # Proxies and .netrc are the environment's idea of where to send this, not ours.
        trust_env=False,
        follow_redirects=False,
        auth=login(url),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        headers={"User-Agent": f"WaveFlow/{version('waveflow')}", "Accept-Encoding": "identity"},
    )
    return transport, client
