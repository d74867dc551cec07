"""Verifying a webhook of WaveFlow in Python, with the package `standardwebhooks`."""

# region verify
from collections.abc import Iterable, Mapping
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verified(body: bytes, headers: Mapping[str, str], secrets: Iterable[str]) -> Any:
    """The JSON of a webhook that one of our secrets has signed, within the last five minutes.

    Args:
        body: as it came; parsed and written again it has other bytes.
        headers: their names in lower case.

    Raises:
        WebhookVerificationError: for any other.
    """
    for secret in secrets:
        try:
            return Webhook(secret).verify(body, dict(headers))
        except WebhookVerificationError:
            continue
    raise WebhookVerificationError("No secret of ours has signed it.")


# endregion verify
