"""Trying what the tasks depend on. What hangs keeps nobody waiting, and is not asked again."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread

from attrs import frozen

from waveflow.application.breaker import Excuses
from waveflow.application.clock import Clock
from waveflow.application.disk_errors import translated
from waveflow.application.outage import Outage
from waveflow.application.ports import AudioStorage
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.errors import ObjectNotFound

_PROBE_KEY = "ledger/_/health-probe"
"""Never written: asking for it shows whether the storage answers."""


@frozen
class Check:
    """One thing that has to work, and what is wrong when it doesn't."""

    name: str
    problem: str | None = None


def tried(name: str, attempt: Callable[[], object]) -> Check:
    """What comes of an attempt."""
    try:
        attempt()
    except Exception as error:  # whatever it is, the other checks are to be heard as well
        return Check(name, str(error) or repr(error))
    return Check(name)


class DependencyCheck:
    """Tries one thing again and again, each time in a thread of its own. Thread-safe.

    There is one attempt at a time, whoever asks for it: one that never returns keeps one thread,
    and not one for each time that somebody wanted to know.
    """

    def __init__(
        self, name: str, attempt: Callable[[], object], *, clock: Clock | None = None
    ) -> None:
        """Try nothing yet.

        Args:
            attempt: raises when it doesn't work; the error's text says what to do.
        """
        self.name = name
        self._attempt = attempt
        self._clock = clock or Clock()
        self._began_s: float | None = None
        self._latest: Check | None = None
        self._changed = Condition()

    def begin(self) -> None:
        """Try it, unless an attempt is under way."""
        with self._changed:
            if self._began_s is not None:
                return
            self._began_s = self._clock.monotonic_s()
        try:
            Thread(target=self._try, name=f"check-{self.name}", daemon=True).start()
        except RuntimeError as error:  # There is no room for another thread.
            self._ends(Check(self.name, f"It can't be tried: {error}."))

    def wait(self, limit_s: float) -> Check:
        """What came of the attempt under way, as soon as that is known, or after `limit_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._began_s is None, limit_s)
        return self.latest(limit_s)

    def latest(self, limit_s: float) -> Check:
        """What is known now.

        Args:
            limit_s: an attempt that has been under way for longer gets no answer any more.
        """
        with self._changed:
            now_s = self._clock.monotonic_s()
            if self._began_s is not None and now_s - self._began_s >= limit_s:
                return Check(self.name, f"No answer within {limit_s:g} s.")
            return self._latest or Check(self.name, "Not tried yet.")

    def _try(self) -> None:
        self._ends(tried(self.name, self._attempt))

    def _ends(self, check: Check) -> None:
        with self._changed:
            self._latest, self._began_s = check, None
            self._changed.notify_all()


def ask_storage(storage: AudioStorage) -> None:
    """Ask for an object that isn't there.

    Raises:
        StorageUnavailable: when that is not the answer.
    """
    try:
        storage.stat(_PROBE_KEY)
    except ObjectNotFound:
        return


def try_work_folder(work_folder: WorkFolder) -> None:
    """Write a file as a task does.

    Raises:
        WorkFolderUnavailable: when it can't be written.
    """
    with work_folder.task() as folder, translated(work_folder.root):
        (folder / "probe").write_bytes(b"probe")


def what_is_away(outage: Outage, excuses: Excuses) -> list[str]:
    """For what breakers are open that keep messages from being received."""
    breakers = {
        "server": outage,
        "storage_reading": excuses.storage.reading,
        "storage_writing": excuses.storage.writing,
        "machine": excuses.machine,
    }
    return [name for name, breaker in breakers.items() if breaker.is_open]
