"""What S3, botocore and the network say, in terms of the port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException

from waveflow.domain.errors import InvalidKey, StorageUnavailable, WaveFlowError

Answers = Mapping[int, Callable[[Exception], WaveFlowError]]
"""By HTTP status, what an operation makes of an answer that it knows how to read."""

_BUSY = "S3 is busy or disturbed; try again later"
_FORBIDDEN = "the worker is not allowed to; check the rights of its role in this bucket"
_NO_BUCKET = "the bucket doesn't exist; check S3_BUCKET_NAME"
_BAD_CREDENTIALS = "the credentials are missing or not valid; give the worker a role"
_EXPIRED = "the credentials have expired; see why the worker's role gives it no new ones"
_WRONG_REGION = "the bucket is in another region; check AWS_REGION"
_DAMAGED = "the bytes were damaged or cut short on the way; try again"
_REFUSED = "S3 refuses the request; look its error up, and tell the developers"
_UNREACHABLE = "S3 can't be reached; check the network and AWS_ENDPOINT_URL"
_NOT_S3 = "what answers there is not S3; check AWS_ENDPOINT_URL"
_UNTRUSTED = "the connection is not secure; check AWS_CA_BUNDLE, and that the clock is right"
_PROXY = "the proxy doesn't let it through; check HTTPS_PROXY"
_MISCONFIGURED = "the AWS settings can't be used; check the AWS_ variables and ~/.aws"

_BY_CODE = {
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": _NO_BUCKET,
    "SlowDown": _BUSY,
    "RequestTimeout": _BUSY,
    "InvalidAccessKeyId": _BAD_CREDENTIALS,
    "SignatureDoesNotMatch": _BAD_CREDENTIALS,
    "InvalidToken": _BAD_CREDENTIALS,
    "InvalidSecurity": _BAD_CREDENTIALS,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "InvalidObjectState": "the object is archived; restore it, and try again",
    "PermanentRedirect": _WRONG_REGION,
    "TemporaryRedirect": _WRONG_REGION,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "IllegalLocationConstraintException": _WRONG_REGION,
    "BadDigest": _DAMAGED,
    "XAmzContentSHA256Mismatch": _DAMAGED,
    "IncompleteBody": _DAMAGED,
    "EntityTooLarge": "it is larger than one upload may be; the limit is 5 GB",
}
"""Errors that mean the same whatever was asked for."""

_BY_STATUS = {
    301: _WRONG_REGION,
    307: _WRONG_REGION,
    # The answer to a HEAD has no body: this is all there is to know.
    400: "S3 refused the request; check AWS_REGION, and that the credentials have not expired",
    401: _BAD_CREDENTIALS,
    403: _FORBIDDEN,
    404: _NOT_S3,
    405: _NOT_S3,
    409: "others write the same object at the same time; try again later",
    429: _BUSY,
}
_SERVER_ERRORS = range(500, 600)

_BY_CLASS = {
    "SSLError": _UNTRUSTED,
    "ProxyConnectionError": _PROXY,
    "ProxyError": _PROXY,
    "InvalidProxiesConfigError": _PROXY,
    "ProxySchemeUnknown": _PROXY,
    "ProxySchemeUnsupported": _PROXY,
    "NoCredentialsError": _BAD_CREDENTIALS,
    "PartialCredentialsError": _BAD_CREDENTIALS,
    "CredentialRetrievalError": _BAD_CREDENTIALS,
    "MetadataRetrievalError": _BAD_CREDENTIALS,
    "TokenRetrievalError": _BAD_CREDENTIALS,
    "NoAuthTokenError": _BAD_CREDENTIALS,
    "SSOError": _BAD_CREDENTIALS,
    "LoginError": _BAD_CREDENTIALS,
    "RefreshWithMFAUnsupportedError": _BAD_CREDENTIALS,
    "ChecksumError": _DAMAGED,
    "FlexibleChecksumError": _DAMAGED,
    "IncompleteReadError": _DAMAGED,
    "ResponseStreamingError": _DAMAGED,
    "ResponseParserError": _NOT_S3,
    "HTTPClientError": _UNREACHABLE,
    "ConnectionError": _UNREACHABLE,
    "BotoCoreError": _MISCONFIGURED,
    "UndefinedModelAttributeError": _MISCONFIGURED,
    "HTTPError": _UNREACHABLE,
    "HTTPException": _NOT_S3,
    "OSError": _UNREACHABLE,
    "ValueError": _MISCONFIGURED,
}
"""The first class found on the way to the root counts."""


@contextmanager
def s3_errors(
    bucket: str, key: str | None = None, answers: Answers | None = None
) -> Iterator[None]:
    """Raise the port's errors in place of those of S3, botocore and the network.

    Args:
        key: the object that the block is about, if it is about one.
        answers: what to raise for a status that has a meaning for the block. Errors that mean
            the same everywhere (no such bucket, expired credentials) are not handed to it.

    Raises:
        InvalidKey: for a key that the storage finds too long.
        StorageUnavailable: for everything else, with what to do about it. Its text is made of
            our own words and the error's name alone, since those of others may hold secrets.
    """
    try:
        yield
    except outside_errors() as exc:
        answer = (answers or {}).get(status_of(exc))
        if answer is not None and code_of(exc) not in _BY_CODE:
            raise answer(exc) from exc
        raise meaning_of(exc, bucket, key) from exc


def outside_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Every class of errors that a request, or the body of an answer, may end in; and `others`."""
    from botocore.exceptions import BotoCoreError, ClientError, UndefinedModelAttributeError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError, ProxySchemeUnsupported

    return (
        ClientError,
        BotoCoreError,
        UndefinedModelAttributeError,
        ResponseParserError,
        HTTPError,
        ProxySchemeUnsupported,
        HTTPException,
        OSError,
        *others,
    )


