"""The end of a process in which nothing goes on any more, not even who looks after it."""

from __future__ import annotations

import faulthandler

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
        after_s: how long nobody may put it off.
    """

    after_s: float
    clock: Clock = field(factory=Clock)
    _armed_s: float | None = field(default=None, init=False)

    def put_off(self) -> None:
        """Start anew. Cheap, and to be called often."""
        now_s = self.clock.monotonic_s()
        if self._armed_s is None or now_s - self._armed_s >= self.after_s * _PUT_OFF_EVERY:
            self._armed_s = now_s
            faulthandler.dump_traceback_later(self.after_s, exit=True, file=_STANDARD_ERROR)

    def cancel(self) -> None:
        """The process may take as long as it likes."""
        self._armed_s = None
        faulthandler.cancel_dump_traceback_later()
