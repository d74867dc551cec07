"""Whatever botocore and the network say, the port's own errors come out, with what to do."""

from __future__ import annotations

import http.client
import inspect
import ssl
from types import ModuleType
from typing import Any

import boto3.exceptions
import botocore.exceptions
import botocore.parsers
import pytest
import urllib3.exceptions
from botocore.exceptions import ClientError

from waveflow.adapters.queue.sqs_errors import queue_errors, refusal, repeated
from waveflow.adapters.queue.sqs_facts import Once, region_of
from waveflow.domain.errors import LeaseLost, NoDeadLetterQueue, QueueUnavailable

QUEUE = "https://sqs.eu-west-1.amazonaws.com/1/stems"


def classes_of(*modules: ModuleType) -> list[type[Exception]]:
    return [
        each
        for module in modules
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception)
        and not issubclass(each, Warning)
        and each.__module__ == module.__name__
    ]


def made(kind: type[Exception]) -> Exception:
    # Many of them insist on arguments of their own; what matters is the class.
    def begin(self: Exception) -> None:
        self.args = ("told",)

    bare = type(kind.__name__, (kind,), {"__init__": begin, "__str__": lambda self: "told"})
    error: Exception = bare()
    if isinstance(error, ClientError):
        error.response = {"Error": {"Code": "X", "Message": "told"}}
        error.operation_name = "ReceiveMessage"
    return error


FOREIGN = classes_of(
    botocore.exceptions, botocore.parsers, boto3.exceptions, urllib3.exceptions, http.client
)


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_error_of_a_library_escapes(kind: type[Exception]) -> None:
    error = made(kind)
    with pytest.raises(QueueUnavailable) as caught, queue_errors(QUEUE):
        raise error
    assert caught.value.__cause__ is error
    assert QUEUE in str(caught.value) or "credentials" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        ssl.SSLError("x"),
        BrokenPipeError(),
        OSError(99, "x"),
    ],
)
def test_no_error_of_the_system_escapes(error: OSError) -> None:
    advice = "check the network and AWS_ENDPOINT_URL"
    with pytest.raises(QueueUnavailable, match=advice), queue_errors(QUEUE):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("'str' object has no attribute 'get'"),
        TypeError("string indices must be integers"),
        KeyError("Messages"),
        IndexError("list index out of range"),
    ],
)
def test_what_is_said_to_a_reply_that_is_none_does_not_escape(error: Exception) -> None:
    with pytest.raises(QueueUnavailable, match="doesn't answer as it should"), queue_errors(QUEUE):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("defect"),
        AssertionError("defect"),
        LeaseLost("stale"),
        NoDeadLetterQueue("nowhere"),
    ],
)
def test_what_is_none_of_that_is_left_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, queue_errors(QUEUE):
        raise error
    assert caught.value is error


