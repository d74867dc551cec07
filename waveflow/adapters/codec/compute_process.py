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

from attrs import frozen

from waveflow.adapters.codec import replies
from waveflow.adapters.codec.confinement import confine
from waveflow.adapters.codec.replies import Failure, Value
from waveflow.application.extras import Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.errors import DecoderFailed, WaveFlowError

_PR_SET_PDEATHSIG = 1
_WRITES_A_FILE = "mix"
_DAT_BYTES = 1 << 28
"""The `.dat` of 200 hours at 48 kHz, 512 samples per pixel."""
_SCRATCH_BYTES = 1 << 20


@frozen
class ProcessLimits:
    """What a compute process may use.

    Attributes:
        memory_bytes: address space. Less than 600 MB is too little for numba.
        task_cpu_s: processor time of one task; the kernel then ends the process.
        file_bytes: largest file that a task may write; the kernel then ends the process. The
            samples of the longest mix that fits in a WAV file take 8 GiB between its two passes.
            Tasks that write a `.dat` alone get 256 MiB, those that write no file 1 MiB.
    """

    memory_bytes: int = 1 << 30
    task_cpu_s: float = 600.0
    file_bytes: int = 1 << 33


def serve(connection: Connection) -> None:
    """Run the tasks that come through `connection` until the parent closes its end.

    First comes the pair (codec, limits), answered by what `confine` couldn't have; then tasks:
    the name of a method of the codec and its arguments. Each is answered by a `Value` or a
    `Failure`. An exception that isn't an `Exception` (a decoder calls `sys.exit`) ends the
    process.
    """
    _silence()
    try:
        codec, limits = connection.recv()
        _limit_process(limits)
        ready: Value | Failure = Value(list(confine()))
    except Exception as error:
        ready = _failure(error)
    with suppress(EOFError, ConnectionError):
        replies.send(connection, replies.encode(ready))
        while isinstance(ready, Value):
            request = connection.recv_bytes()
            _allow_cpu(limits.task_cpu_s)
            replies.send(connection, _reply(codec, request, limits))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when the parent that it was forked from ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def _silence() -> None:
    """Let nothing be printed: decoders comment on every damaged frame, into the service's log."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _limit_process(limits: ProcessLimits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # Elsewhere the system refuses this limit.
        allowed = _within_hard_limit(resource.RLIMIT_AS, limits.memory_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    allowed = _within_hard_limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, allowed))
    if allowed == limits.file_bytes:
        # Python ignores it, and C code may ignore an error as well and write on for ever. A
        # lower limit was set by the system's administrator: that one stays an `OSError`.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


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


def _allow_writing(size_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    soft = _within_hard_limit(resource.RLIMIT_FSIZE, size_bytes)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _reply(codec: AudioCodec, request: bytes, limits: ProcessLimits) -> bytes:
    reply: Failure
    try:
        method, arguments = pickle.loads(request)  # noqa: S301 (the parent sent it)
        _allow_writing(_file_bytes(method, arguments, limits))
        return replies.encode(Value(getattr(codec, method)(*arguments)))
    except MemoryError:
        reply = Failure(_out_of_memory(), "")
    except Exception as error:
        reply = _failure(error)
    return replies.encode(reply)


def _file_bytes(method: str, arguments: tuple[object, ...], limits: ProcessLimits) -> int:
    if method == _WRITES_A_FILE:
        return limits.file_bytes
    if any(map(_asks_for_a_file, arguments)):
        return min(limits.file_bytes, _DAT_BYTES)
    return _SCRATCH_BYTES


def _asks_for_a_file(argument: object) -> bool:
    return isinstance(argument, Extras) and argument.dat is not None


def _failure(error: Exception) -> Failure:
    return Failure(error, "".join(traceback.format_exception(error)))


def is_defect(error: Exception) -> bool:
    """Whether nobody raised this on purpose."""
    return not isinstance(error, WaveFlowError)


def _out_of_memory() -> DecoderFailed:
    return DecoderFailed(
        "Decoding the file takes more memory than audio should need; it may be damaged."
        " Please export it again.",
        code="decoder_out_of_memory",
    )
