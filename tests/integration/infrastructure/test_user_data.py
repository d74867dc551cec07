"""What an instance runs first, with docker, AWS and systemd played, and below another root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.stack import template

REPOSITORY = Path(__file__).parents[3]
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/waveflow@sha256:0a"
COMMANDS = {
    "dnf": "",
    "systemctl": "",
    "aws": 'case "$1" in ssm) echo "$PARAMETER" ;; ecr) echo password ;; esac',
    "docker": """
        case "$1" in
          login) grep --quiet password ;;
          create) [ "$2" != none ] && echo container ;;
          cp) cp -r "$DEPLOY" "$3" ;;
        esac
    """,
}


def user_data() -> str:
    data = template()["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    text: str = data["UserData"]["Fn::Base64"]["Fn::Sub"]
    return text.replace("${AWS::Region}", "eu-west-1").replace("${AWS::StackName}", "waveflow")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the machine's files lie; what was run there is in `done`."""
    for folder in ("bin", "etc/systemd/system", "deploy"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copytree(REPOSITORY / "deploy" / "cloudformation", tmp_path / "deploy/cloudformation")
    # It sets up a machine, which this is not to become.
    scripts = {f"bin/{name}": body for name, body in COMMANDS.items()} | {
        "deploy/ec2/setup.sh": "exit ${SETUP_ENDS_WITH:-0}"
    }
    for path, body in scripts.items():
        script = tmp_path / path
        script.parent.mkdir(exist_ok=True)
        log = f'echo "{script.name} $*" >> "{tmp_path}/done"'
        script.write_text(f"#!/bin/bash\n{log}\n{body}\n")
        script.chmod(0o755)
    return tmp_path


def run(root: Path, **environment: str) -> int:
    # Not what follows a colon, which is a path in the image.
    script = re.sub(r"(?<!:)/(opt/waveflow|etc/systemd)", rf"{root}/\1", user_data())
    done = subprocess.run(
        ["bash", "-s"],
        input=script,
        text=True,
        capture_output=True,
        env={
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "PARAMETER": IMAGE,
            "DEPLOY": str(root / "deploy"),
            **environment,
        },
    )
    return done.returncode


def done(root: Path) -> list[str]:
    return (root / "done").read_text().splitlines()


def test_an_instance_takes_scripts_and_worker_from_the_image_that_the_parameter_names(
    root: Path,
) -> None:
    assert run(root) == 0
    steps = done(root)
    assert steps[-1] == f"setup.sh {IMAGE} --log-group /waveflow/worker"
    assert "aws ssm get-parameter --name /waveflow/image" in steps[2]
    assert f"docker create {IMAGE}" in steps
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert f"docker login --username AWS --password-stdin {registry}" in steps
    # Before the set-up: a worker that gets ready late is announced all the same.
    assert "systemctl enable --now group-hooks@waveflow-workers.service" in steps[:-1]
    assert (root / "etc/systemd/system/group-hooks@.service").exists()


def test_the_unit_of_the_hooks_runs_what_was_taken_out_of_the_image(root: Path) -> None:
    run(root)
    unit = (root / "etc/systemd/system/group-hooks@.service").read_text()
    assert "ExecStart=/opt/waveflow/deploy/cloudformation/group-hooks %i\n" in unit
    assert os.access(root / "opt/waveflow/deploy/cloudformation/group-hooks", os.X_OK)


def test_without_an_image_it_fails_and_announces_nothing(root: Path) -> None:
    assert run(root, PARAMETER="none") != 0
    assert not [step for step in done(root) if "group-hooks" in step or "setup.sh" in step]


def test_a_worker_that_does_not_get_ready_is_a_failure(root: Path) -> None:
    assert run(root, SETUP_ENDS_WITH="1") == 1
