"""What runs inside a compute process: its limits, and the tasks that come from the parent."""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from attrs import frozen

from waveflow.application.ports import AudioCodec
from waveflow.domain.errors import DecoderFailed, WaveFlowError

_PR_SET_PDEATHSIG = 1


@frozen
class ProcessLimits:
    """What a compute process may use.

    Attributes:
        memory_bytes: address space. Less than 600 MB is too little for numba.
        task_cpu_s: processor time of one task; the kernel then ends the process.
    """

    memory_bytes: int = 1 << 30
    task_cpu_s: float = 600.0


@frozen
class Value:
    """A task's result."""

    value: Any


@frozen
class Failure:
    """An error that a task raised, and where, as text."""

    error: Exception
    trace: str


def serve(connection: Connection) -> None:
    """Run the tasks that come through `connection` until the parent closes its end.

    First comes the pair (codec, limits), then tasks: the name of a method of the codec and its
    arguments. Each is answered by a `Value` or a `Failure`. An exception that isn't an
    `Exception` (a decoder calls `sys.exit`) ends the process.
    """
    try:
        codec, limits = connection.recv()
        _limit_process(limits)
        ready: Value | Failure = Value(None)
    except Exception as error:
        ready = _failure(error)
    with suppress(EOFError, ConnectionError):
        connection.send(ready)
        while isinstance(ready, Value):
            request = connection.recv_bytes()
            _allow_cpu(limits.task_cpu_s)
            connection.send_bytes(_reply(codec, request))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when the parent that it was forked from ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def _limit_process(limits: ProcessLimits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # Elsewhere the system refuses this limit.
        allowed = _within_hard_limit(resource.RLIMIT_AS, limits.memory_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def _allow_cpu(seconds: float) -> None:
    """Allow the coming task its processor time: the kernel counts over the process's life."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed_s = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (_within_hard_limit(resource.RLIMIT_CPU, allowed_s), hard)
    )


def _within_hard_limit(kind: int, wanted: int) -> int:
    _, hard = resource.getrlimit(kind)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _reply(codec: AudioCodec, request: bytes) -> bytes:
    reply: Value | Failure
    try:
        method, arguments = pickle.loads(request)  # noqa: S301 (the parent sent it)
        reply = Value(getattr(codec, method)(*arguments))
        return bytes(ForkingPickler.dumps(reply))
    except MemoryError:
        reply = Failure(_out_of_memory(), "")
    except Exception as error:
        reply = _failure(error)
    return bytes(ForkingPickler.dumps(reply))


def _failure(error: Exception) -> Failure:
    return Failure(_portable(error), "".join(traceback.format_exception(error)))


def _portable(error: Exception) -> Exception:
    """`error` itself if it survives the way to the parent, else its name and text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (made here)
    except Exception:
        return RuntimeError("".join(traceback.format_exception_only(error)).strip())
    return error


def is_defect(error: Exception) -> bool:
    """Whether nobody raised this on purpose."""
    return not isinstance(error, WaveFlowError)


def _out_of_memory() -> DecoderFailed:
    return DecoderFailed(
        "Decoding the file takes more memory than audio should need; it may be damaged."
        " Please export it again.",
        code="decoder_out_of_memory",
    )