def test_what_was_translated_already_stays() -> None:
    with pytest.raises(QueueUnavailable, match=r"^inner$"), queue_errors(QUEUE):
        raise QueueUnavailable("inner")


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "", "SQS_QUEUE_URL"),
        ("QueueDoesNotExist", "", "SQS_QUEUE_URL"),
        ("com.amazonaws.sqs#QueueDoesNotExist", "", "SQS_QUEUE_URL"),
        ("InvalidAddress", "", "AWS_REGION"),
        ("AccessDenied", "", "sqs:DeleteMessage "),
        ("AccessDeniedException", "", "sqs:DeleteMessage "),
        ("InvalidClientTokenId", "", "AWS_ACCESS_KEY_ID"),
        ("ExpiredToken", "", "renew"),
        ("SignatureDoesNotMatch", "wrong", "AWS_SECRET_ACCESS_KEY"),
        ("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2", "NTP"),
        ("InvalidSignatureException", "Signature not yet current: 2", "NTP"),
        ("RequestTimeTooSkewed", "", "NTP"),
        ("ThrottlingException", "", "fewer requests"),
        ("RequestThrottled", "", "fewer requests"),
        ("OverLimit", "", "in flight"),
        ("KmsDisabled", "", "KMS"),
        ("InvalidParameterValue", "DelaySeconds", "refused"),
        ("InternalError", "", "try again"),
        ("", "", "try again"),
    ],
)
def test_an_answer_of_sqs_says_what_to_do(code: str, message: str, advice: str) -> None:
    answer: Any = {"Error": {"Code": code, "Message": message}}
    with pytest.raises(QueueUnavailable) as caught, queue_errors(QUEUE):
        raise ClientError(answer, "DeleteMessageBatch")
    assert advice in str(caught.value)
    assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (botocore.exceptions.NoCredentialsError(), "AWS_ACCESS_KEY_ID"),
        (
            botocore.exceptions.CredentialRetrievalError(provider="role", error_msg="none"),
            "AWS_ACCESS_KEY_ID",
        ),
        (botocore.exceptions.NoRegionError(), "AWS_REGION"),
        (botocore.exceptions.InvalidRegionError(region_name="_"), "AWS_REGION"),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"), "the network"),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="http://x"), "the network"),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="http://x"), "the network"),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="http://x"), "the network"),
        (
            botocore.exceptions.SSLError(endpoint_url="http://x", error=Exception("x")),
            "the network",
        ),
        (ValueError("Invalid endpoint: x"), "see the reason"),
    ],
)
def test_no_answer_says_what_to_do(error: Exception, advice: str) -> None:
    with pytest.raises(QueueUnavailable) as caught, queue_errors(QUEUE):
        raise error
    assert advice in str(caught.value)


def test_a_long_reason_is_cut() -> None:
    with pytest.raises(QueueUnavailable) as caught, queue_errors(QUEUE):
        raise OSError("x" * 5000)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ReceiptHandleIsInvalid", "", LeaseLost),
        ("InvalidIdFormat", "", LeaseLost),
        ("AWS.SimpleQueueService.MessageNotInflight", "", LeaseLost),
        (
            "InvalidParameterValue",
            "Value x for parameter ReceiptHandle is invalid. Reason: The handle has expired.",
            LeaseLost,
        ),
        (
            "InvalidParameterValue",
            "Value 43200 for parameter VisibilityTimeout is invalid. Reason: beyond the limit",
            QueueUnavailable,
        ),
        ("InternalError", "the receipt handle", QueueUnavailable),
        ("RequestThrottled", "", QueueUnavailable),
    ],
)
def test_only_a_complaint_of_the_receipt_means_that_the_lease_is_lost(
    code: str, message: str, kind: type[Exception]
) -> None:
    assert type(refusal(code, message)) is kind


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/1/q", "eu-west-1"),
        ("https://sqs-fips.us-gov-east-1.amazonaws.com/1/q", "us-gov-east-1"),
        ("https://vpce-1.sqs.us-east-1.vpce.amazonaws.com/1/q", "us-east-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
        ("https://ap-northeast-2.queue.amazonaws.com/1/q", "ap-northeast-2"),
        ("https://queue.amazonaws.com/1/q", None),
        ("http://127.0.0.1:5000/1/q", None),
        ("http://sqs.eu-west-1.amazonaws.com.evil.example/1/q", None),
        ("q", None),
    ],
)
def test_the_address_of_a_queue_tells_its_region(url: str, region: str | None) -> None:
    assert region_of(url) == region


def test_a_failure_to_make_something_is_not_kept() -> None:
    attempts = iter([0, 1, 1])
    once = Once(lambda: 1 // next(attempts))
    with pytest.raises(ZeroDivisionError):
        once.get()
    assert (once.get(), once.get()) == (1, 1)
    assert next(attempts) == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("It is late", "It is late"),
        ("It doesn't match.\n\nThe Canonical String was\n'x-amz-security-token:SECRET'",
         "It doesn't match."),
        ('No answer from "http://user:SECRET@sqs.example.com/"',
         'No answer from "http://…@sqs.example.com/"'),
        ("http://SECRET@a/ and https://u:SEC/RET@b/", "http://…@a/ and https://…@b/"),
        ("x" * 301, "x" * 300 + "…"),
    ],
)  # fmt: skip
def test_what_was_signed_and_logins_are_not_repeated(theirs: str, ours: str) -> None:
    assert repeated(theirs) == ours
