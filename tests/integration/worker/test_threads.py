"""No thread of a worker can end in silence: each is killed in turn, in a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.aws_servers import AwsServer
from tests.support.http_exchange import Answer
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

SABOTEUR = Path(__file__).parents[2] / "support" / "saboteur"
SETTINGS = {
    "WAVEFLOW_SLOTS": "1",
    "WAVEFLOW_SWEEP_INTERVAL_S": "1",
    # numpy's OpenBLAS would have threads that nothing here ever uses.
    "OPENBLAS_NUM_THREADS": "1",
}
SHORT_LIVED = {"beat", "webhook-name-lookup"}
"""One for each request: who waits for them notices their end, and goes on without them."""
STUCK_S = 30.0
"""A thread hears of its death only when it does something."""


def sabotaged(deployment: Production, folder: Path) -> WorkerProcess:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return deployment.worker(SABOTAGE=str(folder), PYTHONPATH=str(SABOTEUR)).wait_until_ready()


def names(folder: Path) -> list[str]:
    path = folder / "threads"
    return path.read_text().splitlines() if path.exists() else []


def kill(folder: Path, name: str) -> None:
    (folder / "draft").write_text(name)
    (folder / "draft").rename(folder / "kill")
    assert eventually(lambda: not (folder / "kill").exists())


def seen_at_work(deployment: Production, folder: Path) -> set[str]:
    """The names of all threads that are there while a message is worked on."""
    seen: set[str] = set()

    def is_told() -> bool:
        seen.update(names(folder))
        return bool(deployment.receiver.requests()) and deployment.depth() == (0, 0)

    deployment.upload("users/u1/a.wav", b"sound")
    deployment.receiver.next(Answer(delay_s=3))  # Longer than the heartbeat rests.
    deployment.task("generate_hash_and_webhook", stemId="s1", filepath="users/u1/a.wav")
    assert eventually(is_told)
    return seen


def test_whichever_thread_of_a_worker_ends_the_worker_ends_and_says_so(
    ministack: AwsServer, tmp_path: Path
) -> None:
    folder = tmp_path / "sabotage"
    with production(ministack, tmp_path, **SETTINGS) as deployment:
        worker = sabotaged(deployment, folder)
        # Those that are there when nothing is to be done: who comes and goes with a request is
        # told apart by that.
        assert eventually(lambda: "slot-1" in names(folder))
        threads = sorted(set(names(folder)) - {"MainThread"})
        # The system knows of no more: the main thread, these, and the saboteur.
        assert len(list(Path(f"/proc/{worker.pid}/task").iterdir())) == len(threads) + 2
        assert seen_at_work(deployment, folder) - set(threads) <= {"MainThread"} | SHORT_LIVED
        assert worker.stop() == 0
        assert threads == ["heartbeat", "log", "poller", "slot-1", "sweeper"]
        for name in threads:
            worker = sabotaged(deployment, folder)
            assert eventually(lambda: name in names(folder))  # noqa: B023 (called at once)
            kill(folder, name)
            deployment.send("nonsense")  # Whoever waits for something to do has it now.
            assert worker.exit_code(worker.processes(), within_s=STUCK_S) == 1, name
            if name != "log":
                assert {line["thread"] for line in ended(worker)} == {name}
            deployment.sqs.purge_queue(QueueUrl=deployment.queues.url)


def ended(worker: WorkerProcess) -> list[dict[str, str]]:
    return worker.logged("thread_ended_unexpectedly") + worker.logged("thread_is_missing")
