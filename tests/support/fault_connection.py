"""What a `FaultProxy` does with one client's connection: serves its requests, as the rules say."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Final

from tests.support.fault_rules import Fault, FaultBook, Rule, Verdict, own_answer
from tests.support.fault_wire import Answer, Request, Wire, read_body, read_head

_CONNECT_TIMEOUT_S: Final = 10.0
_LOOK_S: Final = 0.05  # how often a held request looks whether its client is still there
# An idle upstream connection older than this isn't used again: the server may be about to close
# it, and a request lost to that would be a fault that no rule asked for.
_IDLE_LIMIT_S: Final = 1.0


class Connection:
    """One client's connection, and the one upstream that belongs to it."""

    def __init__(
        self,
        client: Wire,
        upstream: tuple[str, int],
        book: FaultBook,
        ended: Callable[[Connection], None],
    ) -> None:
        self.thread = threading.Thread(target=self._run, name="fault-proxy-client", daemon=True)
        self._client = client
        self._address = upstream
        self._upstream: Wire | None = None
        self._upstream_used_s = 0.0
        self._book = book
        self._ended = ended
        self._is_cut = False

    def cut(self) -> None:
        """Ends it from another thread, whatever it waits for; to be called with the book held."""
        self._is_cut = True
        for wire in filter(None, (self._client, self._upstream)):
            wire.shut()

    def _run(self) -> None:
        reset = False
        try:
            while self._exchange():
                pass
        except (OSError, ValueError):
            # Asked for by a rule, or one of the sides is away or talks nonsense. The client must
            # not take what it has for the whole answer.
            reset = True
        finally:
            with self._book.changed:
                self._drop_upstream()
                self._client.close(reset=reset or self._is_cut)
            self._ended(self)

    def _exchange(self) -> bool:
        """Serves one request; whether another may follow on the connection."""
        head = read_head(self._client.reader)
        if head is None:
            return False
        started_s = time.monotonic()
        if head.header("expect").lower() == "100-continue":
            self._client.send([b"HTTP/1.1 100 Continue\r\n\r\n"])
        request = Request(head, list(read_body(self._client.reader, head)))
        verdict = self._book.judge(request.method, request.path, request.target, started_s)
        return self._serve(request, verdict) and head.keeps_open

    def _serve(self, request: Request, verdict: Verdict) -> bool:
        rule, fault = verdict.rule, verdict.fault
        if rule and (answer := own_answer(rule, method=request.method, target=request.target)):
            self._book.answered(verdict.number, answer[0])
            self._client.send([answer[1]])
            return True
        if rule and fault is Fault.LATENCY:
            self._wait(rule.seconds)
        elif rule and fault is Fault.STALL:
            self._wait(rule.seconds or inf, verdict, watch=True)
        elif fault is Fault.RESET_BEFORE:
            raise ConnectionResetError
        elif fault is Fault.DUPLICATE:
            self._finish(self._forward(request))
        return self._return(self._forward(request), verdict)

    def _return(self, answer: Answer, verdict: Verdict) -> bool:
        rule = verdict.rule
        if rule and rule.fault is Fault.RESET_AFTER:
            self._finish(answer)
            raise ConnectionResetError
        if rule and rule.fault in (Fault.TRUNCATE, Fault.TRICKLE):
            return self._spoil(answer, rule, verdict)
        self._book.answered(verdict.number, answer.head.status)
        self._client.send([answer.head.raw])
        self._client.send(answer.body)
        self._finish(answer)
        return answer.keeps_open

    def _spoil(self, answer: Answer, rule: Rule, verdict: Verdict) -> bool:
        """Passes a part of the body on, and the rest slowly or not at all."""
        head, body = answer.with_length(self._finish(answer))
        keep = len(body) // 2 if rule.keep_bytes is None else rule.keep_bytes
        self._book.answered(verdict.number, answer.head.status)
        self._client.send([head, body[:keep]])
        if rule.fault is Fault.TRUNCATE:
            return False
        for place in range(keep, len(body)):
            if self._wait(rule.seconds, verdict, watch=True):
                self._client.send([body[place:]])
                break
            self._client.send([body[place : place + 1]])
        return answer.keeps_open

    def _wait(self, seconds: float, verdict: Verdict | None = None, *, watch: bool = False) -> bool:
        """Waits; with a verdict no longer than until the rules are cleared, which it returns.

        Raises:
            ConnectionAbortedError: if the connection is cut meanwhile; with `watch` also when the
                client has gone, or has closed its sending side.
        """
        end_s = time.monotonic() + seconds
        with self._book.changed:
            while True:
                if self._is_cut or (watch and self._client.has_gone()):
                    raise ConnectionAbortedError
                if verdict and verdict.clearings != self._book.clearings:
                    return True
                if (left_s := end_s - time.monotonic()) <= 0:
                    return False
                self._book.changed.wait(min(left_s, _LOOK_S))

    def _forward(self, request: Request) -> Answer:
        """Sends the request upstream, and reads the head of the answer."""
        wire = self._open_upstream()
        # A server may refuse early and close: what counts is whether there is an answer.
        with suppress(ConnectionError):
            wire.send([request.head.raw])
            wire.send(request.body)
        while (head := read_head(wire.reader)) is not None:
            if head.status >= 200:  # The client has had its "100 Continue" from us.
                return Answer.to(request, head, wire.reader)
        raise ConnectionResetError

    def _finish(self, answer: Answer) -> bytes:
        """Reads what is left of the answer; the connection upstream may be used again then."""
        rest = b"".join(answer.body)
        self._upstream_used_s = time.monotonic()
        if not answer.keeps_open:
            self._drop_upstream()
        return rest

    def _open_upstream(self) -> Wire:
        idle_s = time.monotonic() - self._upstream_used_s
        if self._upstream and idle_s < _IDLE_LIMIT_S and not self._upstream.has_gone():
            return self._upstream
        self._drop_upstream()
        wire = Wire(socket.create_connection(self._address, _CONNECT_TIMEOUT_S))
        with self._book.changed:
            self._upstream = wire
            if self._is_cut:
                raise ConnectionAbortedError
        return wire

    def _drop_upstream(self) -> None:
        with self._book.changed:
            if self._upstream is not None:
                self._upstream.close()
                self._upstream = None
