"""Who may talk to the studio: the browser that was given its address, and no other page in it.

Any page that somebody has open can send requests to this machine, under a name of its own even
(DNS rebinding), and so can other people who are logged in here. A request has to name us as
its host, to bring the token or the cookie that was had for it, and, where it changes anything, a
header that no page elsewhere can send.
"""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs

from attrs import field, frozen
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waveflow.entrypoints.studio.refusals import refusal

WRITE_HEADER = "x-waveflow"
_READING = ("GET", "HEAD")
_STRANGER = (
    "This page is for whoever has its address: open the one that `waveflow studio` has printed,"
    " with its token.\n"
)
_OTHER_ADDRESS = (
    "The studio has another address: open the one that `waveflow studio` has printed. A tunnel"
    " needs the same port at both of its ends.\n"
)
_GO_ON = (
    '<!doctype html><title>WaveFlow Studio</title><meta http-equiv="refresh" content="0;url=/">'
)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_OF_STRANGERS_FILES = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""For what people uploaded, were it opened as a page."""
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


@frozen
class Guard:
    """Lets through to `app` what comes from the page itself, and puts its headers on all answers.

    Attributes:
        token: what the printed address has.
        port: where the studio listens.
    """

    app: ASGIApp
    token: str = field(repr=False)
    port: int

    @property
    def cookie(self) -> str:
        """The cookie's name. Cookies don't tell ports apart."""
        return f"waveflow_studio_{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        answer = self._answer(scope, Headers(scope=scope))
        await (answer or self.app)(scope, receive, send_guarded)

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """What to say at once; None for what the studio is to answer."""
        if headers.get("host") not in self._hosts():
            return _answer_to(scope["path"], 400, _OTHER_ADDRESS, "wrong_host")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        given = query.get("token", [])
        if scope["path"] == "/" and given:
            return self._let_in(headers) if _same(given[0], self.token) else _strange("/")
        if not _same(cookie_parser(headers.get("cookie", "")).get(self.cookie, ""), self.token):
            return _strange(scope["path"])
        return self._refused(scope, headers)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts()}:
            return refusal(403, "Another page has sent this.", "wrong_origin")
        fetched_by = headers.get("sec-fetch-site", "none")
        if scope["path"] != "/" and fetched_by not in ("same-origin", "none"):
            return refusal(403, "Another page has sent this.", "wrong_origin")
        if scope["method"] not in _READING and headers.get(WRITE_HEADER) != "1":
            return refusal(403, "The header X-Waveflow: 1 is missing.", "missing_header")
        return None

    def _hosts(self) -> frozenset[str]:
        # Browsers leave HTTP's own port out.
        port = "" if self.port == 80 else f":{self.port}"
        return frozenset(name + port for name in ("127.0.0.1", "localhost"))

    def _let_in(self, headers: Headers) -> Response:
        # From a link on another site, a terminal in a browser say, the redirect would count as that
        # site's own and come without the cookie. A page of ours that goes on is ours.
        is_linked = headers.get("sec-fetch-site", "none") in ("same-site", "cross-site")
        answer = HTMLResponse(_GO_ON) if is_linked else RedirectResponse("/", 303)
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
        return answer


def _strange(path: str) -> Response:
    return _answer_to(path, 403, _STRANGER, "no_token")


def _answer_to(path: str, status: int, sentence: str, code: str) -> Response:
    """For the page's scripts, or for whoever has typed an address."""
    if path.startswith("/api/"):
        return refusal(status, sentence.strip(), code)
    return PlainTextResponse(sentence, status)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def policy_with(nonce: str) -> str:
    """The page's policy, with room for the style element of wavesurfer.js in its shadow trees."""
    return _POLICY.replace("style-src 'self'", f"style-src 'self' 'nonce-{nonce}'")


def _add_headers(headers: MutableHeaders, path: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    policy = _OF_STRANGERS_FILES if path.startswith("/api/") else _POLICY
    headers.setdefault("content-security-policy", policy)
    headers.setdefault("cache-control", "no-store" if path.startswith("/api/") else "no-cache")
