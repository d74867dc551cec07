"""What SQS, botocore and the network say, in terms of the port."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from waveflow.domain.errors import LeaseLost, QueueUnavailable, TransientError

LONGEST_REASON = 300
"""Characters of somebody else's sentence that are repeated in one of ours."""

_LOGIN = re.compile(r"//\S*@")

_STALE_CODES = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidIdFormat"})

_NO_QUEUE = (
    "SQS knows no queue {queue}: check SQS_QUEUE_URL (or WAVEFLOW_DEAD_LETTER_QUEUE_URL), the "
    "region (AWS_REGION) and AWS_ENDPOINT_URL"
)
_DENIED = "The role may not use {queue}: allow it {right} in its policy and in the queue's"
_NO_CREDENTIALS = (
    "SQS takes no credentials from here: give the machine a role, or set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or renew what has expired"
)
_THROTTLED = "SQS asks for fewer requests to {queue}: try again later, or run fewer workers"
_CLOCK = "SQS finds this machine's clock wrong: set it (NTP) and try again"
_NO_REGION = "No region is known for {queue}: set AWS_REGION"
_UNREACHABLE = "SQS can't be reached for {queue}: check the network and AWS_ENDPOINT_URL"
_KEY = "The key that encrypts {queue} can't be used: check the KMS key and the role's rights to it"
_CROWDED = "Too many messages of {queue} are in flight: delete some, or wait until they return"
_REFUSED = "SQS refused what was asked of {queue}: see the reason"
_BROKEN = "SQS doesn't answer as it should for {queue}: see the reason and try again"

_ADVICE_BY_CODE = {
    "QueueDoesNotExist": _NO_QUEUE,
    "NonExistentQueue": _NO_QUEUE,
    "QueueDeletedRecently": _NO_QUEUE,
    "InvalidAddress": _NO_QUEUE,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "InvalidSecurity": _DENIED,
    "UnauthorizedOperation": _DENIED,
    "ExpiredToken": _NO_CREDENTIALS,
    "ExpiredTokenException": _NO_CREDENTIALS,
    "InvalidAccessKeyId": _NO_CREDENTIALS,
    "InvalidClientTokenId": _NO_CREDENTIALS,
    "InvalidSignatureException": _NO_CREDENTIALS,
    "MissingAuthenticationToken": _NO_CREDENTIALS,
    "MissingAuthenticationTokenException": _NO_CREDENTIALS,
    "SignatureDoesNotMatch": _NO_CREDENTIALS,
    "UnrecognizedClientException": _NO_CREDENTIALS,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "BandwidthLimitExceeded": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "RequestThrottled": _THROTTLED,
    "RequestThrottledException": _THROTTLED,
    "SlowDown": _THROTTLED,
    "ThrottledException": _THROTTLED,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "KmsThrottled": _THROTTLED,
    "KmsAccessDenied": _KEY,
    "KmsDisabled": _KEY,
    "KmsInvalidKeyUsage": _KEY,
    "KmsInvalidState": _KEY,
    "KmsNotFound": _KEY,
    "KmsOptInRequired": _KEY,
    "OverLimit": _CROWDED,
    "InvalidMessageContents": _REFUSED,
    "InvalidParameterValue": _REFUSED,
}


@contextmanager
def queue_errors(queue: str) -> Iterator[None]:
    """Raise the port's error in place of anybody else's.

    Args:
        queue: what the block talks to, for the sentence.

    Raises:
        QueueUnavailable: with what to do about it.
    """
    try:
        yield
    except QueueUnavailable:
        raise
    except Exception as exc:
        if not isinstance(exc, _foreign_errors()):
            raise
        advice = _advice(exc).format(queue=queue, right=_right(exc))
        raise QueueUnavailable(f"{advice} ({repeated(str(exc))}).") from exc


