"""Putting a studio together: a worker, a stand-in main server and a folder of its own."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from attrs import frozen

from waveflow.adapters.notifier.answer import WebhookAnswer
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.clock import Clock
from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.container import Container, container_for, deliver_to, watch_work
from waveflow.entrypoints.demo.main_server import StandInServer
from waveflow.entrypoints.studio.board import Board
from waveflow.entrypoints.studio.notes import Notes
from waveflow.entrypoints.studio.previews import Previews
from waveflow.entrypoints.studio.resumed import resume
from waveflow.entrypoints.studio.studio import Studio
from waveflow.entrypoints.studio.work import EmbeddedWorker, Watch, settings_for


@frozen
class _Reception:
    """Takes webhooks in for the server, and notes what it makes of them."""

    board: Board
    server: StandInServer
    notes: Notes

    def receive(self, request: WebhookRequest) -> WebhookAnswer:
        with self.board.changing():
            answer = self.server.receive(request)
            self.notes.heard(request)
        return answer


@contextmanager
def opened(
    folder: Path,
    *,
    max_upload_bytes: int,
    clock: Clock | None = None,
) -> Iterator[Studio]:
    """The studio of `folder`, at work until the end of the block; the folder stays.

    Raises:
        PermanentError: when the folder can't be used, or another studio uses it.
    """
    clock = clock or Clock()
    with ExitStack() as stack:
        folder = _made(folder)
        stack.enter_context(_alone_in(folder))
        # What a studio left that was killed. The worker's own sweep spares what is young.
        for leavings in ("incoming", "work"):
            shutil.rmtree(folder / leavings, ignore_errors=True)
        (folder / "incoming").mkdir(exist_ok=True)
        board = Board(folder / "studio.json", max_upload_bytes)
        board.read()
        container = container_for(settings_for(folder, max_upload_bytes))
        stack.callback(container.shutdown_resources)
        studio = _put_together(folder, board, container, clock)
        stack.callback(studio.worker.join)
        stack.callback(studio.worker.stop)
        yield studio


def _put_together(folder: Path, board: Board, container: Container, clock: Clock) -> Studio:
    container.codec()  # Its processes load while the page is opened.
    storage = container.bare_storage()
    server = StandInServer(
        send=container.queue().send,
        user_id="studio-user",
        track_id="studio-track",
        stage_id="studio-stage",
        mixes_by_itself=False,
    )
    notes = Notes(board, server, storage, clock)
    deliver_to(container, _Reception(board, server, notes).receive)
    watch = Watch(notes.begins, notes.waits)
    watch_work(container, lambda perform: partial(watch.perform, perform))
    uploads = resume(board, server, notes)
    previews = Previews(folder / "previews", container.codec(), container.limits())
    worker = EmbeddedWorker(container)
    return Studio(folder, board, server, storage, previews, worker, clock, uploads=uploads)


def _made(folder: Path) -> Path:
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(
            f"The folder {folder} can't be made: {error.strerror}. Choose another one with"
            " --folder."
        ) from error
    return folder


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other studios out: two that write one board would each lose what the other adds."""
    try:
        lock = (folder / "studio.lock").open("w")
    except OSError as error:
        raise PermanentError(
            f"Nothing can be written to {folder}: {error.strerror}. Choose another folder with"
            " --folder."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermanentError(
                f"Another studio is at work in {folder}. Use that one, end it, or choose another"
                " folder with --folder."
            ) from error
        yield
