"""What is on loan to this process, and until when."""

from __future__ import annotations

import pytest

from tests.support.workshop import FakeClock
from waveflow.adapters.queue import sqs_leases
from waveflow.adapters.queue.sqs_leases import Leases
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import LeaseLost


class Desk:
    """Lends messages for a minute."""

    def __init__(self) -> None:
        self.time = FakeClock()
        self.leases = Leases(self.time.as_clock().monotonic_s)

    def lend(self, number: int = 1, count: int = 1) -> ReceivedMessage:
        now_s = self.time.as_clock().monotonic_s()
        message = ReceivedMessage(
            f"m{number}", "body", f"m{number}r{count}", count, 0, lease_ends_s=now_s + 60
        )
        self.leases.lend(message, received_at_s=now_s, attachments={})
        return message

    def is_lent(self, message: ReceivedMessage) -> bool:
        try:
            self.leases.require(message)
        except LeaseLost:
            return False
        return True


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_loan_ends_when_it_said(desk: Desk) -> None:
    message = desk.lend()
    desk.time.advance(59.9)
    assert desk.is_lent(message)
    desk.time.advance(0.1)
    assert not desk.is_lent(message)


def test_a_loan_is_remembered_until_it_ends_and_no_longer(desk: Desk) -> None:
    for number in range(100):
        desk.lend(number)
    assert len(desk.leases) == 100
    desk.time.advance(60)
    desk.lend(100)
    assert len(desk.leases) == 1


def test_a_later_delivery_takes_the_place_of_an_earlier_one(desk: Desk) -> None:
    first, second = desk.lend(count=1), desk.lend(count=2)
    assert (desk.is_lent(first), desk.is_lent(second)) == (False, True)


def test_a_later_delivery_wins_when_the_replies_overtake_each_other(desk: Desk) -> None:
    second, first = desk.lend(count=2), desk.lend(count=1)
    assert (desk.is_lent(first), desk.is_lent(second)) == (False, True)


def test_a_count_that_begins_anew_after_the_loan_is_believed(desk: Desk) -> None:
    desk.lend(count=5)
    desk.time.advance(60)
    assert desk.is_lent(desk.lend(count=1))


@pytest.mark.parametrize("change", ["move", "doubt"])
def test_what_is_said_of_a_stale_receipt_changes_nothing(desk: Desk, change: str) -> None:
    first, second = desk.lend(count=1), desk.lend(count=2)
    getattr(desk.leases, change)(first, 0.0)
    desk.leases.lose(first)
    assert desk.is_lent(second)


def test_a_settled_message_stays_settled_until_it_is_lent_again(desk: Desk) -> None:
    message = desk.lend()
    assert not desk.leases.is_settled(message)
    desk.leases.settle(message)
    assert desk.leases.is_settled(message)
    again = desk.lend(count=2)
    assert not desk.leases.is_settled(again)
    assert desk.leases.is_settled(message)


def test_a_stale_receipt_settles_no_newer_loan(desk: Desk) -> None:
    first, second = desk.lend(count=1), desk.lend(count=2)
    desk.leases.settle(first)
    assert desk.is_lent(second)


def test_only_so_many_settled_messages_are_remembered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs_leases, "REMEMBERED", 3)
    messages = [desk.lend(number) for number in range(5)]
    for message in messages:
        desk.leases.settle(message)
    assert [desk.leases.is_settled(message) for message in messages] == [False, False] + [True] * 3


def test_parking_is_over_when_it_fails(desk: Desk) -> None:
    message = desk.lend()
    with pytest.raises(RuntimeError), desk.leases.parking(message):
        raise RuntimeError
    with desk.leases.parking(message) as loan:
        assert not loan.is_copied


def test_the_last_second_of_twelve_hours_gives_nothing_back(desk: Desk) -> None:
    message = desk.lend()
    desk.leases.move(message, 1e9)
    desk.time.advance(12 * 3600.0)
    assert desk.leases.whole_seconds(message, 60) == 1
    assert desk.leases.whole_seconds(message, 0) == 0
