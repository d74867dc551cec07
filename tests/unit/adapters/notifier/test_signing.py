"""Signatures satisfy the specification's own verifier; secrets stay secret."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from waveflow.adapters.notifier.signing import SigningSecret, parse_secrets, signatures

KEYS = [b"k" * 24, bytes(range(64))]
TEXTS = ["whsec_" + base64.b64encode(key).decode() for key in KEYS]
BODY = json.dumps({"filepath": "드럼 (최종).wav"}, ensure_ascii=False).encode()


def headers(signature: str, timestamp_s: int) -> dict[str, str]:
    return {
        "webhook-id": "msg_1.completion.success",
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature,
    }


def sign(text: str, body: bytes = BODY) -> dict[str, str]:
    now_s = int(time.time())
    return headers(signatures(parse_secrets(text), "msg_1.completion.success", now_s, body), now_s)


@pytest.mark.parametrize("text", TEXTS)
def test_the_verifier_of_the_specification_accepts_a_signature(text: str) -> None:
    assert Webhook(text).verify(BODY, sign(text)) == json.loads(BODY)


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n"])
def test_while_secrets_rotate_either_verifies(separator: str) -> None:
    signed = sign(separator.join(TEXTS))
    for text in TEXTS:
        Webhook(text).verify(BODY, signed)
    assert len(signed["webhook-signature"].split(" ")) == 2


def test_another_secret_does_not_verify() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(TEXTS[1]).verify(BODY, sign(TEXTS[0]))


def test_another_body_does_not_verify() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(TEXTS[0]).verify(BODY + b" ", sign(TEXTS[0]))


def test_the_example_of_the_specification_is_met() -> None:
    # Its key has 24 bytes, the fewest that are allowed.
    secret = SigningSecret.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = signatures(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_may_come_without_its_prefix_and_padding(key: bytes) -> None:
    encoded = base64.b64encode(key).decode()
    for text in (encoded, encoded.rstrip("="), "whsec_" + encoded):
        assert parse_secrets(text) == (SigningSecret(key),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must hold a secret"),
        (" , ", "must hold a secret"),
        ("whsec_not*base64*at*all*not*base64*", "must be base64"),
        ("whsec_" + "A" * 41, "must be base64"),
        ("whsec_비밀", "must be base64"),
        ("whsec_", "24 to 64 bytes in base64, but one of them has 0"),
        (base64.b64encode(b"x" * 23).decode(), "24 to 64 bytes .* has 23"),
        (base64.b64encode(b"x" * 65).decode(), "24 to 64 bytes .* has 65"),
        (TEXTS[0] + " c2hvcnQ=", "has 5"),
    ],
)
def test_what_is_no_secret_is_refused_without_being_quoted(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        parse_secrets(text)
    parts = [part.removeprefix("whsec_") for part in text.split()]
    assert not any(part in str(raised.value) for part in parts if part.strip(","))
    assert raised.value.__cause__ is None


def test_a_secret_does_not_show_itself() -> None:
    shown = repr(parse_secrets(TEXTS[0])) + str(parse_secrets(TEXTS[0])[0])
    assert "kkk" not in shown
    assert TEXTS[0][6:] not in shown
