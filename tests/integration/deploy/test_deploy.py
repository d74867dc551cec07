"""`deploy.sh` puts one running worker in another's place: real workers, under load, on loopback."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, field

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer, free_port
from tests.support.console_script import WAVEFLOW
from tests.support.http_exchange import Stall
from tests.support.machine.machine import REPOSITORY, Machine, machine
from tests.support.machine.watch import Watch, again_and_again, is_ready, watching
from tests.support.processes import eventually, running
from tests.support.production import Production, production

pytestmark = pytest.mark.slow

SONG = "users/u1/song.flac"
NO_GAP_S = 3.0
"""Between two completions, on a machine that is busy with other things as well."""


@define
class Rig:
    """A deployment whose workers are on one machine, and a main server that goes on sending."""

    deployment: Production
    machine: Machine
    sent: list[str] = field(factory=list)
    _numbers: Iterator[int] = field(factory=itertools.count)

    def send(self) -> None:
        """One message, every fifth of which is an analysis."""
        number = next(self._numbers)
        task = "generate_hash_and_webhook" if number % 5 else "process_audio_analysis"
        self.sent.append(self.deployment.task(task, stemId=f"s{number}", filepath=SONG))

    @contextmanager
    def under_load(self) -> Iterator[Watch]:
        """Messages come all the time, and nobody is idle; looks who is ready meanwhile."""
        with watching([*self.machine.ports.values()]) as watch, again_and_again(self.send, 0.03):
            yield watch

    def starts_with(self, tag: str) -> None:
        """The first deployment on this machine."""
        result = self.machine.deploy(self.machine.publish(tag))
        assert result.returncode == 0, result.stdout

    def all_told_once(self) -> None:
        """Each message had its webhook, once, and nothing else is left of it."""
        self.deployment.wait_until_done()
        requests = self.deployment.receiver.requests()
        told = Counter(each.headers["webhook-id"] for each in requests)
        assert [each for each, times in told.items() if times > 1] == []
        assert len(told) == len(self.sent)
        assert self.deployment.dead_letters() == []

    def longest_pause_s(self) -> float:
        """Between two webhooks."""
        at_s = [each.at_s for each in self.deployment.receiver.requests()]
        return max(after - before for before, after in itertools.pairwise(at_s))


@pytest.fixture
def rig(ministack: AwsServer, tmp_path: Path) -> Iterator[Rig]:
    with (
        production(ministack, tmp_path) as deployment,
        machine(tmp_path / "machine", deployment.environment() | {"LOG_FORMAT": "json"}) as ec2,
    ):
        song = write_audio(tmp_path / "song", tone(44_100, seed=1), kind="flac-16")
        deployment.upload(SONG, song)
        yield Rig(deployment, ec2)


def test_a_worker_is_replaced_under_load_without_a_gap_and_without_losing_a_message(
    rig: Rig,
) -> None:
    rig.starts_with("1")
    with rig.under_load() as watch:
        rig.deployment.receiver.wait_for(30, 60)
        for tag in "23":
            result = rig.machine.deploy(rig.machine.publish(tag))
            assert result.returncode == 0, result.stdout
        count = len(rig.deployment.receiver.requests())
        rig.deployment.receiver.wait_for(count + 30, 60)
    rig.all_told_once()
    assert len(rig.sent) > 100
    assert watch.gaps_s == []
    assert watch.both > 10
    assert watch.looks > 100
    assert rig.longest_pause_s() < NO_GAP_S
    assert (rig.machine.current, rig.machine.active()) == ("a", {"a"})
    assert rig.machine.image("a") == f"{REPOSITORY}@sha256:3"
    assert rig.machine.unit("b").exit_status == 0
    # The one before is there to go back to, and no others.
    assert rig.machine.local_images() == {"2", "3"}


def _ends_with_3(rig: Rig) -> tuple[str, str]:
    return rig.machine.publish("2", S3_BUCKET_NAME="no-such-bucket"), "it ended with exit code 3"


def _never_ready(rig: Rig) -> tuple[str, str]:
    rig.machine.configure(SETTLE_S="1", READY_WITHIN_S="8")
    away = f"http://127.0.0.1:{free_port()}"
    return rig.machine.publish("2", WEBHOOK_URL=away), '"server": '


def _hangs(rig: Rig) -> tuple[str, str]:
    rig.machine.configure(SETTLE_S="1", READY_WITHIN_S="3")
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    return rig.machine.publish("2", [sys.executable, "-c", program]), "Failed to connect"


def _dies_when_it_was_ready(rig: Rig) -> tuple[str, str]:
    rig.machine.configure(SETTLE_S="20", READY_WITHIN_S="120")
    # Its end comes after it was ready, and before that has lasted.
    program = f"exec timeout --signal=KILL 8 {WAVEFLOW} worker"
    return rig.machine.publish("2", ["/bin/sh", "-c", program]), "it ended with exit code 137"


@pytest.mark.parametrize("broken", [_ends_with_3, _never_ready, _hangs, _dies_when_it_was_ready])
def test_a_version_that_does_not_get_ready_goes_again_and_the_old_one_never_stops(
    rig: Rig, broken: object
) -> None:
    assert callable(broken)
    rig.starts_with("1")
    for unit in rig.machine.units.values():
        unit._stop_s = 5.0  # What hangs is killed then.
    image, reason = broken(rig)
    with rig.under_load() as watch:
        rig.deployment.receiver.wait_for(10, 60)
        result = rig.machine.deploy(image)
        count = len(rig.deployment.receiver.requests())
        rig.deployment.receiver.wait_for(count + 10, 60)
    assert result.returncode == 1
    assert reason in result.stdout
    assert "goes on as a" in result.stdout
    assert watch.gaps_s == []
    assert (rig.machine.current, rig.machine.active()) == ("a", {"a"})
    assert list(rig.machine.containers()) == ["waveflow-a"]
    if broken is not _dies_when_it_was_ready:  # That one had begun to work.
        rig.all_told_once()
    else:
        rig.deployment.wait_until_done()
        assert len({r.headers["webhook-id"] for r in rig.deployment.receiver.requests()}) == len(
            rig.sent
        )
    # And the next one, which is in order, takes its place. It has the time that it needs.
    rig.machine.configure(SETTLE_S="1", READY_WITHIN_S="120")
    result = rig.machine.deploy(rig.machine.publish("3"))
    assert result.returncode == 0, result.stdout
    assert (rig.machine.current, rig.machine.active()) == ("b", {"b"})


def test_a_deployment_that_is_killed_half_way_is_cleared_up_by_the_next(rig: Rig) -> None:
    rig.starts_with("1")
    rig.machine.configure(SETTLE_S="600", READY_WITHIN_S="120")
    with rig.under_load() as watch:
        with rig.machine.deploying(rig.machine.publish("2")) as process:
            assert eventually(lambda: is_ready(rig.machine.ports["b"]), within_s=60)
            process.kill()
        # Both work, and the old one is what a restart of the machine would start.
        assert rig.machine.active() == {"a", "b"}
        assert rig.machine.current == "a"
        rig.machine.configure(SETTLE_S="1", READY_WITHIN_S="120")
        result = rig.machine.deploy(rig.machine.publish("3"))
    assert result.returncode == 0, result.stdout
    assert "left by a deployment that was broken off" in result.stdout
    assert watch.gaps_s == []
    assert (rig.machine.current, rig.machine.active()) == ("b", {"b"})
    assert rig.machine.image("b") == f"{REPOSITORY}@sha256:3"
    assert not list(rig.machine.etc.glob("*.kept"))
    rig.all_told_once()


def test_a_deployment_that_is_told_to_end_takes_the_new_worker_away(rig: Rig) -> None:
    rig.starts_with("1")
    rig.machine.configure(SETTLE_S="600", READY_WITHIN_S="120")
    with rig.machine.deploying(rig.machine.publish("2")) as process:
        assert eventually(lambda: is_ready(rig.machine.ports["b"]), within_s=60)
        process.send_signal(signal.SIGTERM)
        assert eventually(lambda: rig.machine.unit("b")._stopping)
        process.send_signal(signal.SIGTERM)  # Once more, while that is under way.
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "was broken off" in output
    assert "goes on as a" in output
    assert (rig.machine.current, rig.machine.active()) == ("a", {"a"})
    assert not list(rig.machine.etc.glob("*.kept"))


def test_power_that_fails_in_the_middle_leaves_one_worker_to_be_started(rig: Rig) -> None:
    rig.starts_with("1")
    rig.starts_with("2")
    rig.machine.configure(SETTLE_S="600", READY_WITHIN_S="120")
    with rig.machine.deploying(rig.machine.publish("3")) as process:
        assert eventually(lambda: rig.machine.active() == {"a", "b"}, within_s=60)
        process.kill()
    rig.machine.lose_power()
    assert rig.machine.current == "b"
    assert rig.machine.image("b") == f"{REPOSITORY}@sha256:2"
    rig.machine.unit("b").start()
    assert eventually(lambda: is_ready(rig.machine.ports["b"]), within_s=60)
    # What was half deployed is no version to go back to.
    rig.machine.configure(SETTLE_S="1", READY_WITHIN_S="120")
    result = rig.machine.deploy("--roll-back")
    assert result.returncode == 0, result.stdout
    assert rig.machine.image(rig.machine.current) == f"{REPOSITORY}@sha256:1"


def test_an_old_worker_that_does_not_end_is_killed_and_its_message_done_by_the_new_one(
    rig: Rig,
) -> None:
    rig.starts_with("1")
    rig.deployment.receiver.next(Stall())
    rig.send()
    rig.deployment.receiver.wait_for(1, 30)
    rig.machine.unit("a")._stop_s = 2.0
    before = rig.machine.containers()["waveflow-a"]
    result = rig.machine.deploy(rig.machine.publish("2"))
    assert result.returncode == 0, result.stdout
    assert "comes back to the queue" in result.stdout
    assert eventually(lambda: not running({before}))
    # The webhook that got no answer comes again, under its own id.
    first, second = rig.deployment.receiver.wait_for(2, 60)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    rig.deployment.wait_until_done()


def test_a_worker_that_crashes_is_started_again_beside_what_the_crash_has_left(rig: Rig) -> None:
    rig.starts_with("1")
    unit = rig.machine.unit("a")
    assert unit._main is not None
    container = rig.machine.containers()["waveflow-a"]
    os.kill(unit._main.pid, signal.SIGKILL)  # docker's client; the container lives on.
    assert eventually(lambda: unit.restarts == 1 and unit.active == "active")
    assert eventually(lambda: is_ready(rig.machine.ports["a"]), within_s=60)
    assert eventually(lambda: not running({container}))
    rig.send()
    rig.all_told_once()


def test_a_deployment_while_the_server_is_away_takes_a_worker_that_lives(rig: Rig) -> None:
    rig.starts_with("1")
    rig.deployment.receiver.go_away()
    try:
        assert eventually(lambda: not is_ready(rig.machine.ports["a"]), within_s=60)
        rig.machine.configure(SETTLE_S="1", READY_WITHIN_S="5")
        image = rig.machine.publish("2")
        refused = rig.machine.deploy(image)
        assert refused.returncode == 1
        assert "isn't ready either" in refused.stdout
        rig.machine.configure(SETTLE_S="1", READY_WITHIN_S="120")
        taken = rig.machine.deploy("--live", image)
        assert taken.returncode == 0, taken.stdout
        assert (rig.machine.current, rig.machine.active()) == ("b", {"b"})
    finally:
        rig.deployment.receiver.come_back()
    rig.send()
    rig.all_told_once()
