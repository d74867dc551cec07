"""`setup.sh` on a machine whose every command is played: what it does, again, and half of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define

from tests.support.http_exchange import Answer, Replied
from tests.support.http_receiver import HttpReceiver
from tests.support.machine.stand_ins import StandIns
from tests.support.machine.unit_file import UNITS

pytestmark = pytest.mark.slow

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/waveflow:1"
TOOLS = [
    *("bash", "cat", "chmod", "cmp", "curl", "grep", "install", "jq", "mkdir", "mktemp", "mv"),
    *("rm", "sed", "sync"),
]


@define
class Instance:
    """A fresh EC2 instance: its metadata service, and the commands that it has."""

    stand_ins: StandIns
    metadata: HttpReceiver
    role: str = "stems-worker"
    answers_without_a_token: bool = False
    credentials: bytes = b'{\n  "Code" : "Success"}'

    def answer(self, path: str, token: str | None) -> Answer:
        """What the metadata service says."""
        if path == "/latest/api/token":
            return Answer(200, b"a-token")
        if token != "a-token" and not self.answers_without_a_token:
            return Answer(401)
        entry = path.removeprefix("/latest/meta-data/")
        if entry.startswith("iam/") and not self.role:
            return Answer(404)
        found = {
            "instance-id": b"i-0123456789abcdef0",
            "placement/region": b"eu-west-1",
            "iam/security-credentials/": self.role.encode(),
            f"iam/security-credentials/{self.role}": self.credentials,
        }
        return Answer(200, found[entry])

    def run(self, *arguments: str) -> tuple[int, str]:
        """setup.sh, with what the image holds; returns its exit code and what it printed."""
        scripts = self.stand_ins.folder / "from-the-image"
        if not scripts.exists():
            shutil.copytree(UNITS, scripts)
            # What it does in the end has tests of its own.
            deploy = scripts / "deploy.sh"
            deploy.write_text(f'#!/bin/bash\n{self.stand_ins.folder}/bin/deploy "$@"\n')
        result = self.stand_ins.run(
            scripts / "setup.sh",
            *arguments,
            only=TOOLS,
            environment={"METADATA_URL": self.metadata.url},
        )
        return result.returncode, result.stdout

    def has_what_it_installs(self) -> None:
        """As after `dnf install`."""
        self.stand_ins.command("docker", "exit 1")  # Nothing on a bridge reaches the metadata.
        self.stand_ins.command("docker-credential-ecr-login")
        self.stand_ins.command("aws", f"echo {IMAGE}")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    stand_ins = StandIns(tmp_path)
    with HttpReceiver() as metadata:
        fresh = Instance(stand_ins, metadata)
        metadata.behave(
            Replied(
                lambda request: fresh.answer(
                    request.path, request.headers.get("x-aws-ec2-metadata-token")
                )
            )
        )
        stand_ins.command("id", "echo 0")
        for name in ("systemctl", "deploy", "dnf"):
            stand_ins.command(name)
        fresh.has_what_it_installs()
        yield fresh


def test_a_fresh_instance_becomes_a_worker(instance: Instance) -> None:
    code, output = instance.run("--log-group", "/waveflow/worker")
    assert code == 0, output
    assert "has the role stems-worker" in output
    root, etc = instance.stand_ins.root, instance.stand_ins.etc
    for file in ("waveflow@.service", "waveflow.service"):
        installed = root / "etc/systemd/system" / file
        assert installed.read_bytes() == (UNITS / file).read_bytes()
    assert (root / "etc/systemd/journald.conf.d/waveflow.conf").exists()
    assert (root / "opt/waveflow/deploy/ec2/deploy.sh").stat().st_mode & 0o111
    assert (etc / "machine.conf").read_text().splitlines() == [
        "AWS_REGION=eu-west-1",
        "INSTANCE_ID=i-0123456789abcdef0",
        "PARAMETERS=/waveflow/env",
        "LOG_GROUP=/waveflow/worker",
    ]
    assert etc.stat().st_mode & 0o777 == 0o700
    # The image is the parameter's. What starts it at boot is enabled before: power may fail.
    assert instance.stand_ins.calls("deploy") == [f"deploy {IMAGE}"]
    calls = instance.stand_ins.calls()
    assert calls.index("systemctl enable --now docker.service") < calls.index(f"deploy {IMAGE}")
    assert calls.index("systemctl enable waveflow.service") < calls.index(f"deploy {IMAGE}")


def test_a_second_run_changes_nothing_and_keeps_what_somebody_has_added(
    instance: Instance,
) -> None:
    assert instance.run()[0] == 0
    conf = instance.stand_ins.etc / "machine.conf"
    conf.write_text(conf.read_text() + "PORT_A=9564\n")
    assert instance.run()[0] == 0
    assert conf.read_text().splitlines().count("AWS_REGION=eu-west-1") == 1
    assert "PORT_A=9564" in conf.read_text().splitlines()
    restarts = instance.stand_ins.calls("systemctl restart systemd-journald")
    assert len(restarts) == 1
    assert instance.stand_ins.calls("dnf") == []


def test_what_is_missing_is_installed(instance: Instance) -> None:
    for name in ("docker", "docker-credential-ecr-login", "aws"):
        (instance.stand_ins.folder / "bin" / name).unlink()
    played = instance.stand_ins.folder / "bin"
    instance.stand_ins.command(
        "dnf",
        f"for each in docker docker-credential-ecr-login aws; do\n"
        f"printf '#!/bin/bash\\necho {IMAGE}\\n' > {played}/$each; chmod +x {played}/$each\ndone",
    )
    code, output = instance.run()
    assert code == 0, output
    [call] = instance.stand_ins.calls("dnf")
    assert "docker" in call
    assert "amazon-ecr-credential-helper" in call


def test_on_debian_and_ubuntu_a_runtime_that_came_from_elsewhere_is_kept(
    instance: Instance,
) -> None:
    for name in ("dnf", "docker-credential-ecr-login"):
        (instance.stand_ins.folder / "bin" / name).unlink()
    instance.stand_ins.command("apt-get")
    code, output = instance.run()
    assert code == 0, output
    [call] = instance.stand_ins.calls("apt-get install")
    assert "amazon-ecr-credential-helper" in call
    assert "docker.io" not in call
    assert "awscli" not in call


def test_a_run_that_failed_half_way_is_finished_by_the_next(instance: Instance) -> None:
    instance.stand_ins.command("deploy", "echo not ready; exit 1")
    code, output = instance.run(IMAGE)
    assert code == 1
    assert "not ready" in output
    instance.stand_ins.command("deploy")
    code, output = instance.run(IMAGE)
    assert code == 0
    assert "the worker is ready" in output


def test_an_instance_without_a_role_says_so_before_anything_is_installed(
    instance: Instance,
) -> None:
    instance.role = ""
    code, output = instance.run(IMAGE)
    assert code == 1
    assert "i-0123456789abcdef0 has no role" in output
    assert instance.stand_ins.calls("systemctl") == []


def test_a_role_that_gives_no_credentials_says_so(instance: Instance) -> None:
    instance.credentials = b'{"Code" : "AssumeRoleUnauthorizedAccess"}'
    code, output = instance.run(IMAGE)
    assert code == 1
    assert "trust policy" in output


def test_a_metadata_service_that_asks_for_no_token_is_refused(instance: Instance) -> None:
    instance.answers_without_a_token = True
    code, output = instance.run(IMAGE)
    assert code == 1
    assert "--instance-id i-0123456789abcdef0 --http-tokens required" in output


def test_what_is_no_instance_says_so(instance: Instance) -> None:
    instance.metadata.go_away()
    code, output = instance.run(IMAGE)
    assert code == 1
    assert "has to be an EC2 instance" in output


def test_a_hop_limit_that_lets_containers_have_the_credentials_is_told(instance: Instance) -> None:
    instance.stand_ins.command("docker")
    code, output = instance.run(IMAGE)
    assert code == 0
    assert "--http-put-response-hop-limit 1" in output


def test_no_image_named_anywhere_says_so(instance: Instance) -> None:
    instance.stand_ins.command("aws", "echo none")
    code, output = instance.run()
    assert code == 1
    assert "/waveflow/image names no image yet" in output


def test_only_root_can_set_a_machine_up(instance: Instance) -> None:
    instance.stand_ins.command("id", "echo 1000")
    code, output = instance.run(IMAGE)
    assert code == 1
    assert "run as root" in output


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--log-group"]])
def test_setup_refuses_what_it_does_not_understand(
    instance: Instance, arguments: list[str]
) -> None:
    assert instance.run(*arguments)[0] == 2