def meaning_of(exc: Exception, bucket: str, key: str | None) -> WaveFlowError:
    """The error of the port for one of the outside, in a sentence that says what to do."""
    code = code_of(exc)
    if code == "KeyTooLongError":
        return InvalidKey(f"The storage key {(key or '')[:140]!r} is too long; use a shorter one.")
    what = f"{key!r} in the bucket {bucket!r}" if key else f"the bucket {bucket!r}"
    name = code or type(exc).__name__
    return StorageUnavailable(f"S3 can't be asked for {what}: {_advice_for(exc)} ({name}).")


def no_such_bucket(bucket: str) -> StorageUnavailable:
    """The error for a bucket that doesn't exist, or not for these credentials."""
    return StorageUnavailable(f"S3 can't be asked for the bucket {bucket!r}: {_NO_BUCKET}.")


def _advice_for(exc: Exception) -> str:
    status, code = status_of(exc), code_of(exc)
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status:
        return _BY_STATUS.get(status, _BUSY if status in _SERVER_ERRORS else _REFUSED)
    names = (cls.__name__ for cls in type(exc).__mro__)
    return next((_BY_CLASS[name] for name in names if name in _BY_CLASS), _BUSY)


def status_of(exc: Exception) -> int:
    """The HTTP status that S3 answered with; 0 for an error that isn't an answer of S3."""
    status = _part(exc, "ResponseMetadata").get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def code_of(exc: Exception) -> str:
    """S3's own name for the error, or its status again where the answer had no body."""
    return str(_part(exc, "Error").get("Code") or "")


def message_of(exc: Exception) -> str:
    """S3's own words."""
    return str(_part(exc, "Error").get("Message") or "")


def retries_of(exc: BaseException | None) -> int:
    """How often botocore had sent the request before, because no good answer came."""
    retries = _part(exc, "ResponseMetadata").get("RetryAttempts")
    return retries if isinstance(retries, int) else 0


def _part(exc: BaseException | None, name: str) -> Mapping[str, object]:
    response = getattr(exc, "response", None)
    part = response.get(name) if isinstance(response, dict) else None
    return part if isinstance(part, dict) else {}
