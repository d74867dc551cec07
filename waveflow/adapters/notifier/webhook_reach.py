"""Whether the main server can be reached: a connection, and nothing said on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from attrs import define, field

from waveflow.adapters.notifier.webhook_url import shown_url
from waveflow.domain.errors import NotifierUnavailable

if TYPE_CHECKING:
    import ssl

_PORTS = {"http": 80, "https": 443}
_TIMEOUT_S = 5.0


@define(eq=False)
class WebhookHost:
    """The host that webhooks go to.

    Today's server takes whatever it is sent for an event, and an event twice for two. So no
    request is made: name, connection and, for https, certificate are all that is tried. The
    way there is that of a webhook.

    Attributes:
        url: of webhooks, a valid one.
    """

    url: str
    _tls: ssl.SSLContext | None = field(default=None, init=False)

    def require_reachable(self) -> None:
        """Connect, and hang up.

        Raises:
            NotifierUnavailable: when no connection comes about; says what to check.
        """
        from waveflow.adapters.notifier.webhook_faults import explain

        try:
            self._connect()
        except Exception as error:
            where = shown_url(self.url, "")
            raise NotifierUnavailable(f"{where} can't be reached: {explain(error)}.") from error

    def _connect(self) -> None:
        import httpx

        from waveflow.adapters.notifier.webhook_sockets import DeadlineBackend
        from waveflow.adapters.notifier.webhook_transport import httpx_errors

        url = httpx.URL(self.url)
        host = url.raw_host.decode("ascii")
        backend = DeadlineBackend()
        backend.attempt.ends_at_s = time.monotonic() + _TIMEOUT_S
        with httpx_errors():
            stream = backend.connect_tcp(host, url.port or _PORTS[url.scheme])
            try:
                if url.scheme == "https":
                    self._tls = self._tls or httpx.create_ssl_context()
                    stream = stream.start_tls(self._tls, host)
            finally:
                stream.close()
