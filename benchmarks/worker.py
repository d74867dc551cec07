"""The worker as a whole: processor time per message, memory under load, time to start.

`python -m benchmarks.worker [--messages 200]` prints the figures. Worker, S3 and SQS server and
main server are processes of their own, on loopback; only the worker's are looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from attrs import asdict, frozen

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer, ministack_server, moto_server
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.proxied import Proxied, proxied
from tests.support.worker_process import WorkerProcess
from waveflow.application.ports import MAX_BATCH

SERVERS = {"ministack": ministack_server, "moto": moto_server}
RATE_HZ = 44_100
STEM_S = 30.0
"""16-bit stereo: 5.3 MB."""
MIXED_STEMS = 4
WARM_MESSAGES = 20
PATIENCE_S = 300.0
_MIB = 1024**2
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@frozen
class Cost:
    """What messages of one kind cost.

    Attributes:
        cpu_ms: processor time per message, of the worker and all that it started.
        parent_ms: the same of the main process alone.
        children_ms: the rest: fork server and compute processes.
        wall_ms: wall time per message, with all slots busy.
    """

    cpu_ms: float
    parent_ms: float
    children_ms: float
    wall_ms: float


@frozen
class Memory:
    """Largest memory of the whole tree of processes that was seen, in MB of 1024² bytes.

    Attributes:
        pss_mb: proportional set size: shared pages are counted once.
        rss_mb: resident set: shared pages are counted once for each process.
        parent_mb: resident set of the main process.
    """

    pss_mb: float
    rss_mb: float
    parent_mb: float


def measure(
    messages: int = 200, server: str = "ministack", starts: int = 3, folder: Path | None = None
) -> dict[str, Any]:
    """All figures, in a form that goes into JSON.

    Args:
        messages: of each kind.
        server: what speaks S3 and SQS: ministack or moto.
        starts: the time to start is the median of as many.
        folder: where files may lie; None for a temporary one.
    """
    with SERVERS[server]() as aws, _folder(folder) as room:
        stem = write_audio(room / "stem.wav", _music(), RATE_HZ, kind="wav-16")
        return {
            "messages": messages,
            "server": server,
            "start_s": round(start_s(aws, room, starts), 3),
            "ingest": asdict(cost(aws, room, stem, ingest, messages)),
            "ingest_alone": asdict(cost_alone(aws, room, stem, ingest, messages)),
            "analysis": asdict(cost(aws, room, stem, analysis, messages)),
            "analysis_alone": asdict(cost_alone(aws, room, stem, analysis, messages)),
            "idle": asdict(idle_memory(aws, room)),
            "loaded": asdict(loaded_memory(aws, room, stem, messages)),
        }


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=given) as made:
        yield Path(made).resolve()


def _music() -> Any:
    return tone(int(STEM_S * RATE_HZ), 2, RATE_HZ, seed=1)


Task = Callable[[int], dict[str, Any]]
"""A number that tells messages apart -> the message."""


def ingest(number: int) -> dict[str, Any]:
    """Asks for the hash of the stem, in a track of its own: nobody has claimed the content."""
    return _message(
        "generate_hash_and_webhook",
        stemId=f"i{number}",
        userId="u",
        trackId=f"t{number}",
        filepath=_key(0),
        timestamp="2025-07-16T07:39:22Z",
        original_filename="stem.wav",
    )


def analysis(number: int) -> dict[str, Any]:
    """Asks for the stem's waveform."""
    return _message(
        "process_audio_analysis",
        stemId=f"a{number}",
        userId="u",
        trackId="t",
        filepath=_key(0),
        timestamp="2025-07-16T07:39:22Z",
        original_filename="stem.wav",
    )


def mix(number: int) -> dict[str, Any]:
    """Asks for a mix of a few stems."""
    return _message(
        "mix_stems_and_upload",
        stageId=f"m{number}",
        upstreamId="up",
        stem_paths=[_key(index) for index in range(MIXED_STEMS)],
    )


def _message(task: str, **fields: Any) -> dict[str, Any]:
    return {"task": f"app.tasks.{task}", "id": "x", "args": [], "kwargs": fields}


def _key(index: int) -> str:
    return f"users/u/projects/p/stems/{index}.wav"


def cost(
    server: AwsServer,
    folder: Path,
    stem: Path,
    task: Task,
    messages: int,
    *,
    warm: int = WARM_MESSAGES,
    **settings: str,
) -> Cost:
    """Have one worker carry out so many messages, which lie on the queue when it is measured.

    Args:
        warm: how many it carries out before, which don't count.
    """
    return _cost(server, folder, stem, task, messages, _send_all, settings, warm=warm)


def cost_alone(
    server: AwsServer, folder: Path, stem: Path, task: Task, messages: int, **settings: str
) -> Cost:
    """The same with messages that come one by one: nothing is received or deleted together."""
    return _cost(server, folder, stem, task, messages, _send_one_by_one, settings)


Feed = Callable[[Production, Sequence[dict[str, Any]]], object]


def _cost(
    server: AwsServer,
    folder: Path,
    stem: Path,
    task: Task,
    messages: int,
    feed: Feed,
    settings: Mapping[str, str],
    *,
    warm: int = WARM_MESSAGES,
) -> Cost:
    with _deployed(server, folder, stem, **settings) as deployment:
        worker = deployment.worker().wait_until_ready()
        _carry_out(deployment, feed, [task(number) for number in range(warm)])
        before, began_s = _cpu_s(worker), time.monotonic()
        numbers = range(warm, warm + messages)
        _carry_out(deployment, feed, [task(number) for number in numbers])
        after, ended_s = _cpu_s(worker), time.monotonic()
        _require_good(deployment, worker)
    parent_s, tree_s = (b - a for a, b in zip(before, after, strict=True))
    return Cost(
        *(
            round(seconds / messages * 1000, 2)
            for seconds in (tree_s, parent_s, tree_s - parent_s, ended_s - began_s)
        )
    )


