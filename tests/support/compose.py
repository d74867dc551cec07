"""docker-compose.yml carried out without Docker: each service in a container of its own.

What it knows is what the file uses: images, commands, environments, health checks, the order of
`depends_on`, several of one service, and a network in which services find each other by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from attrs import define, field, frozen

from tests.support.containers import (
    Image,
    Surroundings,
    container_command,
    executed,
    first_process,
    mounted_image,
)
from tests.support.processes import eventually
from tests.support.worker_process import WorkerProcess

FILE = Path(__file__).parents[2] / "docker-compose.yml"
_BRIDGE, _SUBNET = "wf-bridge", "10.77.0"
_HEALTHY_WITHIN_S = 60.0


def services() -> dict[str, dict[str, Any]]:
    """The file's services, in the order in which they can be started."""
    declared = yaml.safe_load(FILE.read_text())["services"]
    ordered: dict[str, dict[str, Any]] = {}
    while len(ordered) < len(declared):
        ready = [
            name
            for name, service in declared.items()
            if name not in ordered and set(service.get("depends_on", {})) <= set(ordered)
        ]
        assert ready, "services wait for each other"
        ordered |= {name: declared[name] for name in ready}
    return ordered


def built(image: str) -> str:
    """The stage of the Dockerfile that an image of the file is built from."""
    declared = yaml.safe_load(FILE.read_text())["services"].values()
    [target] = [
        each["build"]["target"] for each in declared if each["image"] == image if "build" in each
    ]
    return str(target)


@frozen
class Service:
    """One container of a service."""

    name: str
    address: str
    image: Image
    declared: Mapping[str, Any]
    process: WorkerProcess

    def healthy(self) -> bool:
        """Whether it runs, and its health check, run in it, passes."""
        kind, *command = self.declared["healthcheck"]["test"]
        assert kind == "CMD", "a shell would be needed"
        if self.process.poll() is not None:
            return False
        environment = self.declared["environment"]
        return executed(self.image, self.first, command, environment).returncode == 0

    @property
    def first(self) -> int:
        """PID 1, as seen from here."""
        return first_process(self.process.pid)

    def stop(self) -> int:
        """As `docker compose stop` does it; returns the exit code."""
        os.kill(self.first, signal.SIGTERM)
        grace_s = float(self.declared.get("stop_grace_period", "10s").removesuffix("s"))
        return self.process.exit_code(within_s=grace_s)


@define
class Project:
    """The whole file, up and running. Use it in a `with`; needs a network namespace of its own."""

    folder: Path
    scale: Mapping[str, int] = field(factory=dict)
    running: dict[str, Service] = field(factory=dict)
    _stack: ExitStack = field(factory=ExitStack)
    _images: dict[str, Image] = field(factory=dict)

    def __enter__(self) -> Self:
        self._stack.enter_context(_bridge())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def up(self) -> None:
        """Start everything, each service once what it depends on is as it has to be."""
        for name, declared in services().items():
            for needed, how in declared.get("depends_on", {}).items():
                self._wait_for(needed, how["condition"])
            for number in range(1, self.scale.get(name, 1) + 1):
                self._start(name, number, declared)
        for service in self.running.values():
            if "healthcheck" in service.declared:
                self._wait_for(service.name, "service_healthy")

    def _wait_for(self, name: str, condition: str) -> None:
        service = self.running[name]
        if condition == "service_completed_successfully":
            assert service.process.exit_code() == 0, service.process.text()
            return
        assert condition == "service_healthy"
        assert eventually(service.healthy, within_s=_HEALTHY_WITHIN_S), service.process.text()

    def _start(self, name: str, number: int, declared: Mapping[str, Any]) -> None:
        image = self._image(built(declared["image"]))
        unique = name if number == 1 else f"{name}-{number}"
        address = f"{_SUBNET}.{len(self.running) + 2}"
        network = self._stack.enter_context(_namespace(f"wf-{len(self.running)}", address))
        hosts = {each.name: each.address for each in self.running.values()}
        entrypoint = image.entrypoint
        command = container_command(
            image,
            [*entrypoint, *declared.get("command", image.config.get("Cmd") or [])],
            declared["environment"],
            Surroundings(
                hosts=hosts | {unique: address, "localhost": "127.0.0.1"}, network=network
            ),
        )
        process = self._stack.enter_context(
            WorkerProcess({}, self.folder / f"{unique}.log", command)
        )
        self._stack.callback(_end, process)
        self.running[unique] = Service(unique, address, image, declared, process)

    def _image(self, name: str) -> Image:
        if name not in self._images:
            self._images[name] = self._stack.enter_context(mounted_image(name))
        return self._images[name]


def _end(process: WorkerProcess) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):  # It has just ended.
            os.kill(first_process(process.pid), signal.SIGKILL)
        process.exit_code()


@contextmanager
def _bridge() -> Iterator[None]:
    _ip("link", "add", _BRIDGE, "type", "bridge")
    try:
        _ip("address", "add", f"{_SUBNET}.1/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        yield
    finally:
        _ip("link", "del", _BRIDGE)


@contextmanager
def _namespace(name: str, address: str) -> Iterator[str]:
    """A network namespace on the bridge. Its name is this machine's: it says whose it is."""
    unique = f"{name}-{os.getpid()}"
    _ip("netns", "add", unique)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", unique)
        _ip("link", "set", name, "master", _BRIDGE, "up")
        for arguments in (
            ["link", "set", "lo", "up"],
            ["address", "add", f"{address}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
        ):
            _ip("-netns", unique, *arguments)
        yield unique
    finally:
        _ip("netns", "del", unique)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {arguments}: {done.stderr}"
