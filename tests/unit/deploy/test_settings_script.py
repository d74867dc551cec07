"""`settings.sh`: parameters become the worker's settings, or are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.machine.stand_ins import StandIns
from tests.support.machine.unit_file import UNITS

SCRIPT = UNITS / "settings.sh"


@pytest.fixture
def machine(tmp_path: Path) -> StandIns:
    stand_ins = StandIns(tmp_path)
    stand_ins.etc.mkdir(parents=True)
    conf = "AWS_REGION=eu-west-1\nPARAMETERS=/waveflow/env\n"
    (stand_ins.etc / "machine.conf").write_text(conf)
    return stand_ins


def parameters(machine: StandIns, **values: str) -> None:
    found = [{"Name": f"/waveflow/env/{name}", "Value": value} for name, value in values.items()]
    (machine.folder / "found").write_text(json.dumps({"Parameters": found}))
    machine.command("aws", f"cat {machine.folder}/found")


def test_each_parameter_becomes_a_line_that_nobody_else_can_read(machine: StandIns) -> None:
    values = {
        "WEBHOOK_URL": "https://api.example.com/hooks?a=1&b=$HOME",
        "WAVEFLOW_WEBHOOK_SECRET": 'whsec_"quotes" and = \\ # 한국어',
    }
    parameters(machine, **values)
    assert machine.run(SCRIPT).returncode == 0
    written = machine.etc / "waveflow.env"
    lines = [f"{name}={value}" for name, value in sorted(values.items())]
    assert written.read_text().splitlines() == lines
    assert written.stat().st_mode & 0o777 == 0o600
    [call] = machine.calls("aws")
    assert "--path /waveflow/env --recursive --with-decryption" in call


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WEBHOOK_URL", "https://a\nWAVEFLOW_SLOTS=1", "line break"),
        ("WEBHOOK_URL", "tab\there", "control character"),
        ("webhook-url", "x", "not the name of a setting"),
        ("AWS_SECRET_ACCESS_KEY", "x", "credentials come from the role"),
    ],
)
def test_what_a_line_cannot_hold_is_refused_and_the_old_settings_stay(
    machine: StandIns, name: str, value: str, said: str
) -> None:
    (machine.etc / "waveflow.env").write_text("OLD=1\n")
    parameters(machine, **{name: value, "S3_BUCKET_NAME": "stems"})
    result = machine.run(SCRIPT)
    assert result.returncode == 1
    assert said in result.stdout
    assert f"/waveflow/env/{name}" in result.stdout
    assert (machine.etc / "waveflow.env").read_text() == "OLD=1\n"


def test_no_parameters_at_all_is_a_mistake(machine: StandIns) -> None:
    parameters(machine)
    result = machine.run(SCRIPT)
    assert result.returncode == 1
    assert "no parameters below /waveflow/env/" in result.stdout


def test_a_parameter_store_that_does_not_answer_leaves_the_settings_as_they_are(
    machine: StandIns,
) -> None:
    (machine.etc / "waveflow.env").write_text("OLD=1\n")
    machine.command("aws", "echo AccessDeniedException >&2; exit 254")
    result = machine.run(SCRIPT)
    assert result.returncode != 0
    assert "AccessDenied" in result.stdout
    assert (machine.etc / "waveflow.env").read_text() == "OLD=1\n"


def test_settings_kept_by_hand_are_left_alone_and_have_to_be_there(machine: StandIns) -> None:
    (machine.etc / "machine.conf").write_text("PARAMETERS=\n")
    machine.command("aws", "exit 1")
    missing = machine.run(SCRIPT)
    assert missing.returncode == 1
    assert "waveflow.env is missing" in missing.stdout
    (machine.etc / "waveflow.env").write_text("MINE=1\n")
    assert machine.run(SCRIPT).returncode == 0
    assert machine.calls("aws") == []
