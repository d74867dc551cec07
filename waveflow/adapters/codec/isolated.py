"""A codec round another one: every file is parsed in a child process that may die of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import structlog

from waveflow.adapters.codec.compute_child import Child, ChildDied, ChildTimedOut
from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.deaths import Reason, reason_of
from waveflow.adapters.codec.fork_server import ForkServer
from waveflow.adapters.codec.seats import ComputeEnding, ComputeUnavailable, Seat, Seats
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.application.tally import Tally
from waveflow.application.task_times import in_stage
from waveflow.application.waiting import KeepWaiting, always
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import DecoderFailed, WorkInterrupted
from waveflow.domain.mixing import Mix, naming_stem
from waveflow.domain.waveform import Analysis

_log = structlog.get_logger(__name__)

CLOSE_GRACE_S = 2.0
"""What a task that runs when the codec is closed has left."""


class IsolatedCodec(AudioCodec):
    """Runs another codec in a few child processes.

    A child that crashes, hangs or eats memory fails its own task; its neighbours go on and a
    new child takes its place. Children are forked from a process that has everything loaded,
    so replacing one costs milliseconds. A task that killed its child is run once more with no
    other beside it: the reason may have been a neighbour's hunger for memory.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self,
        codec: AudioCodec,
        *,
        processes: int = 2,
        tasks_per_process: int = 100,
        task_timeout_s: float = 600.0,
        limits: ProcessLimits | None = None,
        keep_waiting: KeepWaiting = always,
        tally: Tally | None = None,
    ) -> None:
        """Wrap `codec`, which must be picklable. Nothing is started yet.

        Args:
            tasks_per_process: a child is replaced after as many.
            task_timeout_s: wall time of one task; its child is then killed.
            keep_waiting: asked before each task, and now and then until it has ended; raises
                `WorkInterrupted` to have it broken off.
            tally: of `compute_process_death`, by its reason, and `compute_process_recycled`.
        """
        self._codec = codec
        self._limits = limits or ProcessLimits(task_cpu_s=task_timeout_s)
        self._tasks_per_process = tasks_per_process
        self._task_timeout_s = task_timeout_s
        self._keep_waiting = keep_waiting
        self._tally = tally or Tally()
        self._seats = Seats(processes, keep_waiting)
        self._fork_server = ForkServer()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to load what children need, without waiting for it: the first task need not.

        Raises:
            ComputeUnavailable: when the system can't start a process.
        """
        try:
            self._fork_server.start()
        except OSError as error:
            raise ComputeUnavailable(f"No process can be started: {error}") from error

    def close(self) -> None:
        """End all processes; no task is taken any more.

        Tasks that run have `CLOSE_GRACE_S` to finish, then fail with `ComputeEnding`.
        """
        self._seats.close()
        if self._seats.all_returned(CLOSE_GRACE_S):
            self._for_each_child(Child.retire)
        else:
            self._for_each_child(Child.kill)
        self._fork_server.close()
        if self._seats.all_returned(CLOSE_GRACE_S):
            self._for_each_child(Child.retire)

    def _for_each_child(self, do: Callable[[Child], None]) -> None:
        for seat in self._seats.all:
            if seat.child is not None:
                do(seat.child)

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        arguments = (source, num_peaks, limits, extras)
        analysis: Analysis = self._run("analyse", arguments, after_death=_removing(extras))
        return analysis

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        arguments = (list(sources), destination, num_peaks, limits, extras)
        try:
            mix: Mix = self._run("mix", arguments, after_death=_removing(extras, destination))
        except DecoderFailed as error:
            self._require_each_readable(sources, limits)
            if error.code == "decoder_crashed":
                raise
            raise DecoderFailed(
                "Each stem can be decoded, but mixing them together takes too much time or memory."
                " Please mix fewer or shorter stems.",
                code=error.code,
            ) from error
        return mix

    def _require_each_readable(self, sources: Sequence[Path], limits: AudioLimits) -> None:
        """Raises `UnreadableStem` for the first source that can't be decoded by itself either."""
        for index, source in enumerate(sources):
            with naming_stem(index):
                self.analyse(source, 1, limits)

    def _run(
        self,
        method: str,
        arguments: tuple[Any, ...],
        after_death: Callable[[], None] = lambda: None,
    ) -> Any:
        try:
            return self._attempt(1, method, arguments, after_death)
        except ChildDied as error:
            _log.warning("compute_process_died", pid=error.pid, exit_code=error.exit_code)
        try:
            return self._attempt(len(self._seats.all), method, arguments, after_death)
        except ChildDied as error:
            _log.warning("compute_process_died_again", pid=error.pid, exit_code=error.exit_code)
            if error.exit_code is None:
                # The fork server went down as well, which no file can bring about.
                raise ComputeUnavailable(
                    "The compute processes were ended from outside."
                ) from error
            raise DecoderFailed(
                "The file makes the decoder crash; it is damaged."
                " Please export it again and upload that.",
                code="decoder_crashed",
            ) from error

    def _attempt(
        self,
        seats: int,
        method: str,
        arguments: tuple[Any, ...],
        after_death: Callable[[], None],
    ) -> Any:
        """Run the task while holding so many seats. Raises `ChildDied` for a crash."""
        self._keep_waiting()
        with self._seats.taken(seats) as seat:
            child = self._child_of(seat)
            try:
                return child.run(method, arguments, self._task_timeout_s, self._keep_waiting)
            except WorkInterrupted:
                after_death()
                self._count_death("broken_off")
                raise
            except (ChildDied, ChildTimedOut) as error:
                after_death()
                if self._seats.closed:
                    raise ComputeEnding(
                        "The work was broken off: the service is ending."
                    ) from error
                self._count_death(reason_of(error))
                if isinstance(error, ChildTimedOut) or error.exit_code == -signal.SIGXCPU:
                    raise self._timed_out() from error
                if error.exit_code == -signal.SIGXFSZ:
                    raise _wrote_too_much() from error
                raise
            except DecoderFailed:
                child.retire()  # It ran out of memory: who knows what that left behind.
                self._count_death("out_of_memory")
                raise
            finally:
                self._replace_in_time(child)

    def _replace_in_time(self, child: Child) -> None:
        if child.tasks >= self._tasks_per_process:
            if child.alive:
                self._tally.add("compute_process_recycled")
            child.retire()

    def _count_death(self, reason: Reason) -> None:
        self._tally.add("compute_process_death", reason)

    def _child_of(self, seat: Seat) -> Child:
        if seat.child is not None:
            if seat.child.alive:
                return seat.child
            if not seat.child.retired:
                self._count_death("idle")
            seat.child.retire()
        try:
            with in_stage("compute_wait"):
                seat.child = self._fork_server.fork(self._codec, self._limits)
        except OSError as error:
            if self._seats.closed:
                raise ComputeEnding("The work was not begun: the service is ending.") from error
            raise ComputeUnavailable(f"No compute process can be started: {error}") from error
        return seat.child

    def _timed_out(self) -> DecoderFailed:
        return DecoderFailed(
            f"Decoding the file took longer than {self._task_timeout_s:g} s; it is damaged, or"
            " far too long. Please export it again.",
            code="decoder_timeout",
        )


def _removing(extras: Extras, *written: Path) -> Callable[[], None]:
    """What removes the files of a task that has left them unfinished."""
    files = [*written, extras.dat.destination] if extras.dat else list(written)

    def remove() -> None:
        for path in files:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    return remove


def _wrote_too_much() -> DecoderFailed:
    return DecoderFailed(
        "The file makes the decoder write without end; it is damaged."
        " Please export it again and upload that.",
        code="decoder_crashed",
    )
