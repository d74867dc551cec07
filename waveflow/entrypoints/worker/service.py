"""The worker as a whole: starts the threads, watches over them, and ends in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, IntEnum
from threading import Event, Thread

import structlog

from waveflow.application.clock import Clock
from waveflow.application.outage import Outage
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.poller import Poller
from waveflow.entrypoints.worker.slot import Slot
from waveflow.entrypoints.worker.threads import Bell, WatchedThread, join_all
from waveflow.entrypoints.worker.watchdog import Watchdog

_log = structlog.get_logger(__name__)

_LAST_RECEIVE_S = 30.0
"""How much longer than its wait a last receive may take, with a queue that is slow to answer."""
_SILENT_RECEIVE_S = 1.0
"""The same with a queue that was silent for too long: most probably nothing comes any more."""
_THREADS_END_S = 30.0


def longest_drain_s(drain_timeout_s: float, receive_wait_s: float) -> float:
    """How long an orderly end may take, as long as the queue takes back what has not begun."""
    return drain_timeout_s + receive_wait_s + _LAST_RECEIVE_S + _THREADS_END_S


class Ending(IntEnum):
    """How the worker ended: its exit code."""

    ORDERLY = 0
    THREAD_FAILED = 1
    OUT_OF_TIME = 4
    QUEUE_SILENT = 5
    SLOT_STUCK = 6


class State(Enum):
    """What a worker is about."""

    STARTING = "starting"
    WORKING = "working"
    DRAINING = "draining"


class Worker:
    """Polls, works, keeps leases and sweeps, in threads of its own, until it is told to stop.

    ```
    poller (1) ──► desk ──► slots (N) ──► compute processes
                              │
    heartbeat (1) ◄───────────┘           sweeper (1)
    ```
    """

    def __init__(
        self,
        *,
        poller: Poller,
        desk: Desk,
        leases: LeaseKeeper,
        slot: Slot,
        slots: int,
        outage: Outage,
        sweep: Callable[[], object],
        sweep_interval_s: float,
        drain_timeout_s: float,
        watchdog_s: float,
        stuck_after_s: float,
        threads_end_s: float = _THREADS_END_S,
        look_every_s: float = 0.5,
        clock: Clock | None = None,
    ) -> None:
        """Wire a worker; nothing runs yet.

        Args:
            slot: what each of the `slots` threads runs.
            sweep: removes what crashed tasks left in the work folder.
            drain_timeout_s: what running work has left once the worker is told to stop.
            watchdog_s: how long the queue may stay silent.
            stuck_after_s: how long a slot may go without a step; 0 for as long as it likes.
            threads_end_s: how long threads may take to end that have nothing more to do.
            look_every_s: between two looks at whether all is well.
        """
        self._poller = poller
        self._desk = desk
        self._leases = leases
        self._outage = outage
        self._sweep = sweep
        self._sweep_interval_s = sweep_interval_s
        self._drain_timeout_s = drain_timeout_s
        self._threads_end_s = threads_end_s
        self._look_every_s = look_every_s
        self._clock = clock or Clock()
        self._watchdog = Watchdog(poller, desk, watchdog_s, stuck_after_s, self._clock)
        self._ended = Event()
        self._state = State.STARTING
        self._bell = Bell()
        self._polling = WatchedThread("poller", poller.run, self._bell)
        self._heartbeat = WatchedThread("heartbeat", leases.keep, self._bell)
        self._working = [
            WatchedThread(f"slot-{number}", slot.run, self._bell) for number in range(1, slots + 1)
        ]
        self._sweeping = WatchedThread("sweeper", self._sweep_regularly, self._bell)
        self._threads = [self._polling, self._heartbeat, self._sweeping, *self._working]
        self._needed: dict[str, Callable[[], bool]] = {
            thread.name: thread.is_alive for thread in self._threads
        }

    @property
    def is_busy(self) -> bool:
        """Whether a thread still runs; once `run` has returned, it may be stuck for good."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def state(self) -> State:
        """What it is about: draining as soon as it is told to stop."""
        return self._state

    def missing(self) -> list[str]:
        """What has ended although it is needed; everything, before `run` and at the end."""
        return [name for name, is_alive in self._needed.items() if not is_alive()]

    def need(self, name: str, is_alive: Callable[[], bool]) -> None:
        """End as with a thread of its own once `is_alive` says no. For before `run`."""
        self._needed[name] = is_alive

    def stop(self) -> None:
        """Begin to end: receive nothing more. May be called from a signal handler."""
        self._state = State.DRAINING
        self._bell.ring()

    def run(self, sign_of_life: Callable[[], object] = lambda: None) -> Ending:
        """Work until `stop` is called, or something is wrong with the worker itself.

        `sign_of_life` is called again and again, for the last time when the worker begins to
        end.

        Threads may still be busy then, of work that took too long, say: see `is_busy`. The
        process has to exit without waiting for them.
        """
        for thread in self._threads:
            thread.start()
        if self._state is State.STARTING:
            self._state = State.WORKING
        _log.info("worker_started", slots=len(self._working))
        failed = False
        while not failed and not self._bell.wait(self._look_every_s):
            sign_of_life()
            self._watchdog.look()
            if self._watchdog.queue_is_silent():
                self._drain_at_any_price(_SILENT_RECEIVE_S)
                return Ending.QUEUE_SILENT
            if stuck := self._watchdog.stuck():
                self._drain_at_any_price(self._poller.wait_s + _LAST_RECEIVE_S, stuck)
                return Ending.SLOT_STUCK
            failed = self._somebody_is_missing()
        sign_of_life()
        ending = self._drain(self._poller.wait_s + _LAST_RECEIVE_S)
        if failed or any(thread.failed for thread in self._threads):
            return ending or Ending.THREAD_FAILED
        return ending

    def _somebody_is_missing(self) -> bool:
        # Nobody has been told to end yet. Who failed has said so, and rung the bell.
        missing = self.missing()
        for name in missing:
            _log.critical("thread_is_missing", thread=name)
        return bool(missing)

    def _drain_at_any_price(self, last_receive_s: float, stuck: Sequence[HeldMessage] = ()) -> None:
        """What runs may still come to its end, beside a queue or a slot that doesn't work."""
        # Giving back may not return either.
        draining = Thread(
            target=self._drain, args=[last_receive_s, stuck], name="drain", daemon=True
        )
        draining.start()
        draining.join(self._drain_timeout_s + self._threads_end_s)

    def _drain(self, last_receive_s: float, stuck: Sequence[HeldMessage] = ()) -> Ending:
        """Finish what runs, give back what has not begun, and what is stuck."""
        self._state = State.DRAINING
        deadline_s = self._clock.monotonic_s() + self._drain_timeout_s
        _log.info("worker_stops", **self._desk.counts())
        self._poller.stop.set()
        self._outage.end()
        self._ended.set()
        not_begun = self._desk.close()
        for held in stuck:
            self._desk.write_off(held)
        self._leases.give_back(held.lease for held in (*not_begun, *stuck))
        idle = self._desk.wait_until_idle(deadline_s - self._clock.monotonic_s())
        if not idle:
            _log.error("worker_out_of_time", **self._desk.counts())
            self._leases.give_back(self._leases.held())
        # A last receive may still bring messages, and it gives them back: wait for it.
        polled = join_all([self._polling], last_receive_s)
        if not idle or not polled:
            return Ending.OUT_OF_TIME
        self._leases.end()
        others = [self._heartbeat, self._sweeping, *([] if stuck else self._working)]
        join_all(others, self._threads_end_s)
        _log.info("worker_stopped")
        return Ending.ORDERLY

    def _sweep_regularly(self) -> None:
        while True:
            try:
                self._sweep()
            except Exception as error:
                _log.error("sweep_failed", exc_info=error)
            if self._ended.wait(self._sweep_interval_s):
                return
