"""The parent's end of a compute process: hands it tasks, and notices its death."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from threading import Lock
from typing import Any

from waveflow.adapters.codec import replies
from waveflow.adapters.codec.compute_process import ProcessLimits, is_defect
from waveflow.adapters.codec.replies import Failure, Value
from waveflow.application.ports import AudioCodec
from waveflow.application.waiting import LOOK_EVERY_S, KeepWaiting, always

_START_TIMEOUT_S = 60.0
_RETIRE_TIMEOUT_S = 1.0
_KILL_TIMEOUT_S = 5.0


class ChildDied(Exception):
    """Raised when a compute process ended instead of answering.

    Attributes:
        exit_code: -n for signal n; None when the fork server went down as well.
    """

    def __init__(self, pid: int, exit_code: int | None) -> None:
        super().__init__(f"Compute process {pid} ended with exit code {exit_code}.")
        self.pid = pid
        self.exit_code = exit_code


class ChildTimedOut(Exception):
    """Raised when a compute process didn't answer in time, and was killed."""


class Child:
    """A compute process, for one thread at a time; only `kill` may be called by another.

    Attributes:
        tasks: how many it was given so far.
    """

    def __init__(self, pid: int, connection: Connection, exit_code: Connection) -> None:
        self.pid = pid
        self.tasks = 0
        self._connection = connection
        self._exit_code = exit_code
        self._ended = False
        self._ending = Lock()

    @property
    def alive(self) -> bool:
        """Whether it can take a task, as far as is known."""
        return not self._ended and not self._exit_code.poll()

    @property
    def retired(self) -> bool:
        """Whether it has ended and this end of it is closed: by a task that it failed, say."""
        return self._ended

    def start(self, codec: AudioCodec, limits: ProcessLimits) -> tuple[str, ...]:
        """Give it its codec. Returns what it lacks of its confinement: nothing, mostly.

        Raises:
            OSError: when it can't use that: no task has a part in it.
        """
        try:
            lacking = self._ask((codec, limits), _START_TIMEOUT_S)
        except (ChildDied, ChildTimedOut) as error:
            reason = str(error) or f"It was not ready within {_START_TIMEOUT_S:g} s."
            raise ChildProcessError(f"No task was begun. {reason}") from error
        return tuple(lacking)

    def run(
        self,
        method: str,
        arguments: tuple[Any, ...],
        timeout_s: float,
        keep_waiting: KeepWaiting = always,
    ) -> Any:
        """Call a method of the child's codec.

        Raises:
            ChildDied: when the child ended over it.
            ChildTimedOut: when there was no answer in time.
            WorkInterrupted: from `keep_waiting`; the child is killed.
            Exception: what the codec raised.
        """
        self.tasks += 1
        return self._ask((method, arguments), timeout_s, keep_waiting)

    def _ask(
        self, request: tuple[Any, ...], timeout_s: float, keep_waiting: KeepWaiting = always
    ) -> Any:
        try:
            reply = self._answer(request, timeout_s, keep_waiting)
        except BaseException as error:
            # Its answer may still come, and would be taken for the next task's.
            self.kill()
            exit_code = self._reap()
            if isinstance(error, (EOFError, OSError)):
                raise ChildDied(self.pid, exit_code) from error
            raise
        if isinstance(reply, Failure):
            if is_defect(reply.error):
                reply.error.add_note(f"In compute process {self.pid}:\n{reply.trace}")
            raise reply.error
        return reply.value

    def _answer(
        self, request: tuple[Any, ...], timeout_s: float, keep_waiting: KeepWaiting
    ) -> Value | Failure:
        until_s = time.monotonic() + timeout_s
        self._connection.send(request)
        pipes = [self._connection, self._exit_code]
        while not wait(pipes, min(until_s - time.monotonic(), LOOK_EVERY_S)):
            if time.monotonic() >= until_s:
                raise ChildTimedOut
            keep_waiting()
        if not self._connection.poll():
            raise EOFError
        try:
            content = replies.receive(self._connection, until_s)
        except TimeoutError as error:
            raise ChildTimedOut from error
        return replies.decode(content)

    def retire(self) -> None:
        """Let it leave by itself; kill it when it doesn't."""
        if self._ended:
            return
        self._connection.close()
        if not self._exit_code.poll(_RETIRE_TIMEOUT_S):
            self.kill()
        self._reap()

    def kill(self) -> None:
        """End it now; a task that it runs fails with `ChildDied`."""
        with self._ending, suppress(ProcessLookupError):
            if not self._ended:
                os.kill(self.pid, signal.SIGKILL)

    def _reap(self) -> int | None:
        try:
            came = self._exit_code.poll(_KILL_TIMEOUT_S)
            exit_code: int | None = self._exit_code.recv() if came else None
        except (EOFError, OSError):
            exit_code = None
        with self._ending:
            self._ended = True
        self._connection.close()
        self._exit_code.close()
        return exit_code
