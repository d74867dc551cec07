"""A proxy before S3 and SQS that lets through what a policy allows, and writes down every call."""

from __future__ import annotations

import json
from io import BufferedReader, BytesIO, RawIOBase
from typing import Final, cast
from urllib.parse import unquote, urlsplit

from attrs import frozen

from tests.support.fault_connection import Connection
from tests.support.fault_proxy import FaultProxy
from tests.support.fault_rules import Verdict
from tests.support.fault_wire import Answer, Request, Wire, read_head
from tests.support.iam_policy import Call, Policy

_OBJECT_ACTIONS: Final = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}
_SQS_ARN: Final = "arn:aws:sqs:eu-west-1:123456789012:"


@frozen
class Names:
    """What the names of a deployment's parts are in the policy."""

    bucket: str
    queue: str
    dead_letter_queue: str

    def call(self, request: Request) -> Call:
        """What the request asks for. Raises ValueError for one that nothing is known of."""
        if request.target:
            return self._sqs_call(request)
        parts = urlsplit(request.path)
        _, bucket, key = (unquote(parts.path) + "/").split("/", 2)
        key = key.removesuffix("/")
        if bucket != self.bucket:
            raise ValueError(f"another bucket: {request.path}")
        if not key:
            return Call("s3:ListBucket", "arn:aws:s3:::example-stems")
        if parts.query not in ("", f"x-id={_operation(request)}"):
            raise ValueError(f"an operation that is not known here: {request.path}")
        conditions = {f"s3:{name}": request.head.header(name) for name in _CONDITIONS}
        return Call(
            _OBJECT_ACTIONS[request.method],
            f"arn:aws:s3:::example-stems/{key}",
            tuple((name, value) for name, value in conditions.items() if value),
        )

    def _sqs_call(self, request: Request) -> Call:
        operation = request.target.partition(".")[2].removesuffix("Batch")
        asked = json.loads(b"".join(request.body))
        name = asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2]
        names = {self.queue: "stems", self.dead_letter_queue: "stems-dead"}
        return Call(f"sqs:{operation}", _SQS_ARN + names[name])


_CONDITIONS: Final = ("if-match", "if-none-match")


def _operation(request: Request) -> str:
    return {"GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}.get(
        request.method, ""
    )


class PolicyGate(FaultProxy):
    """Answers 403 to what the policy doesn't allow, in S3's and SQS's forms.

    To a role that may not list a bucket S3 also answers 403 for an object that doesn't exist,
    and so does the gate.

    Attributes:
        allowed, denied: the calls so far.
    """

    def __init__(self, upstream_url: str, policy: Policy, names: Names) -> None:
        super().__init__(upstream_url)
        self.policy = policy
        self.names = names
        self.allowed: list[Call] = []
        self.denied: list[Call] = []

    def _connection(self, client: Wire) -> Connection:
        return _GuardedConnection(self, client)

    def admits(self, request: Request) -> bool:
        """Whether the policy allows it; writes it down."""
        call = self.names.call(request)
        is_allowed = self.policy.allows(call)
        with self._book.changed:
            (self.allowed if is_allowed else self.denied).append(call)
        return is_allowed

    def hides_what_is_missing(self) -> bool:
        """Whether a missing object looks like a forbidden one."""
        return not self.policy.allows(Call("s3:ListBucket", "arn:aws:s3:::example-stems"))


class _GuardedConnection(Connection):
    def __init__(self, gate: PolicyGate, client: Wire) -> None:
        super().__init__(client, gate._upstream, gate._book, gate._ended)
        self._gate = gate

    def _serve(self, request: Request, verdict: Verdict) -> bool:
        if not self._gate.admits(request):
            return self._refuse(request, verdict)
        return super()._serve(request, verdict)

    def _forward(self, request: Request) -> Answer:
        answer = super()._forward(request)
        is_look = request.method in ("GET", "HEAD")
        if answer.head.status == 404 and is_look and self._gate.hides_what_is_missing():
            self._finish(answer)
            raw: BufferedReader = BufferedReader(cast(RawIOBase, BytesIO(_refusal(request))))
            head = read_head(raw)
            assert head is not None
            return Answer.to(request, head, raw)
        return answer

    def _refuse(self, request: Request, verdict: Verdict) -> bool:
        self._book.answered(verdict.number, 403)
        self._client.send([_refusal(request)])
        return True


def _refusal(request: Request) -> bytes:
    if request.target:
        kind = "application/x-amz-json-1.0"
        error = {"__type": "com.amazon.coral.service#AccessDeniedException", "message": "denied"}
        body = json.dumps(error).encode()
    else:
        kind = "application/xml"
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + (b"" if request.method == "HEAD" else body)
