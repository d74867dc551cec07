"""What `deploy.sh` decides, whatever worker it is: refusals, repetitions, images that stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine.machine import REPOSITORY, Machine, machine
from tests.support.machine.watch import is_ready
from tests.support.processes import eventually

pytestmark = pytest.mark.slow

WORKER: list[str | Path] = [
    sys.executable,
    "-IS",
    Path(__file__).parents[2] / "support/machine/quick_worker.py",
]


@pytest.fixture
def ec2(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path / "machine", {"S3_BUCKET_NAME": "stems"}) as ec2:
        ec2.configure(SETTLE_S="0", READY_WITHIN_S="120")
        yield ec2


def runs(ec2: Machine, tag: str, **environment: str) -> str:
    """An image with this tag is deployed; returns its name."""
    image = ec2.publish(tag, WORKER, **environment)
    result = ec2.deploy(image)
    assert result.returncode == 0, result.stdout
    return image


def pid(ec2: Machine) -> int:
    [found] = ec2.containers().values()
    return found


def test_the_same_image_again_touches_nothing(ec2: Machine) -> None:
    image = runs(ec2, "1")
    before = pid(ec2)
    result = ec2.deploy(image)
    assert result.returncode == 0
    assert "runs already, as a" in result.stdout
    assert pid(ec2) == before


def test_asked_to_it_replaces_the_same_image_which_then_has_the_new_settings(
    ec2: Machine,
) -> None:
    image = runs(ec2, "1")
    ec2.settings({"S3_BUCKET_NAME": "other-stems"})
    assert ec2.deploy("--again", image).returncode == 0
    assert (ec2.current, ec2.active()) == ("b", {"b"})
    assert (ec2.etc / "b/env").read_text() == "S3_BUCKET_NAME=other-stems\n"
    assert (ec2.etc / "b/env").stat().st_mode & 0o777 == 0o600
    # Going back brings the old settings, too.
    assert ec2.deploy("--roll-back").returncode == 0
    assert (ec2.current, ec2.active()) == ("a", {"a"})
    assert (ec2.etc / "a/env").read_text() == "S3_BUCKET_NAME=stems\n"


def test_what_runs_is_named_by_its_digest_and_moving_the_tag_changes_nothing(
    ec2: Machine,
) -> None:
    runs(ec2, "1")
    assert ec2.image("a") == f"{REPOSITORY}@sha256:1"
    [run] = [call for call in ec2.calls() if call[0] == "run"]
    assert run[-1] == f"{REPOSITORY}@sha256:1"


def test_only_the_image_before_is_kept(ec2: Machine) -> None:
    for tag in "123":
        runs(ec2, tag)
    assert ec2.local_images() == {"2", "3"}
    # What a deployment that failed has pulled goes with the next one.
    broken = ec2.publish("4", ["/bin/false"])
    assert ec2.deploy(broken).returncode == 1
    runs(ec2, "5")
    assert ec2.local_images() == {"3", "5"}


def test_going_back_twice_is_going_forth_again(ec2: Machine) -> None:
    runs(ec2, "1")
    runs(ec2, "2")
    for tag in "12":
        assert ec2.deploy("--roll-back").returncode == 0
        assert ec2.image(ec2.current) == f"{REPOSITORY}@sha256:{tag}"


def test_there_has_to_be_something_to_go_back_to(ec2: Machine) -> None:
    runs(ec2, "1")
    result = ec2.deploy("--roll-back")
    assert result.returncode == 3
    assert "nothing to roll back to" in result.stdout
    assert ec2.active() == {"a"}


@pytest.mark.parametrize(
    "error", ["no space left on device", "denied: your authorization token has expired"]
)
def test_an_image_that_cannot_be_pulled_changes_nothing(ec2: Machine, error: str) -> None:
    runs(ec2, "1")
    before = pid(ec2)
    result = ec2.deploy(ec2.publish("2", WORKER, error=error))
    assert result.returncode == 3
    assert error in result.stdout
    assert "Nothing was changed" in result.stdout
    assert (ec2.current, pid(ec2)) == ("a", before)


def test_settings_that_are_missing_change_nothing(ec2: Machine) -> None:
    runs(ec2, "1")
    before = pid(ec2)
    (ec2.etc / "waveflow.env").unlink()
    result = ec2.deploy(ec2.publish("2", WORKER))
    assert result.returncode == 3
    assert "waveflow.env is missing" in result.stdout
    assert (ec2.current, pid(ec2)) == ("a", before)


def test_a_first_deployment_that_fails_leaves_nothing_and_the_next_begins_anew(
    ec2: Machine,
) -> None:
    result = ec2.deploy(ec2.publish("1", ["/bin/false"]))
    assert result.returncode == 1
    assert "no worker runs" in result.stdout
    assert ec2.active() == set()
    assert not (ec2.etc / "current").exists()
    runs(ec2, "2")
    assert (ec2.current, ec2.active()) == ("a", {"a"})


def test_a_failed_deployment_leaves_what_was_to_be_gone_back_to(ec2: Machine) -> None:
    runs(ec2, "1")
    runs(ec2, "2")
    assert ec2.deploy(ec2.publish("3", ["/bin/false"])).returncode == 1
    assert (ec2.current, ec2.active()) == ("b", {"b"})
    assert ec2.deploy("--roll-back").returncode == 0
    assert ec2.image(ec2.current) == f"{REPOSITORY}@sha256:1"


def test_the_worker_says_why_it_is_not_ready(ec2: Machine) -> None:
    runs(ec2, "1")
    ec2.configure(SETTLE_S="0", READY_WITHIN_S="2")
    result = ec2.deploy(ec2.publish("2", WORKER, ANSWER="503"))
    assert result.returncode == 1
    assert 'isn\'t ready after 2 s: {"ready": "as told"}' in result.stdout


def test_two_deployments_at_once_are_one(ec2: Machine) -> None:
    runs(ec2, "1")
    ec2.configure(SETTLE_S="600", READY_WITHIN_S="600")
    image = ec2.publish("2", WORKER)
    with ec2.deploying(image):
        assert eventually(lambda: is_ready(ec2.ports["b"]), within_s=60)
        second = ec2.deploy(image)
        assert second.returncode == 75
        assert "another deployment is under way" in second.stdout
        assert ec2.active() == {"a", "b"}


def test_a_deployment_that_may_wait_begins_when_the_other_is_over(ec2: Machine) -> None:
    runs(ec2, "1")
    ec2.configure(SETTLE_S="3", READY_WITHIN_S="120")
    image = ec2.publish("2", WORKER)
    with ec2.deploying(image) as first:
        assert eventually(lambda: is_ready(ec2.ports["b"]), within_s=60)
        second = ec2.deploy("--wait", image)
        assert first.wait(60) == 0
    assert second.returncode == 0
    assert "runs already, as b" in second.stdout


def test_an_old_worker_that_crashes_again_and_again_is_replaced_for_good(
    ec2: Machine, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    program = f'[ ! -e {broken} ] || exit 3; exec "$0" "$@"'
    assert ec2.deploy(ec2.publish("1", ["/bin/sh", "-c", program, *WORKER])).returncode == 0
    unit = ec2.unit("a")
    unit._restart_s = 600.0  # Between two of its starts it isn't active.
    broken.touch()
    os.killpg(pid(ec2), signal.SIGKILL)
    assert eventually(lambda: unit.sub == "auto-restart")
    runs(ec2, "2")
    assert (ec2.current, ec2.active()) == ("b", {"b"})
    assert unit.active == "inactive"


def test_an_image_that_is_here_already_is_not_fetched_anew(ec2: Machine) -> None:
    image = ec2.publish("1", WORKER)
    # As a machine does that takes these scripts out of it.
    subprocess.run(["docker", "pull", image], env=ec2.environment, check=True, capture_output=True)
    assert ec2.deploy(image).returncode == 0
    assert [call for call in ec2.calls() if call[:2] == ["image", "rm"]] == []


def test_where_both_run_the_one_that_is_ready_counts(ec2: Machine) -> None:
    runs(ec2, "1")
    runs(ec2, "2")
    # The one that should run has gone; somebody started the one before by hand.
    ec2.unit("b").stop()
    ec2.unit("a").start()
    assert eventually(lambda: is_ready(ec2.ports["a"]), within_s=60)
    result = ec2.deploy(ec2.publish("3", WORKER))
    assert result.returncode == 0, result.stdout
    assert "a counts as the one that runs" in result.stdout
    assert (ec2.current, ec2.active()) == ("b", {"b"})
    assert ec2.image("b") == f"{REPOSITORY}@sha256:3"


@pytest.mark.parametrize(
    ("code", "said"), [("4", "was given back"), ("1", "ended with exit code 1")]
)
def test_how_the_old_worker_ended_is_told(ec2: Machine, code: str, said: str) -> None:
    runs(ec2, "1", ENDS_WITH=code)
    result = ec2.deploy(ec2.publish("2", WORKER))
    assert result.returncode == 0
    assert said in result.stdout
