"""An EC2 instance for `deploy.sh`: real scripts and workers, with systemd and docker played."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.aws_servers import free_port
from tests.support.console_script import WAVEFLOW, coverage_settings
from tests.support.machine.unit import Unit
from tests.support.machine.unit_file import UNITS
from tests.support.processes import descendants, eventually, running

REPOSITORY = "registry.test/waveflow"
_CLIENT = """#!{python} -IS
import json, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({path!r})
    connection.sendall(json.dumps([{program!r}, *sys.argv[1:]]).encode() + b"\\n")
    answer = json.loads(connection.makefile().readline())
sys.stdout.write(answer["output"])
sys.exit(answer["code"])
"""


class Machine:
    """Units, images and settings of one machine, all below `folder`."""

    def __init__(self, folder: Path, settings: Mapping[str, str], *, stop_s: float = 60.0) -> None:
        """With `settings` in waveflow.env, and no image yet. `stop_s` is the units' time to end."""
        self.root, self._bin = folder / "root", folder / "bin"
        self._docker = folder / "docker"
        self.etc = self.root / "etc/waveflow"
        for each in (self.etc, self._bin, self._docker / "containers"):
            each.mkdir(parents=True)
        for name in ("registry", "local"):
            (self._docker / f"{name}.json").write_text("{}")
        self.ports = {"a": free_port(), "b": free_port()}
        self.configure(SETTLE_S="1", READY_WITHIN_S="120")
        self.settings(settings)
        self.environment = coverage_settings() | {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "BIN": str(self._bin),
            "WAVEFLOW_ROOT": str(self.root),
        }
        self.units = {
            f"waveflow@{instance}.service": Unit(
                instance, self.environment, folder / f"{instance}.log", stop_s=stop_s
            )
            for instance in "ab"
        }
        self._install(folder / "manager")

    def configure(self, **values: str) -> None:
        """What machine.conf says."""
        values |= {f"PORT_{name.upper()}": str(port) for name, port in self.ports.items()}
        values["WORKER_USER"] = f"{os.getuid()}:{os.getgid()}"
        lines = [f"{name}={value}\n" for name, value in values.items()]
        (self.etc / "machine.conf").write_text("".join(lines))

    def settings(self, settings: Mapping[str, str]) -> None:
        """What waveflow.env says."""
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self.etc / "waveflow.env").write_text("".join(lines))

    def publish(
        self,
        tag: str,
        command: Sequence[str | Path] = (WAVEFLOW, "worker"),
        *,
        error: str | None = None,
        **environment: str,
    ) -> str:
        """Put an image into the registry; returns its name. `error`: what a pull ends in."""
        image: dict[str, Any] = {
            "Id": f"sha256:{tag}-id",
            "RepoDigests": [f"{REPOSITORY}@sha256:{tag}"],
            "Command": [str(part) for part in command],
            "Environment": environment,
        }
        if error is not None:
            image["Error"] = error
        file = self._docker / "registry.json"
        name = f"{REPOSITORY}:{tag}"
        file.write_text(json.dumps(json.loads(file.read_text()) | {name: image}))
        return name

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run deploy.sh to its end."""
        with self.deploying(*arguments) as process:
            output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    @contextmanager
    def deploying(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """deploy.sh, running; it is killed at the end, alone."""
        process = subprocess.Popen(
            [UNITS / "deploy.sh", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    @property
    def current(self) -> str:
        """Which instance would be started at boot."""
        return (self.etc / "current").read_text().strip()

    def image(self, instance: str) -> str:
        """Which image an instance has."""
        return (self.etc / instance / "image").read_text().strip()

    def active(self) -> set[str]:
        """The instances that run."""
        return {name for name in "ab" if self.unit(name).active == "active"}

    def unit(self, instance: str) -> Unit:
        return self.units[f"waveflow@{instance}.service"]

    def local_images(self) -> set[str]:
        """The tags that the machine has."""
        return {name.partition(":")[2] for name in json.loads(self._local().read_text())}

    def containers(self) -> dict[str, int]:
        """The containers that run, and their main processes."""
        found = {}
        for file in (self._docker / "containers").iterdir():
            with suppress(FileNotFoundError, ValueError):  # It ends, or begins, just now.
                found[file.name] = int(file.read_text())
        return found

    def calls(self) -> list[list[str]]:
        """What docker was asked to do."""
        return [json.loads(line) for line in (self._docker / "calls").read_text().splitlines()]

    def lose_power(self) -> None:
        """Everything ends at once; units and containers are forgotten."""
        for unit in self.units.values():
            unit._stop_s = 0.0
            unit.stop()
        for container in (self._docker / "containers").iterdir():
            container.unlink()

    def close(self) -> None:
        """Nothing that was started is left."""
        main = {*self.containers().values()}
        started = main.union(*map(descendants, main))
        self.lose_power()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert eventually(lambda: not running(started)), f"{running(started)} survived"

    def _local(self) -> Path:
        return self._docker / "local.json"

    def _install(self, path: Path) -> None:
        machine = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                program, *arguments = json.loads(self.rfile.readline())
                code, output = machine._answer(program, arguments)
                with suppress(BrokenPipeError):  # Whoever asked was killed meanwhile.
                    self.wfile.write(json.dumps({"code": code, "output": output}).encode())

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        for program in ("systemctl", "journalctl"):
            text = _CLIENT.format(python=sys.executable, path=str(path), program=program)
            self._script(program, text)
        script = Path(__file__).with_name("docker.py")
        self._script("docker", f'#!/bin/sh\nexec {sys.executable} {script} {self._docker} "$@"\n')

    def _script(self, name: str, text: str) -> None:
        file = self._bin / name
        file.write_text(text)
        file.chmod(0o755)

    def _answer(self, program: str, arguments: list[str]) -> tuple[int, str]:
        if program == "journalctl":
            unit = self.units[arguments[arguments.index("--unit") + 1]]
            count = int(arguments[arguments.index("--lines") + 1])
            return 0, "".join(unit.log.read_text().splitlines(keepends=True)[-count:])
        verb, unit = arguments[0], self.units[arguments[-1]]
        if verb == "start":
            unit.start()
        elif verb == "stop":
            unit.stop()
        elif verb == "is-active":
            return (0 if unit.active == "active" else 3), ""
        else:
            assert verb == "show"
            return 0, f"{_property(unit, arguments[1].removeprefix('--property='))}\n"
        return 0, ""


def _property(unit: Unit, name: str) -> str:
    values = {
        "ActiveState": unit.active,
        "SubState": unit.sub,
        "NRestarts": str(unit.restarts),
        "ExecMainStatus": str(unit.exit_status),
    }
    return values[name]


@contextmanager
def machine(
    folder: Path, settings: Mapping[str, str], *, stop_s: float = 60.0
) -> Iterator[Machine]:
    """A machine, on which nothing runs after the block."""
    machine = Machine(folder, settings, stop_s=stop_s)
    try:
        yield machine
    finally:
        machine.close()
