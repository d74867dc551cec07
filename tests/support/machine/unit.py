"""One unit as systemd runs it: start, restart, stop with `KillMode=mixed`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.support.machine.unit_file import UNITS, unit_file
from tests.support.processes import descendants, running

PATIENCE_S = 60.0


class Unit:
    """An instance of `waveflow@.service`: its commands are taken from the file itself.

    Its main process and what that started count as the unit's; containers don't, as with docker.
    """

    def __init__(
        self, instance: str, environment: Mapping[str, str], log: Path, *, stop_s: float
    ) -> None:
        """Not started yet. `stop_s` takes the place of `TimeoutStopSec`."""
        self._service = unit_file("waveflow@.service")["Service"]
        assert self._service["KillMode"] == ["mixed"]
        assert self._service["Restart"] == ["always"]
        self._instance = instance
        self._environment = environment
        self._stop_s = stop_s
        self._restart_s = 1.0  # instead of RestartSec
        self._changed = threading.Condition()
        self._stopping = False
        self._main: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self.log = log
        self.active, self.sub = "inactive", "dead"
        self.restarts = 0
        self.exit_status = 0

    def start(self) -> None:
        """Returns once the main process runs (`Type=exec`)."""
        with self._changed:
            if self._thread is not None:
                return
            self._stopping, self.restarts = False, 0
            self._become("activating", "start")
            self._thread = threading.Thread(target=self._run, name=f"unit-{self._instance}")
            self._thread.start()
            assert self._changed.wait_for(lambda: self.sub != "start", PATIENCE_S)

    def stop(self) -> None:
        """Returns once it has ended."""
        with self._changed:
            thread = self._thread
            if thread is None:
                return
            self._stopping = True
            self._changed.notify_all()
            if self._main is not None and self._main.poll() is None:
                self._main.send_signal(signal.SIGTERM)
        thread.join(self._stop_s)
        if thread.is_alive():
            self._kill()
            thread.join(PATIENCE_S)
        assert not thread.is_alive()
        self._thread = None

    def _run(self) -> None:
        while True:
            self._carry_out("ExecStartPre")
            with self.log.open("ab") as log:
                main = self._process("ExecStart", log)
            with self._changed:
                self._main = main
                self._become("active", "running")
                if self._stopping:
                    main.send_signal(signal.SIGTERM)
            code = main.wait()
            self._carry_out("ExecStopPost")
            with self._changed:
                self.exit_status = abs(code)
                if not self._stopping:
                    self._become("activating", "auto-restart")
                    self._changed.wait_for(lambda: self._stopping, self._restart_s)
                if self._stopping:
                    self._become("inactive", "dead")
                    return
                self.restarts += 1

    def _kill(self) -> None:
        with self._changed:
            main = self._main
        if main is not None:
            for pid in running({main.pid} | descendants(main.pid)):
                with suppress(ProcessLookupError):
                    if os.getsid(pid) == main.pid:
                        os.kill(pid, signal.SIGKILL)

    def _become(self, active: str, sub: str) -> None:
        self.active, self.sub = active, sub
        self._changed.notify_all()

    def _carry_out(self, setting: str) -> None:
        with self.log.open("ab") as log:
            self._process(setting, log).wait(PATIENCE_S)

    def _process(self, setting: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        [line] = self._service[setting]
        program, *arguments = shlex.split(line.removeprefix("-").replace("%i", self._instance))
        places = {"/opt/waveflow/deploy/ec2": str(UNITS), "/usr/bin": self._environment["BIN"]}
        for installed, here in places.items():
            program = program.replace(installed, here)
        return subprocess.Popen(
            [program, *arguments],
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
