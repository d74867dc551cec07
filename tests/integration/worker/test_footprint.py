"""What a worker takes of its machine, idle and under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.processes import eventually
from tests.support.production import production
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

MOST_MB = 700.0
DECODES = ("numba", "llvmlite", "/scipy/", "sndfile", "soxr", "libav")
"""What decodes or compiles: the main process, which holds the credentials, needs none of it."""


def resident_mb(worker: WorkerProcess) -> float:
    """Of all its processes; pages that several share are counted once for each."""
    total_kb = 0
    for pid in worker.processes():
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue  # It has ended meanwhile.
        total_kb += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total_kb / 1024


def mapped(pid: int) -> set[str]:
    """The files of which code is loaded."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split(maxsplit=5)[5] for line in lines if len(line.split()) > 5}


def test_eight_slots_under_load_stay_within_their_memory_and_decode_nothing_themselves(
    ministack: AwsServer, tmp_path: Path
) -> None:
    stem = write_audio(tmp_path / "stem.wav", tone(60 * 44_100, 2, seed=1), kind="wav-24")
    keys = [f"users/u/projects/p/stems/{number}.wav" for number in range(4)]
    seen_mb: list[float] = []
    with production(ministack, tmp_path, WAVEFLOW_SLOTS="8") as deployment:
        for key in keys:
            deployment.upload(key, stem)
        worker = deployment.worker().wait_until_ready()
        for number in range(8):
            deployment.task(
                "mix_stems_and_upload", stageId=f"m{number}", upstreamId="u", stem_paths=keys
            )
            for task in ("generate_hash_and_webhook", "process_audio_analysis"):
                deployment.task(task, stemId=f"s{number}", trackId="t", filepath=keys[0])

        def all_told() -> bool:
            seen_mb.append(resident_mb(worker))
            return len(deployment.receiver.requests()) >= 24

        assert eventually(all_told, within_s=120)
        loaded = [path for path in mapped(worker.pid) if any(name in path for name in DECODES)]
    assert loaded == []
    assert len(seen_mb) > 10
    assert max(seen_mb) <= MOST_MB
