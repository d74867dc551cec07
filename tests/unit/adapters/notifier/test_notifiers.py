"""The notifiers that need no network keep the contract of the port."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.contracts.notifier import (
    AnsweredNotifierContract,
    AnsweringReceiver,
    NotifierContract,
    Receiver,
)
from tests.support.contracts.notifier_events import EXAMPLES
from waveflow.adapters.notifier.answer import WebhookAnswer
from waveflow.adapters.notifier.console import ConsoleNotifier
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.ports import Notifier
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable


class Console(Receiver):
    """Somebody who reads the lines, until the pipe breaks."""

    def __init__(self) -> None:
        self._notifier = ConsoleNotifier(self._write_line)
        self._broken = False
        self.lines: list[str] = []

    @property
    def notifier(self) -> Notifier:
        return self._notifier

    def arrived(self) -> list[WebhookRequest]:
        documents = [json.loads(line) for line in self.lines]
        return [WebhookRequest(d["endpoint"], d["webhook-id"], d["body"]) for d in documents]

    def go_away(self) -> None:
        self._broken = True

    def come_back(self) -> None:
        self._broken = False

    def _write_line(self, line: str) -> None:
        if self._broken:
            raise BrokenPipeError(32, "Broken pipe")
        self.lines.append(line)


class InMemory(AnsweringReceiver):
    """A main server inside the process."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._answer = WebhookAnswer(200)
        self._notifier = InMemoryNotifier(lambda request: self._answer, self._tally)

    @property
    def notifier(self) -> Notifier:
        return self._notifier

    @property
    def tally(self) -> Tally:
        return self._tally

    def arrived(self) -> list[WebhookRequest]:
        return self._notifier.delivered()

    def go_away(self) -> None:
        self.answer(503)

    def come_back(self) -> None:
        self.answer(200)

    def answer(self, status: int, body: bytes = b"") -> None:
        self._answer = WebhookAnswer(status, body)


class TestConsoleNotifier(NotifierContract):
    @pytest.fixture
    def receiver(self) -> Receiver:
        return Console()

    def test_every_event_is_one_readable_line(self) -> None:
        console = Console()
        for example in EXAMPLES.values():
            example.send(console.notifier)
        assert len(console.lines) == len(EXAMPLES)
        assert not any("\n" in line for line in console.lines)
        assert "드럼 (최종).wav" in console.lines[0]

    @pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space")])
    def test_a_console_that_cannot_be_written_says_why(self, error: OSError) -> None:
        with pytest.raises(NotifierUnavailable, match=error.strerror) as raised:
            EXAMPLES["stem analysed"].send(ConsoleNotifier(_raising(error)))
        assert raised.value.__cause__ is error


def _raising(error: Exception) -> Callable[[str], None]:
    def write_line(line: str) -> None:
        raise error

    return write_line


class TestInMemoryNotifier(AnsweredNotifierContract):
    @pytest.fixture
    def receiver(self) -> AnsweringReceiver:
        return InMemory()

    def test_everything_is_taken_in_when_nobody_plays_the_server(self) -> None:
        notifier = InMemoryNotifier()
        example = EXAMPLES["stage mixed"]
        example.send(notifier)
        assert notifier.delivered() == [example.arrives]

    def test_what_was_delivered_is_told_as_a_copy(self) -> None:
        notifier = InMemoryNotifier()
        EXAMPLES["stage mixed"].send(notifier)
        notifier.delivered().clear()
        assert len(notifier.delivered()) == 1