def is_not_for_us(error: QueueUnavailable) -> bool:
    """Whether asking that queue again is in vain: it isn't there, or isn't allowed."""
    return _advice_behind(error) in (_NO_QUEUE, _DENIED)


def is_denied(error: QueueUnavailable) -> bool:
    """Whether the role lacks the right to ask that."""
    return _advice_behind(error) == _DENIED


def _advice_behind(error: QueueUnavailable) -> str | None:
    return _advice(error.__cause__) if isinstance(error.__cause__, Exception) else None


def refusal(code: str, message: str) -> TransientError:
    """What it means that SQS refused one message of several."""
    said = repeated(f"{code}: {message}")
    if is_stale(code, message):
        return LeaseLost(f"SQS doesn't take the receipt any more ({said}).")
    advice = _advice_for(code, message).format(queue="the queue", right="what it asks for")
    return QueueUnavailable(f"{advice} ({said}).")


def is_stale(code: str, message: str) -> bool:
    """Whether SQS complains of the receipt."""
    if _bare(code) == "InvalidParameterValue":
        return "receipthandle" in message.lower().replace(" ", "")
    return _bare(code) in _STALE_CODES


def _bare(code: str) -> str:
    # "AWS.SimpleQueueService.NonExistentQueue" of old, "com.amazonaws.sqs#QueueDoesNotExist".
    return code.replace("#", ".").rpartition(".")[2]


def _advice_for(code: str, message: str) -> str:
    # What SQS calls a wrong signature is, more often, a wrong clock.
    if "signature expired" in message.lower() or "not yet current" in message.lower():
        return _CLOCK
    return _ADVICE_BY_CODE.get(_bare(code), _BROKEN)


def _advice(exc: Exception) -> str:
    from botocore.exceptions import ClientError

    if isinstance(exc, ClientError):
        error = exc.response.get("Error", {})
        return _advice_for(str(error.get("Code", "")), str(error.get("Message", "")))
    for classes, advice in _advice_by_class():
        if isinstance(exc, classes):
            return advice
    return _UNREACHABLE if isinstance(exc, OSError) else _BROKEN


def _right(exc: Exception) -> str:
    operation = getattr(exc, "operation_name", None)
    return f"sqs:{operation.removesuffix('Batch')}" if isinstance(operation, str) else "SQS"


def repeated(text: str) -> str:
    """As much of somebody else's sentence as may be repeated in one of ours.

    After its first line SQS quotes what a refused request was signed with, session token and
    all; botocore quotes the endpoint, which may hold a login.
    """
    said = _LOGIN.sub("//…@", text.strip().partition("\n")[0].rstrip())
    return said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}…"


@cache
def _foreign_errors() -> tuple[type[Exception], ...]:
    from http.client import HTTPException

    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, UndefinedModelAttributeError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    # The last four are what botocore, and we, say to replies that aren't what they should be:
    # a gateway's error page that happens to be JSON, say. The first of them to a bad endpoint too.
    return (
        BotoCoreError,
        ClientError,
        Boto3Error,
        UndefinedModelAttributeError,
        ResponseParserError,
        HTTPError,
        HTTPException,
        OSError,
        ValueError,
        AttributeError,
        TypeError,
        LookupError,
    )


@cache
def _advice_by_class() -> tuple[tuple[tuple[type[Exception], ...], str], ...]:
    from botocore import exceptions as boto
    from urllib3 import exceptions as http

    return (
        (
            (
                boto.NoCredentialsError,
                boto.PartialCredentialsError,
                boto.CredentialRetrievalError,
                boto.TokenRetrievalError,
                boto.ProfileNotFound,
                boto.SSOError,
            ),
            _NO_CREDENTIALS,
        ),
        ((boto.NoRegionError, boto.InvalidRegionError), _NO_REGION),
        (
            (
                boto.ConnectionError,
                boto.HTTPClientError,
                boto.EndpointProviderError,
                http.HTTPError,
            ),
            _UNREACHABLE,
        ),
    )
