"""Breakers: when something counts as away, and which failures are not a message's own."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.support.contracts.storage_actions import at_once
from tests.support.workshop import FakeClock
from waveflow.adapters.codec.seats import ComputeUnavailable
from waveflow.application.breaker import (
    Breaker,
    Excuses,
    machine_breaker,
    one_asking,
    storage_breakers,
)
from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
)
from waveflow.application.tally import Tally
from waveflow.domain.errors import (
    MachineUnavailable,
    NotifierUnavailable,
    ObjectChanged,
    StorageUnavailable,
    StorageUse,
    WorkFolderUnavailable,
)

MIX = MixRequest(stage_id="stage001", stem_paths=("a.wav",))
HASH = HashRequest(stem_id="stem789", filepath="a.wav")
USES: tuple[StorageUse, ...] = ("reading", "writing", "deleting")


def failed(use: StorageUse) -> StorageUnavailable:
    """What a storage raises that can't be asked for that."""
    error = StorageUnavailable("away")
    error.use = use
    return error


def test_it_is_there_until_something_else_is_heard() -> None:
    assert not Breaker("server").is_open


def test_three_different_askings_in_a_row_mean_that_it_is_away() -> None:
    breaker = Breaker("server")
    answers = [breaker.failed(asked) for asked in ("a", "b", "c", "d")]
    assert answers == [False, False, True, True]
    assert breaker.is_open


def test_the_same_askings_again_and_again_may_be_at_fault_themselves() -> None:
    breaker = Breaker("server")
    for asked in ("a", "b", "a", "b", "a", "b", "b"):
        assert breaker.failed(asked) is False
    assert not breaker.is_open


def test_what_is_asked_for_as_one_fails_as_one() -> None:
    breaker = Breaker("server")
    for name in ("a mix", "another mix"):
        with one_asking(name):
            assert [breaker.failed(asked) for asked in ("a", "b", "c")] == [False] * 3
    assert breaker.failed("a")


def test_one_that_worked_begins_the_count_anew() -> None:
    breaker = Breaker("server")
    for asked in ("a", "b"):
        breaker.failed(asked)
    breaker.worked()
    assert [breaker.failed(asked) for asked in ("c", "d", "e")] == [False, False, True]


def test_one_that_worked_closes_it_and_another_opening_takes_three_again() -> None:
    breaker = Breaker("server")
    for asked in ("a", "b", "c", "d"):
        breaker.failed(asked)
    breaker.worked()
    assert not breaker.is_open
    assert [breaker.failed(asked) for asked in ("a", "b", "c")] == [False, False, True]


def test_an_answer_without_the_deed_does_not_begin_the_count_anew() -> None:
    breaker = Breaker("storage")
    breaker.failed("a")
    breaker.answered()
    breaker.failed("b")
    breaker.answered()
    assert breaker.failed("c") is True


def test_an_answer_closes_it_all_the_same_and_another_opening_takes_three_again() -> None:
    time = FakeClock()
    breaker = Breaker("storage", clock=time.as_clock())
    for asked in ("a", "b", "c"):
        breaker.failed(asked)
    breaker.answered()
    assert not breaker.is_open
    assert breaker.was_open(within_s=60.0)
    assert [breaker.failed(asked) for asked in ("a", "b", "c")] == [False, False, True]


@pytest.mark.parametrize("opens_after", [1, 2, 5])
def test_how_many_askings_it_takes_can_be_said(opens_after: int) -> None:
    breaker = Breaker("server", opens_after=opens_after)
    opened = [breaker.failed(f"asked-{number}") for number in range(opens_after)]
    assert opened == [False] * (opens_after - 1) + [True]


def test_beginning_and_end_are_logged_once_and_the_beginning_is_counted() -> None:
    tally = Tally()
    breaker = Breaker("storage", tally=tally)
    with capture_logs() as logs:
        breaker.worked()
        for asked in ("a", "b", "c", "d"):
            breaker.failed(asked)
        breaker.worked()
        breaker.worked()
    assert logs == [
        {"event": "storage_is_away", "log_level": "error", "failed": 3},
        {"event": "storage_is_back", "log_level": "warning"},
    ]
    assert tally.counts() == {"storage_away": 1}


