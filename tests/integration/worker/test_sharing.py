"""Several workers on one queue, and long work beside short."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.production import production

pytestmark = pytest.mark.slow

SONG = "users/u1/song.flac"


def test_two_workers_share_a_queue_and_do_nothing_twice(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with production(ministack, tmp_path) as deployment:
        deployment.upload(SONG, write_audio(tmp_path / "a", tone(44_100), kind="flac-16"))
        workers = [deployment.worker().wait_until_ready() for _ in range(2)]
        for number in range(30):
            fields = {"stemId": f"s{number}", "filepath": SONG, "trackId": f"t{number}"}
            deployment.task("generate_hash_and_webhook", **fields)
            deployment.task("process_audio_analysis", **fields)
        deployment.task("mix_stems_and_upload", stageId="g1", stem_paths=[SONG, SONG])
        deployment.receiver.wait_for(61, 90)
        deployment.wait_until_done()
        requests = deployment.receiver.requests()
        assert len(requests) == len({each.headers["webhook-id"] for each in requests}) == 61
        assert {each.json()["status"] for each in requests} == {"SUCCESS", "hash_generated"}
        started = [worker.logged("task_started") for worker in workers]
        assert all(started)
        assert sum(map(len, started)) == 61
        # The song, 30 claims, 30 waveforms, the mix and its waveform.
        assert len(deployment.stored()) == 63
        assert [worker.stop() for worker in workers] == [0, 0]


def test_a_burst_of_mixes_does_not_keep_hashes_waiting_behind_all_of_them(
    ministack: AwsServer, tmp_path: Path
) -> None:
    mixes, hashes = 50, 10
    with production(ministack, tmp_path) as deployment:
        song = write_audio(tmp_path / "a", tone(20 * 44_100), kind="flac-16")
        deployment.upload(SONG, song)
        for number in range(mixes):
            deployment.task("mix_stems_and_upload", stageId=f"g{number}", stem_paths=[SONG] * 4)
        for number in range(hashes):
            deployment.task("generate_hash_and_webhook", stemId=f"s{number}", filepath=SONG)
        worker = deployment.worker().wait_until_ready()
        deployment.receiver.wait_for(mixes + hashes, 120)
        deployment.wait_until_done()
        paths = [each.path for each in deployment.receiver.requests()]
        last_hash = max(i for i, path in enumerate(paths) if path == "/hash-check")
        mixes_before = paths[:last_hash].count("/mixing-complete")
        assert mixes_before <= mixes // 4, f"{mixes_before} of {mixes} mixes came first"
        assert worker.stop() == 0
