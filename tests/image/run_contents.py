"""What is in the built image, and what must not be: tools, secrets, traces of the build machine.

Not collected by itself: `make image-test` builds the image and names this file.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containers import Image, Surroundings, container_command, mounted_image

LARGEST_MB = 540
BUILD_TOOLS = ("pip", "pip3", "gcc", "cc", "ld", "as", "make", "curl", "wget", "git")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with mounted_image("waveflow") as image:
        yield image


def test_it_runs_as_a_numeric_user_without_a_shell_in_between(image: Image) -> None:
    assert image.ids == (10001, 10001)
    assert image.entrypoint == ["tini", "--", "waveflow"]
    assert image.config["Cmd"] == ["worker"]
    assert image.config["StopSignal"] == "SIGTERM"
    assert image.health_command == ["waveflow", "health", "--worker", "--live"]


def test_it_is_small(image: Image) -> None:
    du = subprocess.run(
        ["du", "-sxm", image.root], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(du.stdout.split()[0]) <= LARGEST_MB


def test_no_tool_to_build_or_fetch_with_is_left(image: Image) -> None:
    folders = [image.root / path.lstrip("/") for path in image.environment["PATH"].split(":")]
    found = {name for name in BUILD_TOOLS for folder in folders if (folder / name).exists()}
    assert found == set()
    packages = [path.name for path in (image.root / "opt/waveflow/lib").glob("*/*-packages/*")]
    assert packages
    assert not {"pip", "setuptools", "PIL", "scipy", "pytest", "moto", "ministack"} & set(packages)


def test_its_packages_are_those_of_the_lock(image: Image) -> None:
    program = (
        "from importlib.metadata import distributions; import json;"
        "print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in distributions()}))"
    )
    command = container_command(
        image, ["/opt/waveflow/bin/python", "-I", "-c", program], {}, Surroundings()
    )
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lock = (ROOT / "requirements-ffmpeg.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    left_out = {"pillow", "scipy", "setuptools"}
    installed = json.loads(done.stdout)
    assert installed.pop("waveflow") == image.config["Labels"]["org.opencontainers.image.version"]
    assert installed == {name: at for name, at in locked.items() if name not in left_out}


def test_it_knows_the_public_certificate_authorities(image: Image) -> None:
    program = (
        "import botocore.httpsession, httpx, ssl\n"
        "of_aws = ssl.create_default_context(cafile=botocore.httpsession.where())\n"
        "for context in (httpx.create_ssl_context(), of_aws):\n"
        "    print(context.verify_mode.name, context.cert_store_stats()['x509_ca'])"
    )
    command = container_command(
        image, ["/opt/waveflow/bin/python", "-I", "-c", program], {}, Surroundings()
    )
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    webhooks, aws = (line.split() for line in done.stdout.splitlines())
    for mode, count in (webhooks, aws):
        assert mode == "CERT_REQUIRED"
        assert int(count) > 50


def test_nothing_of_the_build_machine_is_in_it(image: Image) -> None:
    assert not (image.root / "etc/pip.conf").exists()
    assert not list((image.root / "root").glob(".*pip*"))
    for folder in ("etc/ssl/certs", "usr/local/share/ca-certificates", "build", "opt/wheels"):
        assert not list((image.root / folder).glob("*")), folder
    addresses = indexes()
    texts = [json.dumps(dict(image.config)), *written(image.root / "etc")]
    texts += written(image.root / "opt/waveflow", "direct_url.json", "INSTALLER", "*.cfg", "*.conf")
    assert len(texts) > 50
    assert not [text for text in texts for address in addresses if address in text]


def indexes() -> list[str]:
    """The hosts that this machine's pip is told of, and the public one."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ["pypi", *re.findall(r"https?://([^/:'\s]+)", done.stdout)]


def written(folder: Path, *patterns: str) -> list[str]:
    """The text of the files below a folder."""
    paths = {path for pattern in patterns or ("*",) for path in folder.rglob(pattern)}
    return [path.read_text(errors="replace") for path in paths if path.is_file()]


def test_what_a_fresh_machine_needs_can_be_taken_out_of_it(image: Image) -> None:
    ours = {path.relative_to(ROOT) for path in (ROOT / "deploy").rglob("*") if path.is_file()}
    theirs = image.root / "opt/waveflow"
    assert ours
    assert {path for path in ours if not (theirs / path).is_file()} == set()
