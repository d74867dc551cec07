"""A disk that is full, too small, read-only or gone: nothing is lost, and its room comes back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.disks import SmallDisk, small_disk
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
RATE_HZ = 44_100
WITHIN_S = 60.0
ONE_FAILURE_IS_ENOUGH = {"MAX_RETRIES": "0"}
"""A message whose try is used up by a full disk would fail for good at once."""


@frozen
class Site:
    """A worker whose work folder is a small disk, and everything round it."""

    deployment: Production
    disk: SmallDisk
    proxy: FaultProxy
    worker: WorkerProcess

    def analyse(self, stem_id: str, key: str) -> None:
        self.deployment.task("process_audio_analysis", stemId=stem_id, filepath=key)

    def mix(self, stage_id: str, *keys: str) -> None:
        self.deployment.task("mix_stems_and_upload", stageId=stage_id, stem_paths=list(keys))

    def told(self, name: str) -> list[dict[str, Any]]:
        """The webhooks about a stem or a stage."""
        found = self.deployment.bodies("/completion") + self.deployment.bodies("/mixing-complete")
        return [body for body in found if name in (body.get("stemId"), body.get("stageId"))]

    def wait_until_done(self, name: str) -> None:
        assert eventually(lambda: self.told(name), within_s=WITHIN_S), self.worker.text()
        assert [body["status"] for body in self.told(name)] == ["SUCCESS"]
        self.deployment.wait_until_done()
        assert self.deployment.dead_letters() == []
        assert self.left_behind() == []

    def reasons(self) -> list[str]:
        """Why work was put off so far."""
        return [line["reason"] for line in self.worker.logged("task_interrupted")]

    def wait_until_put_off(self, times: int, expected: str) -> None:
        """Until work was put off so often in all, and the last time for that reason."""
        self.worker.wait_for_log("task_interrupted", times=times)
        assert expected in self.reasons()[-1]

    @property
    def root(self) -> Path:
        """The work folder."""
        return self.disk.path / "work"

    def left_behind(self) -> list[Path]:
        return list(self.root.glob("*"))


def recordings(folder: Path) -> dict[str, Path]:
    """By key: 1.5 MB each, but for one that is much smaller than what is made of it."""
    return {
        "users/a.wav": write_audio(folder / "a", tone(int(8.5 * RATE_HZ), 2), kind="wav-16"),
        "users/b.wav": write_audio(folder / "b", tone(int(8.5 * RATE_HZ), 2), kind="wav-16"),
        "users/small.wav": write_audio(folder / "s", tone(RATE_HZ // 2, 1), kind="wav-16"),
        "users/dense.mp3": write_audio(folder / "d", tone(20 * RATE_HZ, 1), kind="mp3"),
    }


@pytest.fixture(scope="module")
def site(ministack: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with (
        small_disk(folder / "disk", 10 * MIB) as disk,
        FaultProxy(ministack.endpoint_url) as proxy,
        production(ministack, folder) as deployment,
    ):
        for key, path in recordings(tmp_path_factory.mktemp("recordings")).items():
            deployment.upload(key, path)
        deployment.upload("users/huge.wav", bytes(11 * MIB))
        worker = deployment.worker(
            AWS_ENDPOINT_URL_S3=proxy.url,
            WAVEFLOW_WORK_DIR=str(disk.path / "work"),
            **ONE_FAILURE_IS_ENOUGH,
        )
        site = Site(deployment, disk, proxy, worker.wait_until_ready())
        yield site
        assert worker.stop() == 0
        assert site.left_behind() == []


def test_a_mix_that_does_not_fit_now_waits_and_is_done_once_there_is_room(site: Site) -> None:
    before = len(site.reasons())
    filler = site.disk.fill(leave_bytes=2 * MIB)
    site.mix("later", "users/a.wav", "users/b.wav")
    site.wait_until_put_off(before + 2, "has 2.1 MB left, and this task keeps 3.0 MB there")
    # What fits is done meanwhile.
    site.analyse("meanwhile", "users/small.wav")
    assert eventually(lambda: site.told("meanwhile"), within_s=WITHIN_S)
    assert site.told("later") == []
    assert eventually(lambda: site.left_behind() == [])
    filler.unlink()
    site.wait_until_done("later")


def test_mixes_that_fit_one_at_a_time_take_turns(site: Site) -> None:
    before = len(site.reasons())
    site.proxy.add(Rule(Fault.LATENCY, method="GET", path=r"/users/", times=None, seconds=0.5))
    for number in range(3):
        site.mix(f"turn-{number}", "users/a.wav", "users/b.wav")
    site.worker.wait_for_log("task_waits_for_room")
    site.proxy.clear()
    for number in range(3):
        site.wait_until_done(f"turn-{number}")
    assert len(site.reasons()) == before


def test_a_disk_that_fills_up_under_a_download_costs_nothing_but_time(site: Site) -> None:
    before = len(site.reasons())
    site.proxy.add(Rule(Fault.TRICKLE, method="GET", path=r"/users/a", keep_bytes=4096, seconds=1))
    site.analyse("cut", "users/a.wav")
    assert eventually(lambda: site.left_behind(), within_s=WITHIN_S)
    assert eventually(lambda: [*site.root.glob("waveflow-task-*/stem")])
    filler = site.disk.fill()
    site.proxy.clear()
    site.wait_until_put_off(before + 1, "No space left on device")
    assert eventually(lambda: site.left_behind() == [])
    filler.unlink()
    site.wait_until_done("cut")


def test_a_result_that_does_not_fit_leaves_nothing_and_is_made_later(site: Site) -> None:
    before = len(site.reasons())
    filler = site.disk.fill(leave_bytes=3 * MIB)
    site.mix("dense", "users/dense.mp3")
    site.wait_until_put_off(before + 1, "No space left on device")
    assert eventually(lambda: site.left_behind() == [])
    # The nameless file of the sum has gone as well.
    assert eventually(lambda: site.disk.free_bytes >= 3 * MIB - 64 * 1024)
    filler.unlink()
    site.wait_until_done("dense")
    assert site.worker.logged("compute_process_died") == []


def test_a_disk_that_turns_read_only_is_waited_for(site: Site) -> None:
    before = len(site.reasons())
    site.disk.set_writable(False)
    try:
        site.analyse("read-only", "users/small.wav")
        site.wait_until_put_off(before + 1, "Read-only file system")
        # Hashes need no disk.
        site.deployment.task(
            "generate_hash_and_webhook", stemId="hashed", filepath="users/small.wav"
        )
        assert eventually(lambda: site.deployment.bodies("/hash-check"), within_s=WITHIN_S), (
            site.worker.text()
        )
    finally:
        site.disk.set_writable(True)
    site.wait_until_done("read-only")


def test_a_work_folder_that_is_deleted_under_the_worker_is_made_again(site: Site) -> None:
    shutil.rmtree(site.root)
    site.analyse("again", "users/small.wav")
    site.wait_until_done("again")
    assert (site.root.stat().st_mode & 0o777) == 0o700


def test_a_mix_that_never_fits_the_disk_fails_after_its_tries_and_says_why(site: Site) -> None:
    before = len(site.reasons())
    machine_was_away = len(site.worker.logged("machine_is_away"))
    site.mix("huge", "users/huge.wav")
    assert eventually(lambda: site.told("huge"), within_s=WITHIN_S), site.worker.text()
    site.deployment.wait_until_done()
    [body] = site.told("huge")
    assert (body["status"], body["result"]["code"]) == ("FAILED", "temporarily_unavailable")
    [(_, reason)] = site.deployment.dead_letters()
    assert "too small for this task, which keeps 11.5 MB there" in str(reason)
    assert len(site.reasons()) == before + 1
    # Other work fits: no reason to stop receiving.
    assert len(site.worker.logged("machine_is_away")) == machine_was_away


@pytest.mark.parametrize("trouble", ["read-only", "full"])
def test_a_work_folder_that_can_not_be_used_is_told_at_the_start(
    ministack: AwsServer, tmp_path: Path, trouble: str
) -> None:
    with (
        small_disk(tmp_path / "work", MIB) as disk,
        production(ministack, tmp_path) as deployment,
    ):
        if trouble == "read-only":
            disk.set_writable(False)
        else:
            disk.fill()
        worker = deployment.worker()
        assert worker.exit_code() == 3
        why = "Read-only file system" if trouble == "read-only" else "No space left on device"
        assert f"work_folder: The work folder {disk.path} can't be used ({why})" in worker.text()
        assert "point WAVEFLOW_WORK_DIR at" in worker.text()
        assert worker.logged("worker_started") == []


def test_a_log_that_can_not_be_written_stops_no_work(ministack: AwsServer, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "logs", MIB) as disk,
        production(ministack, tmp_path) as deployment,
    ):
        deployment.upload("users/small.wav", recordings(tmp_path)["users/small.wav"])
        log = disk.path / "worker.log"
        worker = deployment.stack.enter_context(WorkerProcess(deployment.environment(), log))
        worker.wait_until_ready()
        filler = disk.fill()
        # More than fits into what is left of the log's last page.
        for number in range(30):
            deployment.task(
                "process_audio_analysis", stemId=f"s{number}", filepath="users/small.wav"
            )
            deployment.send(f"nonsense {number}")
        deployment.receiver.wait_for(30, WITHIN_S)
        deployment.wait_until_done()
        assert {body["status"] for body in deployment.bodies("/completion")} == {"SUCCESS"}
        filler.unlink()
        deployment.task("health_check")
        worker.wait_for_log("log_lines_lost")
        assert worker.logged("log_lines_lost")[0]["count"] > 0
        assert worker.stop() == 0