def _carry_out(deployment: Production, feed: Feed, tasks: Sequence[dict[str, Any]]) -> None:
    done = len(deployment.receiver.requests()) + len(tasks)
    feed(deployment, tasks)
    deployment.receiver.wait_for(done, PATIENCE_S)
    deployment.wait_until_done(PATIENCE_S)


def _send_all(deployment: Production, tasks: Sequence[dict[str, Any]]) -> None:
    for first in range(0, len(tasks), MAX_BATCH):
        deployment.sqs.send_message_batch(
            QueueUrl=deployment.queues.url,
            Entries=[
                {"Id": str(number), "MessageBody": json.dumps(task)}
                for number, task in enumerate(tasks[first : first + MAX_BATCH])
            ],
        )


def _send_one_by_one(deployment: Production, tasks: Sequence[dict[str, Any]]) -> None:
    for task in tasks:
        done = len(deployment.receiver.requests())
        deployment.send(task)
        deployment.receiver.wait_for(done + 1, PATIENCE_S)


@contextmanager
def _deployed(server: AwsServer, folder: Path, stem: Path, **settings: str) -> Iterator[Production]:
    place = Path(tempfile.mkdtemp(dir=folder))
    production_settings = {
        "WAVEFLOW_POLL_WAIT_S": "20",
        "WAVEFLOW_VISIBILITY_TIMEOUT_S": "60",
    }
    with production(server, place, **production_settings | settings) as deployment:
        for index in range(MIXED_STEMS):
            deployment.upload(_key(index), stem)
        yield deployment


def _require_good(deployment: Production, worker: WorkerProcess) -> None:
    """A figure of work that went wrong is none."""
    bad = [line for line in worker.lines() if line.get("level") in ("warning", "error", "critical")]
    bad = [line for line in bad if line["event"] not in _EXPECTED]
    if bad:
        raise AssertionError(f"{len(bad)} warnings, the first: {bad[0]}")


_EXPECTED = ("work_folder_is_small", "audio_hash_differs", "compute_processes_not_confined")


def idle_memory(server: AwsServer, folder: Path) -> Memory:
    """What a worker takes that has just started."""
    stem = folder / "stem.wav"
    with _deployed(server, folder, stem) as deployment:
        return _memory(deployment.worker().wait_until_ready())


def loaded_memory(server: AwsServer, folder: Path, stem: Path, messages: int) -> Memory:
    """The most that a worker takes while hashes, analyses and mixes keep its 8 slots busy."""
    seen: list[Memory] = []
    with _deployed(server, folder, stem) as deployment:
        worker = deployment.worker().wait_until_ready()
        _send_all(
            deployment,
            [(ingest, analysis, mix)[number % 3](number) for number in range(messages)],
        )

        def all_done() -> bool:
            seen.append(_memory(worker))
            return len(deployment.receiver.requests()) >= messages

        if not eventually(all_done, within_s=PATIENCE_S):
            raise AssertionError("the messages are not all done in time")
        _require_good(deployment, worker)
    return Memory(*(max(column) for column in zip(*map(_figures, seen), strict=True)))


def _figures(memory: Memory) -> tuple[float, ...]:
    return (memory.pss_mb, memory.rss_mb, memory.parent_mb)


def start_s(server: AwsServer, folder: Path, starts: int) -> float:
    """Seconds from starting the program until the server has its first ReceiveMessage.

    The kernels are in their cache: a first start, which isn't counted, puts them there.
    """
    taken: list[float] = []
    for number in range(starts + 1):
        with _started(server, folder) as rig:
            began_s = time.monotonic()
            rig.deployment.worker(**rig.proxies())
            rig.sqs.wait_for(
                lambda seen: any("ReceiveMessage" in str(each) for each in seen), PATIENCE_S
            )
            if number:
                taken.append(time.monotonic() - began_s)
    return median(taken)


@contextmanager
def _started(server: AwsServer, folder: Path) -> Iterator[Proxied]:
    place = Path(tempfile.mkdtemp(dir=folder))
    with proxied(Proxied, server, place) as rig:
        yield rig


def _cpu_s(worker: WorkerProcess) -> tuple[float, float]:
    """Processor time so far of the main process, and of the whole tree.

    What ended is counted with its parent, which has waited for it.
    """
    parent_s = _cpu_s_of(worker.pid, with_ended=False)
    return parent_s, sum(_cpu_s_of(pid, with_ended=True) for pid in worker.processes())


def _cpu_s_of(pid: int, *, with_ended: bool) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15] if with_ended else fields[11:13])) / _TICKS_PER_S


def _memory(worker: WorkerProcess) -> Memory:
    pids = worker.processes()
    return Memory(
        round(sum(_rollup_mb(pid, "Pss") for pid in pids), 1),
        round(sum(_rollup_mb(pid, "Rss") for pid in pids), 1),
        round(_rollup_mb(worker.pid, "Rss"), 1),
    )


def _rollup_mb(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # It has ended meanwhile.
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")) / _MIB


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all figures as JSON; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, prog="worker")
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--server", choices=sorted(SERVERS), default="ministack")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.messages, chosen.server, chosen.starts)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
