"""The process that compute processes are forked from: everything is loaded here, nothing parsed.

A program of its own, started by `fork_server.ForkServer`, so that children come from a process
with one thread and without the parent's connections, whatever the parent's `__main__` is.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from multiprocessing.connection import Connection

from waveflow.adapters.codec import compute_process

IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""A service manager signals the whole group: the parent decides when its children go."""


def run(control_fd: int) -> None:
    """Be the fork server until the parent closes its end; never returns in what was forked."""
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # They were blocked from before this process began: nothing could end it until now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED_SIGNALS)
    _load_everything()
    with socket.socket(fileno=control_fd) as control:
        connection = _fork_on_request(control)
    if connection is not None:
        compute_process.serve(connection)
        # Taking down what was loaded, piece by piece, would cost a quarter of a second.
        os._exit(0)


def _load_everything() -> None:
    import waveflow.adapters.codec.resample
    import waveflow.adapters.codec.soundfile_codec
    import waveflow.domain.level_meter  # noqa: F401
    from waveflow.adapters.codec.decoders.table import load_libraries
    from waveflow.domain.kernels.warmup import warm_up

    load_libraries()
    warm_up()
    # The collector would write to every object, and so copy the memory that children share.
    gc.collect()
    gc.freeze()


def _fork_on_request(control: socket.socket) -> Connection | None:
    """Fork for each request: two descriptors, for tasks and for the exit code. Answers the pid.

    Returns in every child with its connection, and here (None) once the parent is gone.
    """
    server_pid = os.getpid()
    exit_codes: dict[int, int] = {}
    signal.signal(signal.SIGCHLD, lambda *_: _report_the_dead(exit_codes))
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        except ConnectionError:
            return None
        if not message:
            return None
        tasks_fd, exit_code_fd = descriptors
        # A child must not be reported dead before it is known.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = _fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            compute_process.die_with(server_pid)
            for descriptor in (exit_code_fd, *exit_codes.values()):
                os.close(descriptor)
            return Connection(tasks_fd)
        os.close(tasks_fd)
        exit_codes[pid] = exit_code_fd
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        try:
            control.sendall(pid.to_bytes(8, "big", signed=True))
        except ConnectionError:
            return None


def _fork() -> int:
    """As `os.fork`; -1 when the system has no room for another process."""
    try:
        return os.fork()
    except OSError:
        return -1


def _report_the_dead(exit_codes: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        with Connection(exit_codes.pop(pid), readable=False) as pipe:
            try:
                pipe.send(os.waitstatus_to_exitcode(status))
            except OSError:
                continue  # The parent has lost interest in this one.
