"""The parent's end of a compute process: hands it tasks, and notices its death."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from threading import Lock
from typing import Any

from waveflow.adapters.codec.compute_process import Failure, ProcessLimits, Value, is_defect
from waveflow.application.ports import AudioCodec

_START_TIMEOUT_S = 60.0
_RETIRE_TIMEOUT_S = 1.0
_KILL_TIMEOUT_S = 5.0
_MAX_REPLY_BYTES = 64 * 1024**2
"""A waveform has 32 kB; what is longer comes from a process that has lost its mind."""


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

    def start(self, codec: AudioCodec, limits: ProcessLimits) -> None:
        """Give it its codec.

        Raises:
            OSError: when it can't use that: no task has a part in it.
        """
        try:
            self._ask((codec, limits), _START_TIMEOUT_S)
        except (ChildDied, ChildTimedOut) as error:
            raise ChildProcessError("A compute process ended before its first task.") from error

    def run(self, method: str, arguments: tuple[Any, ...], timeout_s: float) -> Any:
        """Call a method of the child's codec.

        Raises:
            ChildDied: when the child ended over it.
            ChildTimedOut: when there was no answer in time.
            Exception: what the codec raised.
        """
        self.tasks += 1
        return self._ask((method, arguments), timeout_s)

    def _ask(self, request: tuple[Any, ...], timeout_s: float) -> Any:
        try:
            reply = self._answer(request, timeout_s)
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

    def _answer(self, request: tuple[Any, ...], timeout_s: float) -> Value | Failure:
        self._connection.send(request)
        if not wait([self._connection, self._exit_code], timeout_s):
            raise ChildTimedOut
        if not self._connection.poll():
            raise EOFError
        content = self._connection.recv_bytes(_MAX_REPLY_BYTES)
        reply: Value | Failure = pickle.loads(content)  # noqa: S301 (what our own code sent)
        return reply

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
