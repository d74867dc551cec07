"""What the stack's document does on an instance: sets its image, at any moment of its life."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.stack import template

SCRIPT = Path(__file__).parents[3] / "deploy" / "cloudformation" / "take-image"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/waveflow@sha256:0a"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the instance's files lie; what was run there is in `done`."""
    for folder in ("bin", "opt/waveflow/deploy/cloudformation", "run"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "done").touch()
    play(tmp_path, "deploy.sh")
    return tmp_path


def play(root: Path, name: str, body: str = "") -> None:
    script = root / "bin" / name
    script.write_text(f'#!/bin/bash\necho "{name} $*" >> "{root}/done"\n{body}\n')
    script.chmod(0o755)


def set_up(root: Path) -> str:
    """The shell that does it, as the end of the user data does."""
    return f"cp {SCRIPT} {root}/opt/waveflow/deploy/cloudformation/"


def run(root: Path) -> subprocess.CompletedProcess[str]:
    """The document's command, as Systems Manager hands it to a shell."""
    content = template()["Resources"]["DeployDocument"]["Properties"]["Content"]
    [step] = content["mainSteps"]
    lines = "\n".join(step["inputs"]["runCommand"]).replace("{{ Image }}", IMAGE)
    return subprocess.run(
        ["sh", "-s"],
        input=lines.replace("/opt/waveflow", f"{root}/opt/waveflow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "DEPLOY": f"{root}/bin/deploy.sh",
            "LEAVING": f"{root}/run/waveflow-leaving",
        },
        check=False,
    )


def done(root: Path) -> list[str]:
    return (root / "done").read_text().splitlines()


def test_it_is_deployed_once_the_instance_is_set_up(root: Path) -> None:
    play(root, "cloud-init", set_up(root))
    assert run(root).returncode == 0
    assert done(root) == ["cloud-init status --wait", f"deploy.sh --wait {IMAGE}"]


@pytest.mark.parametrize("code", [1, 3, 75])
def test_what_does_not_get_ready_is_a_failure(root: Path, code: int) -> None:
    play(root, "cloud-init", set_up(root))
    play(root, "deploy.sh", f"exit {code}")
    assert run(root).returncode == code


def test_a_set_up_that_failed_is_the_groups_business(root: Path) -> None:
    play(root, "cloud-init", "exit 1")
    result = run(root)
    assert result.returncode == 0
    assert "never set up" in result.stdout


def test_a_set_up_that_failed_late_is_tried_again_with_this_image(root: Path) -> None:
    play(root, "cloud-init", f"{set_up(root)}\nexit 1")
    assert run(root).returncode == 0
    assert done(root)[-1] == f"deploy.sh --wait {IMAGE}"


def test_nothing_is_deployed_on_an_instance_that_goes(root: Path) -> None:
    play(root, "cloud-init", set_up(root))
    (root / "run/waveflow-leaving").touch()
    result = run(root)
    assert result.returncode == 0
    assert "about to go" in result.stdout
    assert done(root) == ["cloud-init status --wait"]


def test_an_instance_that_goes_in_the_middle_is_no_failure(root: Path) -> None:
    play(root, "cloud-init", set_up(root))
    play(root, "deploy.sh", f"touch {root}/run/waveflow-leaving; exit 1")
    result = run(root)
    assert result.returncode == 0
    assert "about to go" in result.stdout


def test_it_comes_out_of_the_image_where_the_document_looks_for_it() -> None:
    assert shutil.which(SCRIPT)