def test_a_long_outage_takes_no_memory() -> None:
    breaker = Breaker("storage")
    for number in range(1000):
        breaker.failed(f"key-{number}")
    assert len(breaker._failed) == 3


def test_eight_threads_open_it_once() -> None:
    tally = Tally()
    breaker = Breaker("storage", opens_after=800, tally=tally)

    def fail(thread: int) -> int:
        return [breaker.failed(f"{thread}/{number}") for number in range(100)].count(True)

    assert sum(opened for opened in at_once(8, fail) if isinstance(opened, int)) == 1
    assert breaker.is_open
    assert tally.counts() == {"storage_away": 1}


class TestTime:
    def test_what_nobody_asks_for_any_more_counts_as_back_in_the_end(self) -> None:
        time = FakeClock()
        breaker = Breaker("machine", forgets_after_s=300.0, clock=time.as_clock())
        for asked in ("a", "b", "c"):
            breaker.failed(asked)
        time.advance(200.0)
        breaker.failed("a")
        time.advance(300.0)
        states = [breaker.is_open]
        time.advance(0.1)
        with capture_logs() as logs:
            states += [breaker.is_open, breaker.is_open]
        assert states == [True, False, False]
        assert [log["event"] for log in logs] == ["machine_is_back"]
        assert [breaker.failed(asked) for asked in ("a", "b", "c")] == [False, False, True]

    def test_what_fails_at_long_intervals_is_not_forgotten(self) -> None:
        """One upload comes every ten minutes, and none can be read."""
        time = FakeClock()
        breaker = Breaker("storage", forgets_after_s=300.0, clock=time.as_clock())
        opened = []
        for asked in ("a", "b", "c"):
            time.advance(600.0)
            assert not breaker.is_open
            opened.append(breaker.failed(asked))
        assert opened == [False, False, True]

    def test_without_a_limit_it_stays_away_until_one_worked(self) -> None:
        time = FakeClock()
        breaker = Breaker("storage", opens_after=1, clock=time.as_clock())
        breaker.failed("a")
        time.advance(1e9)
        assert breaker.is_open

    def test_it_is_known_whether_it_was_away_lately(self) -> None:
        time = FakeClock()
        breaker = Breaker("storage", opens_after=1, clock=time.as_clock())
        assert not breaker.was_open(within_s=60.0)
        breaker.failed("a")
        time.advance(3600.0)
        assert breaker.was_open(within_s=60.0)
        breaker.worked()
        time.advance(59.0)
        assert breaker.was_open(within_s=60.0)
        breaker.worked()
        time.advance(1.0)
        assert not breaker.was_open(within_s=60.0)


