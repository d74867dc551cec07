"""The units that start a worker: what a worker needs of its service manager."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.machine.unit_file import UNITS, unit_file

WORKER = unit_file("waveflow@.service")


@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [
        # SIGTERM for docker's client only, which passes it on.
        ("Service", "KillMode", "mixed"),
        # It is started again whatever the exit code is, however often.
        ("Service", "Restart", "always"),
        ("Service", "RestartSec", "10"),
        ("Unit", "StartLimitIntervalSec", "0"),
        # A child that is killed for memory isn't the service's end.
        ("Service", "OOMPolicy", "continue"),
        # It is stopped before the runtime is, and started at boot by waveflow.service alone.
        ("Unit", "After", "docker.service network-online.target"),
    ],
)
def test_the_worker_gets_what_it_needs(section: str, setting: str, value: str) -> None:
    assert WORKER[section][setting] == [value]


def test_a_worker_has_150_seconds_to_drain() -> None:
    [seconds] = WORKER["Service"]["TimeoutStopSec"]
    assert int(seconds) >= 150


def test_what_a_crash_has_left_is_removed_before_a_start_and_after_an_end() -> None:
    removal = ["-/usr/bin/docker rm --force waveflow-%i"]
    assert WORKER["Service"]["ExecStartPre"] == removal
    assert WORKER["Service"]["ExecStopPost"] == removal


def test_the_worker_is_stopped_before_the_runtime_is_and_started_again_with_it() -> None:
    assert WORKER["Unit"]["PartOf"] == ["docker.service"]
    assert "docker.service" in WORKER["Unit"]["After"][0].split()


def test_starting_the_current_instance_can_be_repeated() -> None:
    assert unit_file("waveflow.service")["Service"]["Type"] == ["oneshot"]
    assert "RemainAfterExit" not in unit_file("waveflow.service")["Service"]


def test_only_the_instance_that_was_deployed_last_is_started_at_boot() -> None:
    assert "Install" not in WORKER
    # With the runtime, too: stopped and started, rather than restarted, it takes the worker along
    # (PartOf) and wouldn't bring it back.
    assert unit_file("waveflow.service")["Install"]["WantedBy"] == [
        "multi-user.target docker.service"
    ]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["waveflow@a.service", "waveflow.service"])
def test_systemd_understands_the_units(name: str, tmp_path: Path) -> None:
    for file in ("waveflow@.service", "waveflow.service"):
        text = (UNITS / file).read_text()
        # The programs aren't installed where a test runs.
        text = text.replace("/opt/waveflow/deploy/ec2", str(UNITS))
        text = text.replace("/usr/bin/docker", "/bin/true")
        (tmp_path / file).write_text(text)
    shutil.copy(tmp_path / "waveflow@.service", tmp_path / "waveflow@a.service")
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / name],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in verified.stderr.splitlines() if "waveflow" in line]
    assert ours == []
