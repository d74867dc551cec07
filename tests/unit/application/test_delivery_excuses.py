"""The delivery policy for what is away for every message: the storage, or the machine's means."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from tests.support.storage_doubles import Step
from tests.support.workshop import (
    Workshop,
    analysis_message,
    duplicate_message,
    hash_message,
    mix_message,
)
from waveflow.adapters.codec.seats import ComputeEnding, ComputeUnavailable
from waveflow.application.disposition import Acknowledge, BackOff, Disposition, GiveBack, Park
from waveflow.domain.errors import MachineUnavailable, StorageUnavailable, WorkFolderUnavailable

SAMPLE = "audio/sample.wav"
TRIES = [(1, 60.0), (2, 120.0), (3, 240.0), (4, 480.0), (5, 960.0), (6, 1800.0), (9, 1800.0)]
"""Receive counts, and the back-off for each: that of an undelivered webhook."""
NOT_MADE = Park("internal_error: try 10 was not made")


def away(step: Step) -> None:
    raise StorageUnavailable("away")


def in_vain(workshop: Workshop, error: Exception) -> None:
    """Let every command fail with that."""

    def perform(*_: object) -> None:
        raise error

    workshop.handler = evolve(workshop.handler, perform=perform)


def open_storage_breaker(workshop: Workshop) -> None:
    for number in range(8):
        workshop.excuses.storage.reading.failed(f"stems/{number}.wav")
    assert workshop.excuses.storage.is_open


class TestMachine:
    @pytest.mark.parametrize(
        "error",
        [
            MachineUnavailable("tired"),
            WorkFolderUnavailable("full"),
            ComputeUnavailable("no process"),
        ],
    )
    def test_what_the_machine_lacks_never_uses_up_the_retries(
        self, workshop: Workshop, error: Exception
    ) -> None:
        in_vain(workshop, error)
        for receive_count, delay_s in TRIES:
            disposition = workshop.deliver(analysis_message(SAMPLE), receive_count=receive_count)
            assert disposition == BackOff(delay_s)
        assert workshop.server.requests == []
        assert not workshop.excuses.machine.is_open

    def test_the_tenth_try_is_not_made_and_the_server_told(self, workshop: Workshop) -> None:
        in_vain(workshop, WorkFolderUnavailable("full"))
        assert workshop.deliver(analysis_message(SAMPLE), receive_count=10) == NOT_MADE
        [body] = workshop.server.bodies
        assert body["result"]["code"] == "internal_error"

    def test_a_work_folder_that_can_not_be_written_is_no_fault_of_an_analysis(
        self, workshop: Workshop
    ) -> None:
        workshop.upload_audio(SAMPLE, b"drums", [0.5])
        workshop.work_folder.root.parent.mkdir(exist_ok=True)
        workshop.work_folder.root.write_text("a file where the folder should be")
        for number in range(3):
            disposition = workshop.deliver(
                analysis_message(SAMPLE), message_id=f"message-{number}", receive_count=5
            )
            assert disposition == BackOff(960.0)
        assert workshop.excuses.machine.is_open
        assert workshop.tally.counts()["machine_away"] == 1
        workshop.work_folder.root.unlink()
        assert workshop.deliver(analysis_message(SAMPLE), receive_count=6) == Acknowledge()
        assert not workshop.excuses.machine.is_open

    def test_a_mix_that_is_done_shows_that_the_machine_is_back(self, workshop: Workshop) -> None:
        workshop.upload_audio(SAMPLE, b"drums", [0.5])
        for number in range(3):
            workshop.excuses.machine.failed(f"message-{number}")
        assert workshop.deliver(hash_message(SAMPLE), message_id="hash") == Acknowledge()
        assert workshop.excuses.machine.is_open
        assert workshop.deliver(mix_message(SAMPLE)) == Acknowledge()
        assert not workshop.excuses.machine.is_open

    def test_a_codec_that_ends_with_the_service_gives_the_message_back(
        self, workshop: Workshop
    ) -> None:
        in_vain(workshop, ComputeEnding("ending"))
        assert workshop.deliver(analysis_message(SAMPLE), receive_count=5) == GiveBack()
        assert workshop.excuses.machine._failed == set()

    def test_the_tries_of_another_worker_are_excused_as_well(self, workshop: Workshop) -> None:
        in_vain(workshop, WorkFolderUnavailable("full"))
        body = json.dumps(json.loads(analysis_message(SAMPLE)) | {"retries": 7})
        assert workshop.deliver(body) == BackOff(60.0)


class TestStorage:
    def test_while_it_is_away_for_others_too_the_retries_are_not_used_up(
        self, workshop: Workshop
    ) -> None:
        open_storage_breaker(workshop)
        # The outcomes can't be looked up either.
        workshop.storage.before = workshop.outcomes.before = away
        for receive_count, delay_s in TRIES:
            disposition = workshop.deliver(hash_message(SAMPLE), receive_count=receive_count)
            assert disposition == BackOff(delay_s)
        assert workshop.server.requests == []

    def test_nor_when_it_comes_back_for_no_more_than_the_look_up(self, workshop: Workshop) -> None:
        """One request that succeeds closes the breaker; the next of the same message fails."""
        open_storage_breaker(workshop)
        workshop.storage.before = away
        for receive_count, delay_s in TRIES[1:]:
            disposition = workshop.deliver(hash_message(SAMPLE), receive_count=receive_count)
            assert disposition == BackOff(delay_s)
            assert not workshop.excuses.storage.is_open
        assert workshop.server.requests == []

    def test_but_the_tenth_try_is_not_made(self, workshop: Workshop) -> None:
        open_storage_breaker(workshop)
        workshop.storage.before = away
        assert workshop.deliver(hash_message(SAMPLE), receive_count=10) == NOT_MADE
        assert workshop.storage.steps == []
        assert [body["status"] for body in workshop.server.bodies] == ["FAILED"]

    def test_one_object_that_can_not_be_read_uses_up_its_own_retries(
        self, workshop: Workshop
    ) -> None:
        workshop.storage.before = away
        dispositions = [
            workshop.deliver(hash_message(SAMPLE), receive_count=count) for count in (1, 2, 3, 4)
        ]
        assert dispositions == [
            BackOff(60.0),
            BackOff(120.0),
            BackOff(240.0),
            Park("temporarily_unavailable: away"),
        ]

    def test_long_after_an_outage_it_does_so_again(self, workshop: Workshop) -> None:
        open_storage_breaker(workshop)
        workshop.excuses.storage.reading.worked()
        workshop.time.advance(1800.0)
        workshop.storage.before = away
        disposition = workshop.deliver(hash_message(SAMPLE), receive_count=4)
        assert disposition == Park("temporarily_unavailable: away")

    def test_a_backlog_outlasts_an_outage_of_an_hour(self, workshop: Workshop) -> None:
        keys = [f"stems/{number}.wav" for number in range(12)]
        for key in keys:
            workshop.upload(key, key.encode())
        workshop.storage.before = workshop.outcomes.before = away

        def deliver_all(receive_count: int) -> list[Disposition]:
            return [
                workshop.deliver(
                    hash_message(key),
                    message_id=f"id-{keys.index(key)}",
                    receive_count=receive_count,
                )
                for key in keys
            ]

        for receive_count in range(1, 7):
            assert {type(each) for each in deliver_all(receive_count)} == {BackOff}
            workshop.time.advance(600.0)
        workshop.storage.leave_alone()
        workshop.outcomes.leave_alone()
        assert deliver_all(7) == [Acknowledge()] * 12
        assert [body["filepath"] for body in workshop.server.bodies] == keys

    @pytest.mark.parametrize("task", ["hash", "analysis", "mix"])
    def test_a_backlog_outlasts_stems_that_can_not_be_read(
        self, workshop: Workshop, task: str
    ) -> None:
        """What is absent is still said to be, and sizes are told: a key of KMS is disabled."""
        bodies = []
        for number in range(12):
            key = f"users/u1/{number}.wav"
            workshop.upload_audio(key, key.encode(), [0.5])
            bodies.append(
                {
                    "hash": hash_message(key, stemId=f"s{number}"),
                    "analysis": analysis_message(key, stemId=f"s{number}"),
                    "mix": mix_message(key, stageId=f"g{number}"),
                }[task]
            )

        def deliver_all(receive_count: int) -> set[type[Disposition]]:
            return {
                type(workshop.deliver(body, message_id=f"id-{number}", receive_count=receive_count))
                for number, body in enumerate(bodies)
            }

        def fail(step: Step) -> None:
            if step.method == "read" and step.key.startswith("users/"):
                raise StorageUnavailable("KMS.DisabledException")

        workshop.storage.before = fail
        for receive_count in range(1, 8):
            assert deliver_all(receive_count) == {BackOff}
            workshop.time.advance(600.0)
        assert workshop.tally.counts()["storage_away"] >= 1
        assert workshop.server.requests == []
        workshop.storage.leave_alone()
        assert deliver_all(8) == {Acknowledge}
        assert len(workshop.server.requests) == 12

    def test_what_can_not_be_deleted_does_not_excuse_a_stem_that_can_not_be_read(
        self, workshop: Workshop
    ) -> None:
        """Without the right to delete no outcome is ever forgotten: that goes on for ever."""
        workshop.storage.before = away
        dispositions = []
        for receive_count in (1, 2, 3, 4):
            for number in range(4):
                workshop.excuses.storage.deleting.failed(f"outcomes/{number}.json")
            dispositions.append(workshop.deliver(hash_message(SAMPLE), receive_count=receive_count))
        assert dispositions[-1] == Park("temporarily_unavailable: away")

    @pytest.mark.parametrize("broken", ["write", "delete"])
    def test_a_backlog_outlasts_a_storage_that_can_only_be_read(
        self, workshop: Workshop, broken: str
    ) -> None:
        """Reads go on to succeed: they must not hide that nothing can be written, or deleted."""
        bodies = {}
        for number in range(6):
            key, copy = f"stems/{number}.wav", f"stems/{number}-copy.wav"
            audio_hash = workshop.upload(key, key.encode())
            workshop.upload(copy, key.encode())
            body = duplicate_message(copy, audio_hash, stemId=f"copy{number}")
            if broken == "delete":
                workshop.deliver(hash_message(key), message_id=f"hash-{number}")
            else:
                body = hash_message(copy)
            bodies[f"id-{number}"] = body
        told_before = len(workshop.server.bodies)

        def deliver_all(receive_count: int) -> set[type[Disposition]]:
            return {
                type(workshop.deliver(body, message_id=message_id, receive_count=receive_count))
                for message_id, body in bodies.items()
            }

        workshop.storage.before = lambda step: away(step) if step.method == broken else None
        for receive_count in range(1, 8):
            assert deliver_all(receive_count) == {BackOff}
            workshop.time.advance(600.0)
        assert len(workshop.server.bodies) == told_before
        workshop.storage.leave_alone()
        assert deliver_all(8) == {Acknowledge}
        told = workshop.server.bodies[told_before:]
        assert {body["status"] for body in told} <= {"SUCCESS", "hash_generated"}
        assert len(told) == 6


@pytest.mark.parametrize("receive_count", [4, 9, 10, 50])
@pytest.mark.parametrize(
    "error",
    [StorageUnavailable("away"), WorkFolderUnavailable("full"), ZeroDivisionError("defect")],
)
def test_work_that_may_be_done_backs_off_like_an_undelivered_webhook(
    workshop: Workshop, error: Exception, receive_count: int
) -> None:
    in_vain(workshop, error)
    workshop.outcomes.before = away
    delay_s = 480.0 if receive_count == 4 else 1800.0
    disposition = workshop.deliver(hash_message(SAMPLE), receive_count=receive_count)
    assert disposition == BackOff(delay_s)
    assert workshop.server.requests == []
