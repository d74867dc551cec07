"""The worker as a whole: starts the threads, watches over them, and ends in order."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from threading import Event, Thread

import structlog

from waveflow.application.clock import Clock
from waveflow.application.outage import Outage
from waveflow.entrypoints.worker.desk import Desk
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.poller import Poller
from waveflow.entrypoints.worker.slot import Slot
from waveflow.entrypoints.worker.threads import Bell, WatchedThread, join_all

_log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.5
_LAST_RECEIVE_S = 30.0
"""How much longer than its wait a last receive may take, with a queue that is slow to answer."""
_SILENT_RECEIVE_S = 1.0
"""The same with a queue that was silent for too long: most probably nothing comes any more."""


class Ending(IntEnum):
    """How the worker ended: its exit code."""

    ORDERLY = 0
    THREAD_FAILED = 1
    OUT_OF_TIME = 4
    QUEUE_SILENT = 5


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
        threads_end_s: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        """Wire a worker; nothing runs yet.

        Args:
            slot: what each of the `slots` threads runs.
            sweep: removes what crashed tasks left in the work folder.
            drain_timeout_s: what running work has left once the worker is told to stop.
            watchdog_s: how long the queue may stay silent.
            threads_end_s: how long threads may take to end that have nothing more to do.
        """
        self._poller = poller
        self._desk = desk
        self._leases = leases
        self._outage = outage
        self._sweep = sweep
        self._sweep_interval_s = sweep_interval_s
        self._drain_timeout_s = drain_timeout_s
        self._watchdog_s = watchdog_s
        self._threads_end_s = threads_end_s
        self._clock = clock or Clock()
        self._ended = Event()
        self._bell = Bell()
        self._polling = WatchedThread("poller", poller.run, self._bell)
        self._heartbeat = WatchedThread("heartbeat", leases.keep, self._bell)
        self._working = [
            WatchedThread(f"slot-{number}", slot.run, self._bell) for number in range(1, slots + 1)
        ]
        self._sweeping = WatchedThread("sweeper", self._sweep_regularly, self._bell)
        self._threads = [self._polling, self._heartbeat, self._sweeping, *self._working]

    @property
    def is_busy(self) -> bool:
        """Whether a thread still runs; once `run` has returned, it may be stuck for good."""
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Begin to end: receive nothing more. May be called from a signal handler."""
        self._bell.ring()

    def run(self) -> Ending:
        """Work until `stop` is called, or something is wrong with the worker itself.

        Threads may still be busy then, of work that took too long, say: see `is_busy`. The
        process has to exit without waiting for them.
        """
        for thread in self._threads:
            thread.start()
        _log.info("worker_started", slots=len(self._working))
        while not self._bell.wait(_LOOK_EVERY_S):
            silent_s = self._poller.silent_s()
            if silent_s > self._watchdog_s:
                _log.critical("queue_is_silent", silent_s=round(silent_s, 1))
                self._drain_beside_silence()
                return Ending.QUEUE_SILENT
        ending = self._drain(self._poller.wait_s + _LAST_RECEIVE_S)
        if any(thread.failed for thread in self._threads):
            return ending or Ending.THREAD_FAILED
        return ending

    def _drain_beside_silence(self) -> None:
        """What runs may still come to its end: only receives fail, perhaps."""
        # Or else giving back doesn't return either: it is not waited for at any price.
        draining = Thread(target=self._drain, args=[_SILENT_RECEIVE_S], name="drain", daemon=True)
        draining.start()
        draining.join(self._drain_timeout_s + self._threads_end_s)

    def _drain(self, last_receive_s: float) -> Ending:
        """Finish what runs, give back what has not begun."""
        deadline_s = self._clock.monotonic_s() + self._drain_timeout_s
        _log.info("worker_stops", **self._desk.counts())
        self._poller.stop.set()
        self._outage.end()
        self._ended.set()
        self._leases.give_back(held.lease for held in self._desk.close())
        idle = self._desk.wait_until_idle(deadline_s - self._clock.monotonic_s())
        if not idle:
            _log.error("worker_out_of_time", **self._desk.counts())
            self._leases.give_back(self._leases.held())
        # A last receive may still bring messages, and it gives them back: wait for it.
        polled = join_all([self._polling], last_receive_s)
        if not idle or not polled:
            return Ending.OUT_OF_TIME
        self._leases.end()
        join_all([self._heartbeat, self._sweeping, *self._working], self._threads_end_s)
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
