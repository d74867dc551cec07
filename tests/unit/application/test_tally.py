"""The counter by name."""

from __future__ import annotations

from tests.support.contracts.storage_actions import at_once
from waveflow.application.tally import Tally


def test_nothing_is_counted_at_first() -> None:
    assert Tally().counts() == {}


def test_each_name_is_counted_by_itself() -> None:
    tally = Tally()
    for name in ("defect", "webhook_undelivered", "defect"):
        tally.add(name)
    assert tally.counts() == {"defect": 2, "webhook_undelivered": 1}


def test_what_was_told_is_a_copy() -> None:
    tally = Tally()
    tally.add("defect")
    told = tally.counts()
    tally.add("defect")
    told["other"] = 1
    assert told == {"defect": 1, "other": 1}
    assert tally.counts() == {"defect": 2}


def test_threads_lose_no_count() -> None:
    tally = Tally()

    def count(number: int) -> None:
        for _ in range(1000):
            tally.add("defect")

    at_once(8, count)
    assert tally.counts() == {"defect": 8000}


def test_parts_of_a_name_are_counted_apart() -> None:
    tally = Tally()
    for result in ("delivered", "undelivered", "delivered"):
        tally.add("webhook", "/hash-check", result)
    tally.add("defect")
    assert tally.parts("webhook") == {
        ("/hash-check", "delivered"): 2,
        ("/hash-check", "undelivered"): 1,
    }
    assert tally.parts("defect") == {}
    assert tally.counts() == {"defect": 1}
