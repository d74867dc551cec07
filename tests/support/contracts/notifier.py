"""What every `Notifier` does: subclass it where a fixture named `receiver` gives the adapter.

`AnsweredNotifierContract` is for adapters that a server answers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, MutableMapping
from typing import Any, Protocol

import pytest
from structlog.testing import capture_logs

from tests.support.contracts.notifier_events import EXAMPLES, Example
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.ports import Notifier
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable


class Receiver(Protocol):
    """A notifier and its far end, which takes everything in until it is told otherwise."""

    @property
    @abstractmethod
    def notifier(self) -> Notifier:
        """The adapter."""

    @abstractmethod
    def arrived(self) -> list[WebhookRequest]:
        """What was taken in, in order, with the bodies as JSON gives them."""

    @abstractmethod
    def go_away(self) -> None:
        """Take nothing in."""

    @abstractmethod
    def come_back(self) -> None:
        """Take everything in again."""


class AnsweringReceiver(Receiver, Protocol):
    """One whose far end answers with a status and a body."""

    @property
    @abstractmethod
    def tally(self) -> Tally:
        """What the notifier counts."""

    @abstractmethod
    def answer(self, status: int, body: bytes = b"") -> None:
        """Answer like this from here on."""


every_event = pytest.mark.parametrize("example", list(EXAMPLES.values()), ids=list(EXAMPLES))


class NotifierContract:
    """The whole suite for an adapter; `AnsweredNotifierContract` goes further."""

    @every_event
    def test_an_event_arrives_exactly_as_the_server_reads_it(
        self, receiver: Receiver, example: Example
    ) -> None:
        example.send(receiver.notifier)
        assert receiver.arrived() == [example.arrives]

    @every_event
    def test_an_event_that_is_sent_again_is_the_same(
        self, receiver: Receiver, example: Example
    ) -> None:
        example.send(receiver.notifier)
        example.send(receiver.notifier)
        assert receiver.arrived() == [example.arrives, example.arrives]

    @every_event
    def test_an_event_that_does_not_get_through_is_an_error(
        self, receiver: Receiver, example: Example
    ) -> None:
        receiver.go_away()
        with pytest.raises(NotifierUnavailable):
            example.send(receiver.notifier)
        assert receiver.arrived() == []

    def test_a_notifier_recovers_with_its_server(self, receiver: Receiver) -> None:
        example = EXAMPLES["stem analysed"]
        receiver.go_away()
        for _ in range(3):
            with pytest.raises(NotifierUnavailable):
                example.send(receiver.notifier)
        receiver.come_back()
        example.send(receiver.notifier)
        assert receiver.arrived() == [example.arrives]

    def test_events_arrive_in_the_order_in_which_they_were_sent(self, receiver: Receiver) -> None:
        for example in EXAMPLES.values():
            example.send(receiver.notifier)
        assert receiver.arrived() == [example.arrives for example in EXAMPLES.values()]


class AnsweredNotifierContract(NotifierContract):
    """The suite for adapters that a server answers."""

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_any_2xx_is_delivered(self, receiver: AnsweringReceiver, status: int) -> None:
        receiver.answer(status)
        example = EXAMPLES["stem analysed"]
        example.send(receiver.notifier)
        assert receiver.arrived() == [example.arrives]
        assert receiver.tally.counts() == {}

    @pytest.mark.parametrize("status", [300, 301, 304, 308, 400, 401, 404, 409, 429, 500, 503, 504])
    def test_any_other_status_is_not_delivered(
        self, receiver: AnsweringReceiver, status: int
    ) -> None:
        # Whatever the body says.
        receiver.answer(status, b'{"success": true}')
        with pytest.raises(NotifierUnavailable, match=f"/completion.*{status}"):
            EXAMPLES["stem analysed"].send(receiver.notifier)

    @pytest.mark.parametrize(
        ("status", "refused"),
        [
            *((status, True) for status in (400, 409, 422)),
            *((status, False) for status in (301, 401, 404, 429, 500, 503)),
        ],
    )
    def test_an_event_that_is_refused_for_its_own_sake_is_told_from_an_outage(
        self, receiver: AnsweringReceiver, status: int, refused: bool
    ) -> None:
        receiver.answer(status)
        with pytest.raises(NotifierUnavailable) as raised:
            EXAMPLES["stem analysed"].send(receiver.notifier)
        assert raised.value.refused is refused

    @pytest.mark.parametrize(
        "body",
        [
            b'{"success": false, "message": "no such stem"}',
            b'{"status": "error"}',
            b'{"success": true, "status": "error"}',
        ],
    )
    def test_a_2xx_that_tells_of_an_error_is_delivered_logged_and_counted(
        self, receiver: AnsweringReceiver, body: bytes
    ) -> None:
        receiver.answer(200, body)
        with capture_logs() as logs:
            EXAMPLES["stem analysed"].send(receiver.notifier)
        assert _warnings(logs) == [
            {
                "event": "delivered_with_error_body",
                "log_level": "warning",
                "endpoint": "/completion",
                "event_id": "msg_1.completion.of_a_stem",
                "answer": body.decode(),
            }
        ]
        assert receiver.tally.counts() == {"delivered_with_error_body": 1}
        assert receiver.arrived() == [EXAMPLES["stem analysed"].arrives]

    @pytest.mark.parametrize(
        "body",
        [
            b'{"success": true}',
            b'{"success": null, "status": "ok"}',
            b'{"status": "errors"}',
            b"[false]",
            b'"error"',
            b"OK",
            b"<html>error</html>",
            b"\xff\xfe",
            b'{"success": false',
            b"[" * 20_000,
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_any_other_answer_is_nothing_to_mention(
        self, receiver: AnsweringReceiver, body: bytes
    ) -> None:
        receiver.answer(200, body)
        with capture_logs() as logs:
            EXAMPLES["stem analysed"].send(receiver.notifier)
        assert _warnings(logs) == []
        assert receiver.tally.counts() == {}

    def test_a_long_answer_is_logged_in_part(self, receiver: AnsweringReceiver) -> None:
        receiver.answer(200, b'{"success": false, "detail": "' + b"x" * 10_000 + b'"}')
        with capture_logs() as logs:
            EXAMPLES["stem analysed"].send(receiver.notifier)
        [log] = _warnings(logs)
        assert len(log["answer"]) == 300


def _warnings(logs: Iterable[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [log for log in logs if log["log_level"] == "warning"]
