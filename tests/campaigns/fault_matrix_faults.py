"""The other sides of the matrix: calls as they were recorded, and what can go wrong with each."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from itertools import groupby
from typing import Final

from attrs import frozen

from tests.campaigns.fault_matrix_scenarios import Scenario
from tests.support.fault_proxy import Fault, Rule, Seen

S3, SQS, WEBHOOK = "S3", "SQS", "webhook"
SERVICES: Final = (S3, SQS, WEBHOOK)

_BUCKET: Final = re.compile(r"^/cell-[0-9a-f]{16}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d(?:%3A|:)\d\d(?:%3A|:)\d\d\.\d{6}Z")
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def pattern_of(path: str) -> str:
    """A path or key, with what differs from cell to cell replaced by its name."""
    return message_of_any(_HASH.sub("{hash}", _BUCKET.sub("/{bucket}", path)))


def message_of_any(text: str) -> str:
    """A text as any message would have it: without its id, and the stamp of its objects."""
    return _ID.sub("{id}", _STAMP.sub("{stamp}", text))


@frozen
class Call:
    """One request that a scenario makes.

    Attributes:
        method: of HTTP; for SQS the action.
        pattern: the path with the query; empty for SQS.
        nth: which one of its kind in the scenario, from 1.
        place: how many calls of any kind the service has seen before it.
    """

    service: str
    method: str
    pattern: str
    nth: int
    place: int

    @property
    def name(self) -> str:
        place = f" {self.pattern}" if self.pattern else ""
        return f"{self.method}{place}" + (f" ({self.nth})" if self.nth > 1 else "")

    def rule(self, fault: Fault, **facts: object) -> Rule:
        """A rule that takes this call, and by `times=None` all later ones of its kind."""
        base: dict[str, object] = {"after": self.nth - 1, **facts}
        if self.service == SQS:
            return Rule(fault, target=f"AmazonSQS.{self.method}", **base)  # type: ignore[arg-type]
        path = "^" + re.sub(r"\\{\w+\\}", "[^/?]+", re.escape(self.pattern)) + "$"
        return Rule(fault, method=self.method, path=path, **base)  # type: ignore[arg-type]


def calls_in(service: str, seen: Iterable[Seen]) -> list[Call]:
    """The calls that a proxy saw, in order."""
    counts: Counter[tuple[str, str]] = Counter()
    calls = []
    for place, request in enumerate(seen):
        if service == SQS:
            kind = (request.target.rpartition(".")[2], "")
        else:
            kind = (request.method, pattern_of(request.path))
        counts[kind] += 1
        calls.append(Call(service, *kind, counts[kind], place))
    return calls


def in_one_order(seen: Iterable[Seen]) -> list[Seen]:
    """Requests as they came, but for neighbours of one method, which are sorted by path.

    What is asked for side by side comes in any order.
    """
    return [
        request
        for _, neighbours in groupby(seen, lambda request: request.method)
        for request in sorted(neighbours, key=lambda request: request.path)
    ]


class Persistence(Enum):
    """For how long a fault goes on."""

    ONCE = "once"
    DELIVERY = "until a delivery is given up"
    OUTAGE = "the whole service, until a delivery is given up"
    FOR_GOOD = "until the message is given up"


@frozen
class Kind:
    """A way to go wrong. `status` is that of an answer by the proxy."""

    name: str
    fault: Fault
    status: int = 0

    @property
    def is_statement(self) -> bool:
        """Whether it isn't a failure, but an untrue answer that S3 is trusted in."""
        return self.status in (404, 412)


LATENCY = Kind("latency", Fault.LATENCY)
STALL = Kind("stall", Fault.STALL)
RESET_BEFORE = Kind("reset before it acts", Fault.RESET_BEFORE)
RESET_AFTER = Kind("reset after it has acted", Fault.RESET_AFTER)
TRUNCATE = Kind("truncated body", Fault.TRUNCATE)
TRICKLE = Kind("trickled body", Fault.TRICKLE)
DUPLICATE = Kind("executed twice", Fault.DUPLICATE)
SLOW_DOWN = Kind("throttled", Fault.SLOW_DOWN)
RETRY_AFTER = Kind("429 with Retry-After", Fault.TOO_MANY_REQUESTS)

