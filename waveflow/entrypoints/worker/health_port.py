"""The worker's health, as its HTTP port tells it from the first moment to the last."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from waveflow.entrypoints.worker.http_port import HttpPort
from waveflow.entrypoints.worker.liveness import Liveness
from waveflow.entrypoints.worker.pages import Render, pages_of
from waveflow.entrypoints.worker.readiness import Readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from waveflow.application.clock import Clock
    from waveflow.application.health_checks import DependencyCheck
    from waveflow.entrypoints.worker.service import Worker


class HealthPort:
    """Answers from when it is made until it is closed, for a worker that begins meanwhile."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        dependencies: Sequence[DependencyCheck],
        away: Callable[[], Sequence[str]],
        render_metrics: Render,
        silent_after_s: float,
        longest_end_s: float,
        clock: Clock,
    ) -> None:
        """Begin to listen.

        Args:
            dependencies: what a message needs.
            away: for what breakers are open.
            silent_after_s: how long the main thread may not have looked.
            longest_end_s: how long the end may take.

        Raises:
            PortInUse: when something else listens there.
            SettingsError: when it can't be listened there.
        """
        self._liveness = Liveness(silent_after_s, longest_end_s, clock)
        self.readiness = Readiness(dependencies, lambda: self._liveness.state, away, clock)
        self._port = HttpPort(host, port, pages_of(self._liveness, self.readiness, render_metrics))

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port.port

    def begin(self, worker: Worker) -> None:
        """Everything was found in order, and the worker is about to begin."""
        self._liveness.begin(worker)
        self.readiness.begin()
        worker.need("http", self._port.is_alive)

    def look(self) -> None:
        """To be called by the main thread, often."""
        self._liveness.look()

    def close(self) -> None:
        """Answer no more."""
        with ExitStack() as stack:
            stack.callback(self._port.close)
            self.readiness.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
