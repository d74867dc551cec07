"""A built image run by what Linux itself has: namespaces, a read-only root, a user with no rights.

Needs root. Close to what a container runtime does with `--read-only --cap-drop ALL --security-opt
no-new-privileges` and one writable folder: the first process is PID 1 of its own PID namespace.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.support.processes import descendants, eventually

_DEVICES = ("null", "zero", "random", "urandom")


@frozen
class Image:
    """A built image: its configuration, and where its root file system is mounted."""

    name: str
    root: Path
    config: Mapping[str, Any]

    @property
    def entrypoint(self) -> list[str]:
        entrypoint: list[str] = self.config["Entrypoint"]
        return entrypoint

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["Env"])

    @property
    def ids(self) -> tuple[int, int]:
        """The numeric user and group that it runs as."""
        user, group = self.config["User"].split(":")
        return int(user), int(group)

    @property
    def health_command(self) -> list[str]:
        check: list[str] = self.config["Healthcheck"]["Test"]
        kind, *command = check
        assert kind == "CMD", "a shell would be needed"
        return command


@contextmanager
def mounted_image(name: str) -> Iterator[Image]:
    """An image out of buildah's storage, for as long as the block runs."""
    container = _buildah("from", "--pull-never", f"localhost/{name}")
    try:
        document = json.loads(_buildah("inspect", "--type", "image", f"localhost/{name}"))
        root = Path(_buildah("mount", container))
        yield Image(name, root, document["Docker"]["config"])
    finally:
        _buildah("rm", container)


def _buildah(*arguments: str) -> str:
    done = subprocess.run(
        ["buildah", *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@frozen
class Surroundings:
    """What a container finds around it.

    Attributes:
        work: a folder of the image's user, bound to /work; None gives it one in memory.
        hosts: names to addresses; its /etc/hosts.
        network: a named network namespace; None shares this process's.
    """

    work: Path | None = None
    hosts: Mapping[str, str] = field(factory=lambda: {"localhost": "127.0.0.1"})
    network: str | None = None


def container_command(
    image: Image,
    command: Sequence[str],
    environment: Mapping[str, str],
    around: Surroundings,
) -> list[str]:
    """A command of this machine that runs `command` in a new container; its child is PID 1."""
    script = "\n".join([*_mounts(image, around), f"exec {_confined(image, command, environment)}"])
    isolated = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    joined = ["ip", "netns", "exec", around.network] if around.network else []
    return [*joined, *isolated, "bash", "-euc", script]


def first_process(pid: int) -> int:
    """The PID, as seen from here, of a container's PID 1, once it runs its program.

    Args:
        pid: of what started the container.

    Raises:
        ProcessLookupError: when there is none, because it has ended.
    """
    found: set[int] = set()

    def has_begun() -> bool:
        ours = _namespace(os.getpid())
        found.clear()
        found.update(each for each in descendants(pid) if _namespace(each) not in ("", ours))
        return bool(found) and _root(min(found)) not in ("", "/")

    if not eventually(has_begun):
        raise ProcessLookupError(f"{pid} runs no container.")
    return min(found)


def executed(
    image: Image,
    first: int,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a running container, as `docker exec` and its health checks do.

    Args:
        first: the container's PID 1, as seen from here.
    """
    entered = ["nsenter", "--target", str(first), "--mount", "--uts", "--ipc", "--net", "--pid"]
    script = f"exec {_confined(image, command, environment or {})}"
    return subprocess.run(
        [*entered, "bash", "-euc", script], capture_output=True, text=True, check=False, timeout=60
    )


def _namespace(pid: int) -> str:
    return _link(f"/proc/{pid}/ns/pid")


def _root(pid: int) -> str:
    return _link(f"/proc/{pid}/root")


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def _mounts(image: Image, around: Surroundings) -> Iterator[str]:
    root, (user, group) = shlex.quote(str(image.root)), image.ids
    yield "mount --make-rprivate /"
    yield f"mount --bind {root} {root}"
    yield f"mount -t proc -o nosuid,nodev,noexec proc {root}/proc"
    yield f"mount -t tmpfs -o size=64k,mode=755 dev {root}/dev"
    for device in _DEVICES:
        yield f"touch {root}/dev/{device}; mount --bind /dev/{device} {root}/dev/{device}"
    if around.work is None:
        options = f"uid={user},gid={group},mode=700,nosuid,nodev,noexec"
        yield f"mount -t tmpfs -o {options} work {root}/work"
    else:
        yield f"mount --bind {shlex.quote(str(around.work))} {root}/work"
        yield f"mount -o remount,bind,nosuid,nodev,noexec {root}/work"
    hosts = "".join(f"{address} {name}\\n" for name, address in around.hosts.items())
    yield f"printf {shlex.quote(hosts)} > {root}/dev/hosts"
    yield f"mount --bind {root}/dev/hosts {root}/etc/hosts"
    yield f"mount -o remount,bind,ro {root}"


def _confined(image: Image, command: Sequence[str], environment: Mapping[str, str]) -> str:
    user, group = image.ids
    entries = [f"{name}={value}" for name, value in {**image.environment, **environment}.items()]
    return shlex.join(
        [
            *("chroot", str(image.root), "setpriv", f"--reuid={user}", f"--regid={group}"),
            *("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"),
            *("env", "--ignore-environment", f"--chdir={image.config['WorkingDir']}"),
            *entries,
            *command,
        ]
    )


def private_folder(image: Image, parent: Path) -> Path:
    """A new folder that belongs to the image's user and to nobody else."""
    folder = Path(tempfile.mkdtemp(dir=parent, prefix="work-"))
    os.chown(folder, *image.ids)
    return folder
