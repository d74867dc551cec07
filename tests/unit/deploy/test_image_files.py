"""Dockerfile, .dockerignore and docker-compose.yml, judged without building anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from waveflow.adapters.notifier.signing import parse_secrets
from waveflow.entrypoints.settings import load_settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
    "services"
]
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M)).splitlines()
    if line
]


def checked(tool: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert checked("hadolint", ROOT / "Dockerfile") == ""


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    assert checked("shellcheck", *(ROOT / "deploy/image").glob("*.sh")) == ""


def test_the_compose_file_is_one() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    assert checked("check-jsonschema", *schema, ROOT / "docker-compose.yml") == ""


def test_the_base_is_of_a_date_and_every_package_of_a_hash() -> None:
    [base] = re.findall(r"^ARG BASE=(.*)$", DOCKERFILE, re.M)
    assert re.fullmatch(r"\S+:bookworm-\d{8}-slim", base)
    installs = [
        line
        for kind, line in INSTRUCTIONS
        if kind == "RUN" and re.search(r"bin/pip .*\binstall |packages\.sh", line)
    ]
    ours = [line for line in installs if "--no-deps --no-index --no-build-isolation ." in line]
    assert len(ours) == 1
    assert sum("bash packages.sh" in line for line in installs) == len(installs) - 1 == 2
    script = re.sub(r"\\\n\s*", "", (ROOT / "deploy/image/packages.sh").read_text())
    [command] = re.findall(r"^ +\S+ --python .*$", script, re.M)
    assert "--require-hashes --only-binary :all:" in command


def test_what_has_no_wheel_on_arm_is_compiled_from_an_archive_of_the_lock() -> None:
    script = (ROOT / "deploy/image/packages.sh").read_text()
    [tools] = re.findall(r"\^\((.*)\)==", script)
    for lock in ("requirements.lock", "requirements-ffmpeg.lock", "requirements-stand-ins.lock"):
        assert {"miniaudio", *tools.split("|")} <= set(pins(ROOT / lock))


def test_what_is_copied_is_in_the_context_and_nothing_else() -> None:
    kept = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.M)
    copied = {
        source.split("/")[0]
        for kind, line in INSTRUCTIONS
        if kind == "COPY" and not line.startswith("--from")
        for source in line.split()[:-1]
    }
    assert "requirements*.lock" in copied
    locks = {name for name in kept if name.startswith("requirements")}
    assert copied - {"requirements*.lock"} == set(kept) - locks
    assert locks == {f"requirements{extra}.lock" for extra in ("", "-ffmpeg", "-stand-ins")}
    assert all((ROOT / name).exists() for name in kept)


@pytest.mark.parametrize("lock", ["requirements-ffmpeg.lock", "requirements-stand-ins.lock"])
def test_every_lock_pins_what_the_workers_does_and_more(lock: str) -> None:
    first, more = (pins(ROOT / name) for name in ("requirements.lock", lock))
    assert first.items() < more.items()
    assert more.items() <= pins(ROOT / "requirements-dev.lock").items()


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.M))


@pytest.mark.parametrize("name", SERVICES)
class TestEveryService:
    def test_it_can_write_to_its_work_folder_alone_and_has_no_rights(self, name: str) -> None:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/work:mode=700,uid=10001,gid=10001"]
        assert "volumes" not in service

    def test_its_image_is_built_once_from_a_stage_that_there_is(self, name: str) -> None:
        stages = [line.split()[-1] for kind, line in INSTRUCTIONS if kind == "FROM"]
        same = [each for each in SERVICES.values() if each["image"] == SERVICES[name]["image"]]
        [build] = [each["build"] for each in same if "build" in each]
        assert build["target"] in stages
        # No registry has it: nothing is to be looked for there.
        policy = "build" if "build" in SERVICES[name] else "never"
        assert SERVICES[name]["pull_policy"] == policy

    def test_it_waits_for_what_can_be_waited_for(self, name: str) -> None:
        for needed, how in SERVICES[name].get("depends_on", {}).items():
            checks = how["condition"] == "service_healthy"
            assert ("healthcheck" in SERVICES[needed]) is checks

    def test_its_ports_are_this_machines_alone(self, name: str) -> None:
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_workers_settings_can_be_used_and_a_drain_has_time() -> None:
    environment = {name: str(value) for name, value in SERVICES["worker"]["environment"].items()}
    settings = load_settings(environment)
    assert (settings.queue, settings.storage, settings.notifier) == ("sqs", "s3", "webhook")
    grace_s = float(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= settings.drain_timeout_s + settings.poll_wait_s


def test_several_workers_can_run() -> None:
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


def test_both_ends_have_the_same_secret() -> None:
    ends = [SERVICES[name]["environment"] for name in ("worker", "main-server")]
    first, second = (parse_secrets(end["WAVEFLOW_WEBHOOK_SECRET"]) for end in ends)
    assert first == second
