"""Signatures as in Standard Webhooks 1.0: the server can tell whose event it is, and when made."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

from attrs import field, frozen

PREFIX = "whsec_"
SHORTEST_KEY_BYTES = 24
LONGEST_KEY_BYTES = 64


@frozen
class SigningSecret:
    """A key that the server has too. Its repr doesn't show it."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> SigningSecret:
        """The secret written as base64, with or without `whsec_` before it.

        Raises:
            ValueError: what a secret must look like, without a word of this one.
        """
        encoded = text.removeprefix(PREFIX).rstrip("=")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            # The error's own text, and its cause's, could quote the secret.
            raise ValueError(f"must be base64, with or without {PREFIX} before it") from None
        if not SHORTEST_KEY_BYTES <= len(key) <= LONGEST_KEY_BYTES:
            raise ValueError(
                f"must be a key of {SHORTEST_KEY_BYTES} to {LONGEST_KEY_BYTES} bytes in base64, "
                f"but one of them has {len(key)}"
            )
        return cls(key)


def parse_secrets(text: str) -> tuple[SigningSecret, ...]:
    """The secrets in `text`, separated by spaces or commas: one, or two while rotating.

    Raises:
        ValueError: when there is none, or one can't be used; no secret is quoted.
    """
    secrets = tuple(SigningSecret.parse(part) for part in re.split(r"[\s,]+", text) if part)
    if not secrets:
        raise ValueError(f"must hold a secret: {PREFIX} and base64")
    return secrets


def signatures(
    secrets: Iterable[SigningSecret], event_id: str, timestamp_s: int, body: bytes
) -> str:
    """The value of `webhook-signature`: one signature per secret, separated by spaces."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    return " ".join(_signature(secret.key, signed) for secret in secrets)


def _signature(key: bytes, signed: bytes) -> str:
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
