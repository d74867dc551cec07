"""What must not be logged, whoever says it: a server may well repeat what it was sent."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, unquote_plus, urlsplit

from waveflow.adapters.notifier.signing import PREFIX

_FEWEST_CHARACTERS = 8
"""What is shorter might be part of any word."""
_VALUES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_ADDRESSES = ("WEBHOOK_URL", "AWS_ENDPOINT_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_SHOWN = "[secret]"


def secrets_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that the environment holds, as they might be repeated; the longest first."""
    found = {secret for secret in _found(environment) if len(secret) >= _FEWEST_CHARACTERS}
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))


def without(secrets: tuple[str, ...], text: str) -> str:
    """`text` with every secret replaced by a word."""
    for secret in secrets:
        text = text.replace(secret, _SHOWN)
    return text


def _found(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if name in _VALUES:
            yield value.strip()
        elif name == "WAVEFLOW_WEBHOOK_SECRET":
            for secret in value.split():
                yield secret.removeprefix(PREFIX).rstrip("=")
        elif name.upper().startswith(_ADDRESSES):
            yield from _in_address(value)


def _in_address(address: str) -> Iterator[str]:
    try:
        parts = urlsplit(address.strip())
        login, at, _ = parts.netloc.rpartition("@")
    except ValueError:
        return
    if at:
        user, _, password = login.partition(":")
        secret = password or user  # A user without a password is a token.
        yield from (secret, unquote(secret))
        header = f"{unquote(user)}:{unquote(password)}"
        yield base64.b64encode(header.encode()).decode().rstrip("=")
    for each in parts.query.split("&"):
        _, _, value = each.partition("=")
        yield from (value, unquote_plus(value))
