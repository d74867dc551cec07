"""What messages cost one worker, measured here: `python -m benchmarks.scaling.measure`.

It writes `measured.json`, from which the simulation takes its service times. Worker, S3 and SQS
server and main server are processes on loopback, as in `benchmarks.worker`; what is kept is
processor time, since waiting for servers on loopback says nothing about those of a region.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from benchmarks import audio, formats, machine, worker
from benchmarks.place import ROOT
from benchmarks.worker import Cost, Task
from tests.support.aws_servers import AwsServer, ministack_server

MEASURED = Path(__file__).with_name("measured.json")
COMMAND = "python -m benchmarks.scaling.measure"
RATE_HZ = 44_100
SHORT_S, LONG_S = 30, 190
KINDS = ("wav-16", "wav-24", "flac-16", "mp3", "vorbis")
MANY, FEW = 60, 12


@frozen
class Figure:
    """What messages of one kind cost.

    Attributes:
        task: ingest, analysis or mix; a mix is of `benchmarks.worker.MIXED_STEMS` stems.
        bytes: of one stem.
    """

    task: str
    kind: str
    audio_s: int
    bytes: int
    messages: int
    cost: Cost


def measure(folder: Path, log: Callable[[str], object], share: float = 1.0) -> dict[str, Any]:
    """All figures, in a form that goes into JSON.

    Args:
        folder: for the audio.
        log: told of each figure.
        share: of the messages; less for a trial.
    """
    busy = machine.busy_share()
    with ministack_server() as server:
        figures = [
            _figure(server, folder, *each, share=share, log=log)
            for each in (
                *(("ingest", "wav-16", seconds, MANY) for seconds in (SHORT_S, LONG_S)),
                *(("analysis", kind, s, MANY) for kind in KINDS for s in (SHORT_S, LONG_S)),
                *(("mix", kind, LONG_S, FEW) for kind in ("wav-16", "mp3")),
            )
        ]
    return {
        "command": COMMAND,
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine.description(ROOT),
        "busy_at_the_start": round(busy, 2),
        "mixed_stems": worker.MIXED_STEMS,
        "figures": [asdict(figure) for figure in figures],
    }


_TASKS: dict[str, Task] = {
    "ingest": worker.ingest,
    "analysis": worker.analysis,
    "mix": worker.mix,
}


def _figure(
    server: AwsServer,
    folder: Path,
    task: str,
    kind: str,
    audio_s: int,
    messages: int,
    *,
    share: float,
    log: Callable[[str], object],
) -> Figure:
    path = folder / f"{kind}-{audio_s}"
    if not path.exists():
        samples = audio.stem(0, audio_s, RATE_HZ)
        formats.write(path, samples, RATE_HZ, formats.KINDS[kind], len(samples))
    count = max(int(messages * share), 2)
    cost = worker.cost(server, folder, path, _TASKS[task], count, warm=max(count // 6, 1))
    figure = Figure(task, kind, audio_s, path.stat().st_size, count, cost)
    log(
        f"{task} of {audio_s} s of {kind}, {figure.bytes / 1e6:.1f} MB:"
        f" {cost.parent_ms} + {cost.children_ms} ms"
    )
    return figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, prog=COMMAND)
    parser.add_argument("--json", type=Path, default=MEASURED, help="%(default)s")
    parser.add_argument("--share", type=float, default=1.0, help="of the messages, for a trial")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="waveflow-scaling-") as folder:
        found = measure(Path(folder), _say, chosen.share)
    chosen.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
