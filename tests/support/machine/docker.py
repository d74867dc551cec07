"""Plays docker's client for deployments: an "image" is a command, a "container" its process.

    python docker.py FOLDER run|rm|stop|pull|image …

FOLDER has `registry.json` (what can be pulled), `local.json` (what was), `calls`, and
`containers/NAME` with the process id of each. A container is a session of its own, as a real one
is no child of the client: it outlives a client that is killed, until `rm --force`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

FOLDER = Path(sys.argv[1])
LOCAL, REGISTRY = FOLDER / "local.json", FOLDER / "registry.json"
WITHOUT_VALUE = {"--rm", "--read-only", "--init"}


def fail(text: str, code: int = 1) -> NoReturn:
    """The end, with an error as docker writes them."""
    sys.stderr.write(f"{text}\n")
    sys.exit(code)


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def find(reference: str) -> Any:
    """A local image by tag, digest or id."""
    for tag, image in read(LOCAL).items():
        if reference in (tag, image["Id"], *image["RepoDigests"]):
            return image
    fail(f"Error: No such image: {reference}")


def run(arguments: list[str]) -> None:
    options, rest = [], list(arguments)
    while rest[0].startswith("-"):
        name = rest.pop(0)
        options.append((name, "" if name in WITHOUT_VALUE else rest.pop(0)))
    image = find(rest[0])
    last = dict(options)
    container = FOLDER / "containers" / last["--name"]
    if container.exists():
        fail(f"Error: Conflict. The container name {container.name} is in use", 125)
    environment = {"PATH": os.environ["PATH"]}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("COV")}
    lines = Path(last["--env-file"]).read_text().splitlines()
    lines += [value for name, value in options if name == "--env"]
    # A name alone has the value that it has here.
    lines = [line if "=" in line else f"{line}={os.environ[line]}" for line in lines]
    environment |= {name: value for name, _, value in (line.partition("=") for line in lines)}
    # There is no root of its own here: the folder that is mounted is named where it lies.
    mount = dict(part.split("=", 1) for part in last["--mount"].split(","))
    environment["WAVEFLOW_WORK_DIR"] = mount["source"]
    environment["WAVEFLOW_HTTP_HOST"] = "127.0.0.1"
    environment |= image["Environment"]
    told: list[int] = []  # Before there is anybody to pass it on to.
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    process = subprocess.Popen(image["Command"], env=environment, start_new_session=True)
    container.write_text(str(process.pid))
    signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    for number in told:
        process.send_signal(number)
    code = process.wait()
    container.unlink(missing_ok=True)
    sys.exit(code if code >= 0 else 128 - code)


def remove(arguments: list[str]) -> None:
    container = FOLDER / "containers" / arguments[-1]
    if not container.exists():
        sys.exit(1)
    with suppress(ProcessLookupError):
        os.killpg(int(container.read_text()), signal.SIGKILL)
    container.unlink(missing_ok=True)


def pull(arguments: list[str]) -> None:
    reference = arguments[-1]
    for tag, image in read(REGISTRY).items():
        if reference in (tag, *image["RepoDigests"]):
            if "Error" in image:
                fail(image["Error"])
            LOCAL.write_text(json.dumps(read(LOCAL) | {tag: image}))
            sys.stdout.write(f"{reference}\n")
            return
    fail(f"Error: manifest for {reference} not found")


def image(arguments: list[str]) -> None:
    action, *rest = arguments
    if action == "inspect":
        sys.stdout.write(json.dumps([find(rest[-1])]))
    elif action == "ls":
        ids = [each["Id"] for tag, each in read(LOCAL).items() if tag.startswith(rest[-1] + ":")]
        sys.stdout.write("".join(f"{each}\n" for each in ids))
    else:
        kept = {tag: each for tag, each in read(LOCAL).items() if each["Id"] != rest[-1]}
        LOCAL.write_text(json.dumps(kept))


with (FOLDER / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[2:]) + "\n")
{"run": run, "rm": remove, "pull": pull, "image": image}[sys.argv[2]](sys.argv[3:])
