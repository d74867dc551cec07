"""The end of a process in which nothing goes on any more, not even who looks after it."""

from __future__ import annotations

import faulthandler
from contextlib import suppress

from attrs import define, field

from waveflow.application.clock import Clock

_STANDARD_ERROR = 2
_PUT_OFF_EVERY = 1 / 20


@define
class LastResort:
    """Ends the process (1), unless it is put off again and again.

    A thread that never lets go of the interpreter, or a main thread that hangs, would leave a
    worker that is silent until somebody restarts it. This timer is no Python code and needs no
    lock. It writes where each thread is to standard error.

    Attributes:
        after_s: for how long at least nobody may put it off; a twentieth longer at most.
    """

    after_s: float
    clock: Clock = field(factory=Clock)
    _armed_s: float | None = field(default=None, init=False)

    def put_off(self) -> None:
        """Start anew. Cheap, and to be called often."""
        now_s = self.clock.monotonic_s()
        spare_s = self.after_s * _PUT_OFF_EVERY
        if self._armed_s is not None and now_s - self._armed_s < spare_s:
            return
        # Without room for its thread there is no timer until the next try; the work goes on.
        with suppress(RuntimeError, MemoryError):
            faulthandler.dump_traceback_later(
                self.after_s + spare_s, exit=True, file=_STANDARD_ERROR
            )
            self._armed_s = now_s

    def cancel(self) -> None:
        """The process may take as long as it likes."""
        self._armed_s = None
        faulthandler.cancel_dump_traceback_later()
