"""The scripts of a machine: no known mistake, help for whoever asks, and plain refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.machine.stand_ins import StandIns
from tests.support.machine.unit_file import UNITS

SCRIPTS = [
    *sorted(UNITS.glob("*.sh")),
    UNITS.parent / "cloudformation/group-hooks",
    UNITS.parent / "cloudformation/take-image",
]


@pytest.fixture
def stand_ins(tmp_path: Path) -> StandIns:
    return StandIns(tmp_path)


def test_shellcheck_finds_nothing() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--external-sources", *SCRIPTS],
        cwd=UNITS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", ["deploy.sh", "setup.sh"])
def test_help_says_how_it_is_used_and_what_its_exit_codes_mean(
    stand_ins: StandIns, name: str
) -> None:
    result = stand_ins.run(UNITS / name, "--help")
    assert result.returncode == 0
    assert f"  {name} [" in result.stdout
    assert "Exit codes: 0" in result.stdout
    assert "set -e" not in result.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["--nonsense"], ["one", "two"], ["--roll-back", "image"]]
)
def test_deploy_refuses_what_it_does_not_understand(
    stand_ins: StandIns, arguments: list[str]
) -> None:
    assert stand_ins.run(UNITS / "deploy.sh", *arguments).returncode == 2


def test_deploy_on_a_machine_that_was_not_set_up_says_so(stand_ins: StandIns) -> None:
    result = stand_ins.run(UNITS / "deploy.sh", "image")
    assert result.returncode == 3
    assert "run setup.sh first" in result.stdout


def test_a_worker_runs_confined_on_the_machines_network_and_disk(stand_ins: StandIns) -> None:
    (stand_ins.etc / "b").mkdir(parents=True)
    (stand_ins.etc / "b/image").write_text("registry.test/waveflow@sha256:1\n")
    stand_ins.command("docker")
    stand_ins.command("chown")
    result = stand_ins.run(UNITS / "run-worker.sh", "b")
    assert result.returncode == 0, result.stdout
    [call] = stand_ins.calls("docker")
    work = stand_ins.root / "var/lib/waveflow/work"
    for option in (
        "--read-only",
        "--network host",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--memory 3500m --memory-swap 3500m",
        "--pids-limit 512",
        "--stop-timeout 150",
        "--pull never",
        "--log-driver none",
        "--env WAVEFLOW_HTTP_PORT=9465",
        # With the values that common.sh exports.
        "--env AWS_METADATA_SERVICE_TIMEOUT",
        f"--mount type=bind,source={work},target=/work",
        f"--env-file {stand_ins.etc}/b/env",
    ):
        assert f" {option} " in call
    assert call.endswith(" registry.test/waveflow@sha256:1")
    assert "--tmpfs" not in call  # A mix needs more room than memory has.
    assert stand_ins.calls("chown") == [f"chown 10001:10001 {work}"]
    assert work.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("setting", "is_local"), [("", True), ("WAVEFLOW_HTTP_HOST=0.0.0.0\n", False)]
)
def test_strangers_reach_its_port_only_where_a_setting_says_so(
    stand_ins: StandIns, setting: str, is_local: bool
) -> None:
    (stand_ins.etc / "a").mkdir(parents=True)
    (stand_ins.etc / "a/image").write_text("image\n")
    (stand_ins.etc / "a/env").write_text(f"S3_BUCKET_NAME=stems\n{setting}")
    stand_ins.command("docker")
    stand_ins.command("chown")
    assert stand_ins.run(UNITS / "run-worker.sh", "a").returncode == 0
    [call] = stand_ins.calls("docker")
    assert (" --env WAVEFLOW_HTTP_HOST=127.0.0.1 " in call) == is_local


def test_the_log_goes_to_cloudwatch_where_a_group_is_named_and_never_holds_work_up(
    stand_ins: StandIns,
) -> None:
    (stand_ins.etc / "a").mkdir(parents=True)
    (stand_ins.etc / "a/image").write_text("image\n")
    conf = "AWS_REGION=eu-west-1\nINSTANCE_ID=i-1\nLOG_GROUP=/waveflow/worker\n"
    (stand_ins.etc / "machine.conf").write_text(conf)
    stand_ins.command("docker")
    stand_ins.command("chown")
    assert stand_ins.run(UNITS / "run-worker.sh", "a").returncode == 0
    [call] = stand_ins.calls("docker")
    assert "--log-driver awslogs --log-opt mode=non-blocking" in call
    assert "--log-opt awslogs-group=/waveflow/worker --log-opt awslogs-stream=i-1/a" in call


@pytest.mark.parametrize("instance", ["", "c", "a b"])
def test_there_are_no_instances_but_a_and_b(stand_ins: StandIns, instance: str) -> None:
    assert stand_ins.run(UNITS / "run-worker.sh", instance).returncode == 2


def test_an_instance_without_an_image_says_so(stand_ins: StandIns) -> None:
    result = stand_ins.run(UNITS / "run-worker.sh", "a")
    assert result.returncode == 2
    assert "no image was deployed as a" in result.stdout