class TestExcuses:
    @pytest.mark.parametrize(
        "error",
        [
            MachineUnavailable("tired"),
            WorkFolderUnavailable("full"),
            ComputeUnavailable("no process"),
        ],
    )
    def test_what_the_machine_lacks_is_never_the_messages_fault(self, error: Exception) -> None:
        excuses = Excuses()
        assert [excuses.cover(error, "message-1") for _ in range(5)] == [True] * 5
        assert not excuses.machine.is_open

    def test_three_messages_without_a_machine_open_its_breaker(self) -> None:
        excuses = Excuses()
        for message_id in ("1", "2", "3"):
            assert not excuses.machine.is_open
            excuses.cover(WorkFolderUnavailable("full"), message_id)
        assert excuses.machine.is_open
        assert not excuses.storage.is_open

    @pytest.mark.parametrize(
        ("command", "is_back"),
        [
            (MIX, True),
            (AnalysisRequest(stem_id="stem789", filepath="a.wav", num_peaks=4), True),
            (HASH, False),
            (DuplicateRequest(stem_id="stem789", filepath="a.wav", audio_hash="h"), False),
            (HealthRequest(), False),
            (CleanupRequest(), False),
        ],
    )
    def test_only_work_that_needs_the_machine_tells_that_it_is_back(
        self, command: Command, is_back: bool
    ) -> None:
        excuses = Excuses()
        for message_id in ("1", "2", "3"):
            excuses.cover(WorkFolderUnavailable("full"), message_id)
        excuses.done(command)
        assert excuses.machine.is_open is not is_back

    def test_while_only_hashes_come_the_machine_counts_as_back_after_five_minutes(self) -> None:
        """Otherwise a worker would receive next to nothing, for as long as no analysis comes."""
        time = FakeClock()
        excuses = Excuses(machine=machine_breaker(clock=time.as_clock()))
        for message_id in ("1", "2", "3"):
            excuses.cover(WorkFolderUnavailable("full"), message_id)
        for _ in range(10):
            assert excuses.machine.is_open
            excuses.done(HASH)
            time.advance(30.1)
        assert not excuses.machine.is_open

    def test_a_storage_that_fails_for_others_too_is_not_the_messages_fault(self) -> None:
        excuses = Excuses()
        covered = []
        for number in range(9):
            excuses.storage.reading.failed(f"key-{number}")
            covered.append(excuses.cover(failed("reading"), "message-1"))
        assert covered == [False] * 7 + [True] * 2

    def test_nor_is_one_that_was_back_for_a_moment(self) -> None:
        time = FakeClock()
        excuses = Excuses(storage=storage_breakers(clock=time.as_clock()))
        for number in range(8):
            excuses.storage.reading.failed(f"key-{number}")
        excuses.storage.reading.worked()
        assert excuses.cover(failed("reading"), "message-1")
        time.advance(1799.0)
        assert excuses.cover(failed("reading"), "message-1")
        time.advance(1.0)
        assert not excuses.cover(failed("reading"), "message-1")

    def test_four_objects_that_can_not_be_written_are_an_excuse_whatever_is_read(self) -> None:
        excuses = Excuses()
        covered = []
        for number in range(5):
            excuses.storage.reading.worked()
            excuses.storage.writing.failed(f"key-{number}")
            covered.append(excuses.cover(failed("writing"), "message-1"))
        assert covered == [False] * 3 + [True] * 2
        assert excuses.storage.is_open

    def test_what_can_not_be_deleted_is_an_excuse_and_keeps_nobody_else(self) -> None:
        excuses = Excuses()
        for number in range(4):
            excuses.storage.writing.worked()
            excuses.storage.deleting.failed(f"key-{number}")
        assert excuses.cover(failed("deleting"), "message-1")
        assert not excuses.storage.is_open

    @pytest.mark.parametrize("use", USES)
    def test_what_fails_in_one_way_is_no_excuse_for_what_fails_in_another(
        self, use: StorageUse
    ) -> None:
        excuses = Excuses()
        for number in range(8):
            excuses.storage.of(use).failed(f"key-{number}")
        covered = [other for other in USES if excuses.cover(failed(other), "message-1")]
        assert covered == [use]

    def test_what_is_stored_but_of_no_use_is_never_excused(self) -> None:
        excuses = Excuses()
        for use in USES:
            for number in range(8):
                excuses.storage.of(use).failed(f"key-{number}")
        assert not excuses.cover(StorageUnavailable("a damaged line"), "message-1")

    @pytest.mark.parametrize("use", USES)
    def test_that_nobody_asks_any_more_does_not_keep_it_away_for_ever(
        self, use: StorageUse
    ) -> None:
        time = FakeClock()
        breaker = storage_breakers(clock=time.as_clock()).of(use)
        for number in range(8):
            breaker.failed(f"key-{number}")
        time.advance(300.0)
        states = [breaker.is_open]
        time.advance(0.1)
        assert [*states, breaker.is_open] == [True, False]

    def test_the_log_says_what_of_the_storage_is_away(self) -> None:
        tally = Tally()
        storage = storage_breakers(tally)
        with capture_logs() as logs:
            for number in range(4):
                storage.writing.failed(f"key-{number}")
            storage.writing.worked()
        assert logs == [
            {"event": "storage_is_away", "log_level": "error", "failed": 4, "doing": "writing"},
            {"event": "storage_is_back", "log_level": "warning", "doing": "writing"},
        ]
        assert tally.counts() == {"storage_away": 1}

    @pytest.mark.parametrize(
        "error", [ObjectChanged("other"), NotifierUnavailable("503"), ZeroDivisionError("defect")]
    )
    def test_nothing_else_is_excused_whatever_is_away(self, error: Exception) -> None:
        excuses = Excuses()
        for number in range(8):
            excuses.storage.reading.failed(f"key-{number}")
            excuses.machine.failed(f"message-{number}")
        assert excuses.cover(error, "message-1") is False