_STATUSES: Final = {
    S3: (400, 403, 404, 409, 412, 500, 502, 503, 504),
    SQS: (400, 403, 404, 500, 502, 503, 504),
    WEBHOOK: (301, 400, 401, 403, 404, 408, 409, 410, 412, 422, 425, 500, 502, 503, 504),
}
KINDS: Final = (
    LATENCY,
    STALL,
    RESET_BEFORE,
    RESET_AFTER,
    TRUNCATE,
    TRICKLE,
    DUPLICATE,
    SLOW_DOWN,
    RETRY_AFTER,
    *(
        Kind(f"status {status}", Fault.STATUS, status)
        for status in sorted({status for statuses in _STATUSES.values() for status in statuses})
    ),
)

_S3_CODES: Final = {
    400: "RequestTimeout",
    403: "AccessDenied",
    404: "NoSuchKey",
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    500: "InternalError",
    503: "ServiceUnavailable",
}
_SQS_CODES: Final = {
    400: "com.amazonaws.sqs#InvalidSecurity",
    403: "com.amazon.coral.service#AccessDeniedException",
    500: "com.amazonaws.sqs#InternalError",
    503: "com.amazonaws.sqs#ServiceUnavailable",
}


@frozen
class Cell:
    """One call of one scenario, and what goes wrong with it for how long."""

    scenario: Scenario
    call: Call
    kind: Kind
    persistence: Persistence

    @property
    def name(self) -> str:
        return " | ".join(
            (
                self.scenario.name,
                self.call.service,
                self.call.name,
                self.kind.name,
                self.persistence.value,
            )
        )

    @property
    def rule(self) -> Rule:
        """For the proxy of the call's service."""
        return _rule(self.call, self.kind, self.persistence)


def cells_of(scenario: Scenario, calls: Iterable[Call]) -> list[Cell]:
    """Every call × every kind that is possible for it × every time that it makes sense to last."""
    return [
        Cell(scenario, call, kind, persistence)
        for call in calls
        for kind in KINDS
        if impossible(call, kind) is None
        for persistence in Persistence
        if _lasts(call, kind, persistence)
    ]


NO_BODY: Final = "the answer has no body"
NO_CONDITION: Final = "S3 gives this answer to conditional requests only"
NOT_THIS_SERVICE: Final = "this service doesn't answer like that"


def impossible(call: Call, kind: Kind) -> str | None:
    """Why a call can't meet a fault; None when it can."""
    if kind in (TRUNCATE, TRICKLE) and call.service == S3 and call.method != "GET":
        return NO_BODY
    if kind.fault is Fault.STATUS and kind.status not in _STATUSES[call.service]:
        return NOT_THIS_SERVICE
    if kind is SLOW_DOWN and call.service == WEBHOOK:
        return NOT_THIS_SERVICE  # what a server does instead is 429 and 503
    if call.service == S3 and kind.status in (409, 412) and call.method in ("GET", "HEAD"):
        return NO_CONDITION
    return None


def _lasts(call: Call, kind: Kind, persistence: Persistence) -> bool:
    match persistence:
        case Persistence.ONCE:
            return True
        case Persistence.DELIVERY:
            return kind not in (LATENCY, TRICKLE, DUPLICATE)
        case Persistence.OUTAGE:
            return kind in (RESET_BEFORE, SLOW_DOWN) or (
                call.service == WEBHOOK and kind.status == 503
            )
        case Persistence.FOR_GOOD:
            return call.service == S3 and kind in (SLOW_DOWN, RESET_AFTER)


def _rule(call: Call, kind: Kind, persistence: Persistence) -> Rule:
    facts: dict[str, object] = {"times": 1 if persistence is Persistence.ONCE else None}
    match kind.fault:
        case Fault.LATENCY:
            facts["seconds"] = 0.3
        case Fault.TRICKLE:
            facts["seconds"] = 0.002
        case Fault.TOO_MANY_REQUESTS:
            facts["seconds"] = 1.0
        case Fault.STATUS:
            facts |= _answer(call, kind.status)
    if persistence is Persistence.OUTAGE:
        return Rule(kind.fault, after=call.place, **facts)  # type: ignore[arg-type]
    return call.rule(kind.fault, **facts)


def _answer(call: Call, status: int) -> dict[str, object]:
    facts: dict[str, object] = {"status": status}
    if call.service == S3 and status in _S3_CODES:
        code = _S3_CODES[status]
        facts["body"] = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        facts["headers"] = {"Content-Type": "application/xml"}
    elif call.service == SQS and status in _SQS_CODES:
        facts["body"] = json.dumps({"__type": _SQS_CODES[status], "message": "no"}).encode()
        facts["headers"] = {"Content-Type": "application/x-amz-json-1.0"}
    elif status == 301:
        facts["headers"] = {"Location": "http://127.0.0.1:9/elsewhere"}
    return facts
