"""Delivery when something breaks: our own code, the server for hours, the lease."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.support.workshop import Workshop, hash_message, message
from waveflow.application.disposition import BackOff, GiveBack, Park
from waveflow.application.drain import drain
from waveflow.application.parsed_message import ParsedMessage
from waveflow.domain.errors import LeaseLost, WorkInterrupted

SAMPLE = "audio/sample.wav"


def defect(*_: object) -> ParsedMessage:
    raise ZeroDivisionError("our mistake")


def test_maintenance_that_fails_is_parked_in_the_end_and_nobody_is_told(
    workshop: Workshop,
) -> None:
    workshop.handler = evolve(workshop.handler, perform=defect)
    body = message("cleanup_temp_files")
    assert workshop.deliver(body) == BackOff(60.0)
    assert workshop.deliver(body, receive_count=4) == Park("internal_error: our mistake")
    assert workshop.server.requests == []


def test_a_defect_in_the_parser_backs_off_and_is_parked_in_the_end(workshop: Workshop) -> None:
    workshop.handler = evolve(workshop.handler, parse=defect)
    assert workshop.deliver("{}") == BackOff(60.0)
    parked = Park("internal_error: ZeroDivisionError('our mistake')")
    assert workshop.deliver("{}", receive_count=4) == parked
    assert workshop.tally.counts() == {"defect": 2}


def test_an_outage_of_two_hours_costs_nobody_anything(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"drums")
    workshop.queue.send(hash_message(SAMPLE))
    workshop.server.status = 503
    for _ in range(120):
        workshop.time.advance(60)
        drain(workshop.queue, workshop.handler)
    workshop.server.status = 200
    for _ in range(34):
        workshop.time.advance(60)
        drain(workshop.queue, workshop.handler)
    assert len({request.event_id for request in workshop.server.requests}) == 1
    assert (len(workshop.queue), workshop.queue.dead_letters()) == (0, [])


@pytest.mark.parametrize("receive_count", [1, 4, 9])
@pytest.mark.parametrize("error", [WorkInterrupted("ending"), LeaseLost("stale")])
def test_work_that_is_broken_off_is_given_back_and_never_fails(
    workshop: Workshop, error: Exception, receive_count: int
) -> None:
    def perform(*_: object) -> None:
        raise error

    workshop.handler = evolve(workshop.handler, perform=perform)
    assert workshop.deliver(hash_message(SAMPLE), receive_count=receive_count) == GiveBack()
    assert workshop.server.requests == []
