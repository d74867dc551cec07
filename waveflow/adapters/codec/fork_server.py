"""The parent's end of the process that compute processes are forked from."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from threading import Event, Lock

import structlog

from waveflow.adapters.codec.compute_child import Child
from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.fork_server_main import IGNORED_SIGNALS
from waveflow.application.ports import AudioCodec

_log = structlog.get_logger(__name__)

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:];"
    " from waveflow.adapters.codec.fork_server_main import run; run(int(sys.argv[1]))"
)
_HARMLESS = (
    "PATH",
    "HOME",
    "LANG",
    "LC_",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHON",
    "VIRTUAL_ENV",
    "NUMBA_",
    "OPENBLAS_",
    "OMP_",
    "COV",
)
"""Beginnings of the names of variables that say how to load code; `COV` is for measured runs."""
_START_TIMEOUT_S = 300.0
"""Kernels that are in no cache are compiled first, perhaps on a busy machine."""
_END_TIMEOUT_S = 5.0
_STANDARD_ERROR = 2  # Standard output belongs to the program.


class ForkServer:
    """Starts children that have everything loaded; starts itself again when it has died."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready = False
        self._closed = Event()
        self._warned = Event()

    def start(self) -> None:
        """Begin loading, unless that has happened; doesn't wait for it."""
        with self._lock:
            self._started()

    def fork(self, codec: AudioCodec, limits: ProcessLimits) -> Child:
        """A new child that is ready to call `codec`.

        Raises:
            OSError: when no process can be started.
            Exception: when `codec` can't be used in another process.
        """
        connection, childs_connection = Pipe()
        exit_code, childs_exit_code = Pipe(duplex=False)
        with childs_connection, childs_exit_code:
            pid = self._fork([childs_connection.fileno(), childs_exit_code.fileno()])
        child = Child(pid, connection, exit_code)
        self._warn_of(child.start(codec, limits))
        return child

    def _warn_of(self, lacking: tuple[str, ...]) -> None:
        if lacking and not self._warned.is_set():
            self._warned.set()
            _log.warning("compute_processes_not_confined", lacking=lacking)

    def _fork(self, descriptors: list[int]) -> int:
        with self._lock:
            try:
                pid = self._asked(descriptors)
            except OSError as error:
                if self._closed.is_set():
                    raise
                _log.warning("fork_server_died", error=repr(error))
                self._stop()
                pid = self._asked(descriptors)
        if pid < 0:
            raise BlockingIOError("The system has no room for another process.")
        return pid

    def _asked(self, descriptors: list[int]) -> int:
        control = self._started()
        socket.send_fds(control, [b"f"], descriptors)
        answer = control.recv(8, socket.MSG_WAITALL)
        if not answer:
            raise ConnectionResetError("The fork server has ended.")
        self._ready = True
        return int.from_bytes(answer, "big", signed=True)

    def close(self) -> None:
        """End the server, and with it all of its children."""
        self._closed.set()
        control = self._control
        if control is not None:
            # Wakes a thread that waits in `fork`, and lets go of the lock.
            with suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._stop()

    def _started(self) -> socket.socket:
        if self._closed.is_set():
            raise ChildProcessError("No process is started any more.")
        if self._control is None:
            ours, servers = socket.socketpair()
            ours.settimeout(_START_TIMEOUT_S)
            with servers:
                try:
                    self._process = _launch(servers.fileno())
                except OSError:
                    ours.close()
                    raise
            self._control = ours
            if self._closed.is_set():  # `close` came too early to find it
                self._stop()
                raise ChildProcessError("No process is started any more.")
        return self._control

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            if not self._ready:
                self._process.kill()  # It would load everything before it noticed.
            try:
                self._process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._control = None
        self._ready = False


def _childrens_environment() -> dict[str, str]:
    # Whoever takes over a decoder must find no credentials, and no secret to sign with.
    kept = {name: value for name, value in os.environ.items() if name.startswith(_HARMLESS)}
    # OpenBLAS would start a thread for each core; nothing here multiplies matrices.
    return {"OPENBLAS_NUM_THREADS": "1"} | kept


def _launch(control_fd: int) -> subprocess.Popen[bytes]:
    # The server ignores these signals once it can; until then they wait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED_SIGNALS)
    try:
        return subprocess.Popen(  # noqa: S603 (this very interpreter)
            [sys.executable, "-c", _PROGRAM, str(control_fd), *sys.path],
            env=_childrens_environment(),
            pass_fds=[control_fd],
            stdin=subprocess.DEVNULL,
            stdout=_STANDARD_ERROR,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
