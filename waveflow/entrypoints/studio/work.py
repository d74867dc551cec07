"""The worker of the studio: all of it, in threads of this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from attrs import define, field, frozen

from waveflow.application.commands import Command, Origin
from waveflow.domain.errors import TransientError
from waveflow.entrypoints.container import Container
from waveflow.entrypoints.settings import Settings
from waveflow.entrypoints.worker.service import Worker

_DRAIN_S = 2.0
_POLL_S = 0.1
_MIB = 1024**2
DAT_BITS = 16
"""With 8, quiet stems are steps."""


def settings_for(folder: Path, max_upload_bytes: int) -> Settings:
    """What a studio in `folder` is set to; the environment has no say."""
    return Settings(
        storage="folder",
        storage_folder=folder / "storage",
        queue="memory",
        notifier="memory",
        work_dir=folder / "work",
        max_file_size_mb=-(-max_upload_bytes // _MIB),
        levels=True,
        dat_bits=DAT_BITS,
        compute_processes=max(min(os.cpu_count() or 1, 4), 1),
        # Somebody sits before it: what may work later is tried again soon, and an end is quick.
        retry_delay_s=2.0,
        poll_wait_s=_POLL_S,
        drain_timeout_s=_DRAIN_S,
    )


@frozen
class Watch:
    """Who is told what the worker is about.

    Attributes:
        begins: told of each command when a slot takes it up.
        waits: told of each that could not be carried out now, and why.
    """

    begins: Callable[[Command], object]
    waits: Callable[[Command, TransientError], object]

    def perform(
        self, perform: Callable[[Command, Origin], object], command: Command, origin: Origin
    ) -> object:
        """Carry out `command` by `perform`, and tell of it."""
        self.begins(command)
        try:
            return perform(command, origin)
        except TransientError as error:
            self.waits(command, error)
            raise


@define
class EmbeddedWorker:
    """A worker that runs.

    Attributes:
        container: what it is made of.
    """

    container: Container
    _worker: Worker = field(init=False)
    _thread: Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._worker = self.container.worker()
        self._thread = Thread(target=self._worker.run, name="worker", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Receive nothing more, and end soon; doesn't wait for it."""
        self._worker.stop()

    def join(self) -> None:
        """Wait until it has ended: what runs has two seconds."""
        self._thread.join(_DRAIN_S + 1.0)
