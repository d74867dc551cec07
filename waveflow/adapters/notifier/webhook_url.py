"""The address of the main server, taken apart: what to call, what to show, what to keep quiet."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit


def validate_webhook_url(text: str) -> str:
    """`text` as it is, if webhooks can be sent there.

    Raises:
        ValueError: what it must look like, in words that quote nothing of it.
    """
    if any(letter <= " " or letter == "\x7f" for letter in text):
        raise ValueError("must hold no spaces and no control characters")
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must begin with http:// or https:// and a host")
    if "#" in text:
        raise ValueError("must hold no fragment (# and what follows)")
    if "@" in parts.path + parts.query:
        # Of http://user:12/34@host, "user" would be the host, and half a password the path.
        raise ValueError(
            "must hold an @ before its host only; in a login write %2F for /, %3F for ?"
        )
    _require_host(parts)
    return text


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError("must be a URL: http:// or https://, a host, a path") from None


def _require_host(parts: SplitResult) -> None:
    try:
        usable = bool(parts.hostname and parts.hostname.encode("idna"))
    except UnicodeError:
        usable = False
    if not usable:
        raise ValueError("must name a host that can exist")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("must have a port from 1 to 65535, or none")


def endpoint_url(url: str, endpoint: str) -> str:
    """Where `endpoint` is below `url`: the path is extended, a query kept, a login left out."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + endpoint
    return urlunsplit((parts.scheme, _host(parts), path, parts.query, ""))


def login(url: str) -> tuple[str, str] | None:
    """User and password in `url`, if it has any."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def shown_url(url: str, endpoint: str) -> str:
    """The same place for people to read: without login and query, which may hold a token."""
    return endpoint_url(url, endpoint).partition("?")[0]


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]
