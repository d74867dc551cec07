"""What a `FaultProxy` does to which request: the rules, and the book that is kept on them."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum, auto
from http.client import responses
from typing import Final

from attrs import define, evolve, field, frozen

_SLOW_DOWN_XML: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message>"
    b"<RequestId>FAULTPROXY</RequestId><HostId>fault-proxy</HostId></Error>"
)
_THROTTLED_JSON: Final = (
    b'{"__type":"com.amazonaws.sqs#ThrottlingException","message":"Rate exceeded"}'
)


class Fault(Enum):
    """What can go wrong with a request."""

    LATENCY = auto()  # it is forwarded late
    STATUS = auto()  # the proxy answers, upstream never sees it
    SLOW_DOWN = auto()  # the proxy answers as S3 or SQS does when throttling
    TOO_MANY_REQUESTS = auto()  # the proxy answers 429 with `Retry-After`
    RESET_BEFORE = auto()  # the connection is reset, upstream never sees it
    RESET_AFTER = auto()  # upstream acts and answers, then the connection is reset
    TRUNCATE = auto()  # the answer ends in the middle of its body
    TRICKLE = auto()  # the rest of the answer's body comes byte by byte
    STALL = auto()  # it is read, and not answered until released
    DUPLICATE = auto()  # upstream gets it twice, the client the second answer


@frozen
class Rule:
    """Which requests meet a fault, and how often.

    Attributes:
        method: exact; None for any.
        path: a regular expression, searched in the raw `path?query`; None for any.
        target: a part of the `X-Amz-Target` header, like "AmazonSQS.ReceiveMessage".
        times: how many requests it is applied to; None for ever.
        after: how many matching requests pass first. A request that an earlier rule took
            isn't one of them.
        status, body, headers: the answer of `STATUS`; body and headers also go with
            `TOO_MANY_REQUESTS`.
        seconds: `LATENCY`: the delay. `TRICKLE`: the pause before each byte. `STALL`: when the
            request goes on; 0 for when the rules are cleared. `TOO_MANY_REQUESTS`: what
            `Retry-After` says.
        share: the probability with which it is applied to a matching request.
        keep_bytes: how much of the body passes before `TRUNCATE` or `TRICKLE` sets in;
            None for half.
    """

    fault: Fault
    method: str | None = None
    path: str | None = None
    target: str | None = None
    times: int | None = 1
    after: int = 0
    status: int = 500
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict)
    seconds: float = 0.0
    share: float = 1.0
    keep_bytes: int | None = None

    def matches(self, method: str, path: str, target: str) -> bool:
        """Whether it is about such a request."""
        return (
            self.method in (None, method)
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.target is None or self.target in target)
        )


@frozen
class Seen:
    """A request that the proxy has read.

    Attributes:
        path: raw, with the query.
        target: the `X-Amz-Target` header, empty without one.
        status: what the client is being answered; None as long as it isn't.
        started_s: when its head had arrived, by `time.monotonic`.
    """

    method: str
    path: str
    target: str
    fault: Fault | None
    status: int | None
    started_s: float


@frozen
class Verdict:
    """What becomes of a request: its number, the rule for it, and the clearings before it."""

    number: int
    rule: Rule | None
    clearings: int

    @property
    def fault(self) -> Fault | None:
        """What goes wrong with it."""
        return self.rule.fault if self.rule else None


@define
class _Entry:
    rule: Rule
    passed: int = 0
    applied: int = 0

    def applies(self, chance: random.Random) -> bool:
        """Whether the rule takes this matching request; counts it."""
        if self.rule.times is not None and self.applied >= self.rule.times:
            return False
        if self.passed < self.rule.after:
            self.passed += 1
            return False
        if self.rule.share < 1.0 and chance.random() >= self.rule.share:
            return False
        self.applied += 1
        return True


class FaultBook:
    """The rules, and the requests that came; for any number of threads.

    Attributes:
        changed: guards everything, and is notified of every change.
        clearings: how often the rules were cleared.
    """

    def __init__(self, seed: int) -> None:
        self.changed = threading.Condition()
        self.clearings = 0
        self._chance = random.Random(seed)
        self._entries: list[_Entry] = []
        self._seen: list[Seen] = []
        self._faults: Counter[Fault] = Counter()

    def add(self, rule: Rule) -> None:
        """Adds a rule behind those that there are."""
        with self.changed:
            self._entries.append(_Entry(rule))

    def clear(self) -> None:
        """Drops all rules."""
        with self.changed:
            self._entries.clear()
            self.clearings += 1
            self.changed.notify_all()

    def judge(self, method: str, path: str, target: str, started_s: float) -> Verdict:
        """Writes a request down, and says which rule it falls under."""
        with self.changed:
            rule = next(
                (
                    entry.rule
                    for entry in self._entries
                    if entry.rule.matches(method, path, target) and entry.applies(self._chance)
                ),
                None,
            )
            verdict = Verdict(len(self._seen), rule, self.clearings)
            if rule is not None:
                self._faults[rule.fault] += 1
            self._seen.append(Seen(method, path, target, verdict.fault, None, started_s))
            self.changed.notify_all()
            return verdict

    def answered(self, number: int, status: int) -> None:
        """Writes down what a request is being answered."""
        with self.changed:
            self._seen[number] = evolve(self._seen[number], status=status)
            self.changed.notify_all()

    @property
    def requests(self) -> list[Seen]:
        """All requests so far, in the order in which they were complete."""
        with self.changed:
            return list(self._seen)

    @property
    def faults(self) -> Counter[Fault]:
        """How many requests met which fault so far."""
        with self.changed:
            return Counter(self._faults)

    def wait_for(self, predicate: Callable[[list[Seen]], object], timeout_s: float) -> list[Seen]:
        """Waits until the predicate holds for the requests so far, and returns them.

        Raises:
            AssertionError: if it doesn't in time, with what was seen.
        """
        deadline_s = time.monotonic() + timeout_s
        with self.changed:
            while not predicate(self.requests):
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    seen = "\n".join(map(repr, self._seen)) or "nothing"
                    raise AssertionError(f"not within {timeout_s} s; seen was:\n{seen}")
                self.changed.wait(left_s)
            return self.requests


def own_answer(rule: Rule, *, method: str, target: str) -> tuple[int, bytes] | None:
    """The status and the bytes with which the proxy itself answers, if that is the fault."""
    headers, body = dict(rule.headers), rule.body
    match rule.fault:
        case Fault.STATUS:
            status = rule.status
        case Fault.TOO_MANY_REQUESTS:
            status = 429
            headers = {"Retry-After": f"{rule.seconds:g}"} | headers
        case Fault.SLOW_DOWN if target:
            # SQS throttles with a 400. botocore takes the error's code from the query header,
            # which outdoes the body's type; either is one that its retry modes know.
            status, body = 400, _THROTTLED_JSON
            headers = {
                "Content-Type": "application/x-amz-json-1.0",
                "x-amzn-RequestId": "00000000-0000-0000-0000-000000000000",
                "x-amzn-query-error": "ThrottlingException;Sender",
            }
        case Fault.SLOW_DOWN:
            status, body = 503, _SLOW_DOWN_XML
            headers = {"Content-Type": "application/xml", "x-amz-request-id": "FAULTPROXY"}
        case _:
            return None
    return status, _message(status, headers, body, bodiless=method == "HEAD")


def _message(status: int, headers: dict[str, str], body: bytes, *, bodiless: bool) -> bytes:
    never_a_body = status in (204, 304)
    if not never_a_body:
        headers = headers | {"Content-Length": str(len(body))}
    lines = [
        f"HTTP/1.1 {status} {responses.get(status, '')}",
        *(f"{name}: {headers[name]}" for name in headers),
    ]
    head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
    return head if bodiless or never_a_body else head + body
