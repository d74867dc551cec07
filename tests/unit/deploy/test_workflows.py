"""GitHub's workflows: valid, least rights, pinned, and naming nothing that isn't there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[3]
FOLDER = PROJECT / ".github/workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return document


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in document["jobs"].values():
        yield from job["steps"]


def scripts() -> list[str]:
    """What the workflows run."""
    return [
        step["run"] for file in WORKFLOWS for step in steps(workflow(file.name)) if "run" in step
    ]


def test_github_would_understand_them() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    found = subprocess.run(
        [tool, "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_are_pinned_by_their_commit(file: Path) -> None:
    used = [line for line in file.read_text().splitlines() if " uses: " in line]
    assert used
    for line in used:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_job_has_an_end_and_no_right_to_write(file: Path) -> None:
    document = workflow(file.name)
    assert document["concurrency"]
    for job in document["jobs"].values():
        assert job["timeout-minutes"]
        rights = job.get("permissions", document["permissions"])
        assert "write" not in {value for right, value in rights.items() if right != "id-token"}
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_no_key_is_stored() -> None:
    for file in WORKFLOWS:
        assert "secrets." not in file.read_text()
    [login] = [step for step in steps(workflow("deploy.yml")) if "aws-actions" in str(step)]
    assert set(login["with"]) == {"aws-region", "role-to-assume", "role-duration-seconds"}
    deploy = workflow("deploy.yml")["jobs"]["deploy"]
    assert deploy["permissions"] == {"contents": "read", "id-token": "write"}
    assert deploy["environment"] == "production"


def test_only_what_ci_has_passed_on_our_own_branch_is_deployed_by_itself() -> None:
    condition = workflow("deploy.yml")["jobs"]["deploy"]["if"]
    for part in (
        "workflow_run.conclusion == 'success'",
        "workflow_run.event == 'push'",
        "workflow_run.head_repository.full_name == github.repository",
    ):
        assert part in condition
    # YAML 1.1 reads the key `on` as true.
    trigger = yaml.safe_load((FOLDER / "deploy.yml").read_text())[True]["workflow_run"]
    assert trigger["workflows"] == [workflow("ci.yml")["name"]]
    assert trigger["branches"] == ["main"]


def test_whoever_cancels_a_deployment_interrupts_the_roll_out_itself() -> None:
    # GitHub signals a step's own process, then kills what is below it without a word.
    [script] = [each for each in scripts() if "roll-out.sh" in each]
    assert script.splitlines()[-1].startswith("exec deploy/ec2/roll-out.sh ")


def test_only_the_image_that_was_tested_is_pushed() -> None:
    done = [each.get("run", "") for each in steps(workflow("deploy.yml"))]
    [built] = [number for number, each in enumerate(done) if "docker build " in each]
    [tested] = [number for number, each in enumerate(done) if "deploy/image/test.sh " in each]
    [pushed] = [number for number, each in enumerate(done) if "docker push " in each]
    assert built < tested < pushed
    assert 'docker save "$REPOSITORY:$COMMIT"' in done[tested]
    assert 'docker push --quiet "$REPOSITORY:$COMMIT"' in done[pushed]


@pytest.mark.parametrize(
    ("commit", "attempt", "newest", "code"),
    [
        ("a" * 40, "1", "b" * 40, 0),
        ("a" * 40, "2", "a" * 40, 0),
        ("a" * 40, "2", "b" * 40, 1),  # an old run of CI, repeated
        ("main", "1", "a" * 40, 1),
        ("a" * 7, "1", "a" * 40, 1),
    ],
)
def test_a_deployment_never_goes_back_by_itself_and_knows_its_commit(
    tmp_path: Path, commit: str, attempt: str, newest: str, code: int
) -> None:
    (tmp_path / "gh").write_text(f"#!/bin/sh\necho {newest}\n")
    (tmp_path / "gh").chmod(0o755)
    [script] = [each for each in scripts() if "ATTEMPT" in each]
    ended = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "COMMIT": commit,
            "ATTEMPT": attempt,
            "GITHUB_REPOSITORY": "o/n",
        },
        capture_output=True,
        check=False,
    )
    assert ended.returncode == code


def test_what_somebody_types_in_is_never_part_of_a_script() -> None:
    for script in scripts():
        assert "${{" not in script


def test_scripts_have_no_known_mistake(tmp_path: Path) -> None:
    files = []
    for number, script in enumerate(scripts()):
        files.append(tmp_path / f"{number}.sh")
        files[-1].write_text(f"#!/bin/bash\nset -eo pipefail\n{script}")
    shellcheck = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([shellcheck, *files], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_every_target_and_every_file_that_they_name_exists() -> None:
    text = "\n".join(scripts())
    targets = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert {"check", "test-slow", "image-test"} <= targets
    made = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= made
    paths = re.findall(r"\bdeploy/[\w./-]+", text)
    assert paths
    assert [path for path in paths if not (PROJECT / path).exists()] == []
    for pattern in re.findall(r"cache-dependency-path: (\S+)", (FOLDER / "ci.yml").read_text()):
        assert list(PROJECT.glob(pattern))
