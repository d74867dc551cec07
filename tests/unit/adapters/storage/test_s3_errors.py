"""Every error of the outside has a meaning for the port, in a sentence that keeps secrets."""

from __future__ import annotations

import inspect
import ssl
from http.client import HTTPException, RemoteDisconnected
from string import Formatter
from types import ModuleType

import botocore.exceptions
import pytest
import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from botocore.parsers import ResponseParserError

from waveflow.adapters.storage.s3_errors import code_of, message_of, s3_errors, status_of
from waveflow.domain.errors import InvalidKey, ObjectChanged, ObjectNotFound, StorageUnavailable

SECRET = "wJalrXUtnFEMI/K7MDENG"


def error_classes(module: ModuleType) -> list[type[Exception]]:
    """The module's errors. Warnings are left out: nothing raises them."""
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception)
        and not issubclass(found, Warning)
        and found.__module__ == module.__name__
    ]


def botocore_error(kind: type[Exception]) -> Exception:
    if issubclass(kind, ClientError):
        return refusal(400, "AnyCode")
    if issubclass(kind, WaiterError):
        return kind("any", SECRET, last_response={})
    names = [name for _, name, _, _ in Formatter().parse(getattr(kind, "fmt", "")) if name]
    return kind(**dict.fromkeys(names, SECRET))


def refusal(status: int, code: str) -> ClientError:
    """An answer of S3 that isn't 2xx."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": SECRET},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        "GetObject",
    )


def meaning(error: Exception, key: str | None = "song.wav") -> StorageUnavailable:
    with pytest.raises(StorageUnavailable) as caught, s3_errors("songs", key):
        raise error
    assert caught.value.__cause__ is error
    assert SECRET not in str(caught.value)
    assert "'songs'" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", error_classes(botocore.exceptions))
def test_every_error_of_botocore_has_a_meaning(kind: type[Exception]) -> None:
    meaning(botocore_error(kind))


@pytest.mark.parametrize("kind", error_classes(urllib3.exceptions))
def test_every_error_of_urllib3_has_a_meaning(kind: type[Exception]) -> None:
    # Their constructors have nothing in common; what they would say isn't used.
    error = kind.__new__(kind)
    error.args = (SECRET,)
    meaning(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(SECRET),
        TimeoutError(SECRET),
        ssl.SSLError(SECRET),
        RemoteDisconnected(SECRET),
        HTTPException(SECRET),
        ResponseParserError(SECRET),
    ],
)
def test_every_error_of_the_network_has_a_meaning(error: Exception) -> None:
    meaning(error)


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (503, "SlowDown", "try again later"),
        (503, "503", "try again later"),
        (500, "InternalError", "try again later"),
        (429, "TooManyRequests", "try again later"),
        (400, "RequestTimeout", "try again later"),
        (404, "NoSuchBucket", "check S3_BUCKET_NAME"),
        (403, "AccessDenied", "check the rights of its role"),
        (403, "403", "check the rights of its role"),
        (403, "InvalidAccessKeyId", "give the worker a role"),
        (403, "SignatureDoesNotMatch", "give the worker a role"),
        (400, "ExpiredToken", "have expired"),
        (400, "400", "credentials have not expired"),
        (403, "RequestTimeTooSkewed", "set it"),
        (403, "InvalidObjectState", "archived"),
        (301, "PermanentRedirect", "check AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "check AWS_REGION"),
        (400, "BadDigest", "damaged"),
        (400, "EntityTooLarge", "5 GB"),
        (418, "Unheard", "look its error up"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, code: str, advice: str) -> None:
    said = str(meaning(refusal(status, code)))
    assert advice in said
    assert "'song.wav'" in said
    assert said.endswith(f"({code}).")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("EndpointConnectionError", "AWS_ENDPOINT_URL"),
        ("ConnectTimeoutError", "check the network"),
        ("ReadTimeoutError", "check the network"),
        ("ConnectionClosedError", "check the network"),
        ("NoCredentialsError", "give the worker a role"),
        ("PartialCredentialsError", "give the worker a role"),
        ("MetadataRetrievalError", "give the worker a role"),
        ("SSLError", "AWS_CA_BUNDLE"),
        ("ProxyConnectionError", "HTTPS_PROXY"),
        ("FlexibleChecksumError", "damaged"),
        ("NoRegionError", "AWS settings"),
    ],
)
def test_an_error_of_botocore_says_what_to_do(name: str, advice: str) -> None:
    assert advice in str(meaning(botocore_error(getattr(botocore.exceptions, name))))


def test_without_a_key_the_sentence_is_about_the_bucket() -> None:
    assert str(meaning(refusal(503, "SlowDown"), None)).startswith(
        "S3 can't be asked for the bucket 'songs': "
    )


def test_a_key_that_s3_finds_too_long_is_invalid() -> None:
    with pytest.raises(InvalidKey), s3_errors("songs", "song.wav"):
        raise refusal(400, "KeyTooLongError")


def test_an_answer_with_a_meaning_for_the_block_is_left_to_it() -> None:
    answers = {412: lambda _: ObjectChanged("changed")}
    with pytest.raises(ObjectChanged), s3_errors("songs", "song.wav", answers):
        raise refusal(412, "PreconditionFailed")


@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchBucket"), (403, "InvalidObjectState")])
def test_errors_that_mean_the_same_everywhere_are_not(status: int, code: str) -> None:
    answers = {status: lambda _: ObjectNotFound("missing")}
    with pytest.raises(StorageUnavailable), s3_errors("songs", "song.wav", answers):
        raise refusal(status, code)


def test_errors_of_the_program_pass() -> None:
    with pytest.raises(KeyError), s3_errors("songs"):
        raise KeyError("a defect")


def test_an_error_that_is_no_answer_has_neither_status_nor_code() -> None:
    error = BotoCoreError()
    assert (status_of(error), code_of(error), message_of(error)) == (0, "", "")
