"""What a deployment must not do: asks both workers all the time whether they are ready."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import define, field

_EVERY_S = 0.02


@define
class Watch:
    """When nobody was ready, and how often it was looked.

    Attributes:
        gaps_s: how long each stretch was during which no worker was ready.
        both: how often both were at once.
    """

    looks: int = 0
    both: int = 0
    gaps_s: list[float] = field(factory=list)
    _since_s: float | None = None

    def look(self, ports: Sequence[int]) -> None:
        """Ask each of the ports."""
        ready = sum(is_ready(port) for port in ports)
        now_s = time.monotonic()
        self.looks += 1
        self.both += ready == len(ports)
        if ready:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
            self.gaps_s.append(0.0)
        else:
            self.gaps_s[-1] = now_s - self._since_s


def is_ready(port: int) -> bool:
    """Whether the worker on this port says so."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def again_and_again(step: Callable[[], object], every_s: float) -> Iterator[None]:
    """Carries out `step` at intervals while the block runs, and raises what it raised."""
    over = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        while not over.wait(every_s):
            try:
                step()
            except BaseException as error:
                errors.append(error)
                return

    thread = threading.Thread(target=run, name="again-and-again")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not errors, errors


@contextmanager
def watching(ports: Sequence[int]) -> Iterator[Watch]:
    """Looks all the time while the block runs."""
    watch = Watch()
    with again_and_again(lambda: watch.look(ports), _EVERY_S):
        yield watch
