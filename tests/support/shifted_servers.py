"""The servers that speak SQS, with clocks of their own: a test of an hour takes no time."""

from __future__ import annotations

import mmap
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.support import shifted_server_main
from tests.support.aws_servers import AwsServer, _running, free_port
from waveflow.application.clock import Clock


class ShiftedTime:
    """The time of this process and of one server: it passes as usual, and jumps when told."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._shift_s = 0.0

    def advance(self, seconds: float) -> None:
        """Let that much time pass at once."""
        self._shift_s += seconds
        self._memory[:8] = struct.pack("d", self._shift_s)

    def as_clock(self) -> Clock:
        return Clock(
            unix_s=lambda: time.time() + self._shift_s,
            monotonic_s=lambda: time.monotonic() + self._shift_s,
        )


@frozen
class ShiftedServer:
    """A server, and the time that it lives in."""

    server: AwsServer
    time: ShiftedTime


@contextmanager
def shifted_server(name: str) -> Iterator[ShiftedServer]:
    """The server of that name (moto or ministack), for as long as the block runs."""
    port = free_port()
    arguments = ["-H", "127.0.0.1", "-p", str(port)] if name == "moto" else []
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(8))
        file.flush()
        script = str(Path(shifted_server_main.__file__))
        command = [sys.executable, script, file.name, name, *arguments]
        with mmap.mmap(file.fileno(), 8) as memory, _running(command, port, settings) as url:
            yield ShiftedServer(AwsServer(name, url), ShiftedTime(memory))
