"""Soak: a long day's messages through one worker, which has to be the same at the end.

`python -m tests.campaigns.soak [--messages 20000]` prints a line every so many messages, then
what the worker's memory, descriptors, threads and throughput did after the first quarter, and at
last how long stems of a burst wait from upload to waveform. The weather is good: nothing may be
delivered or told twice, and the log holds no warning but of the failures that are wanted. The exit
code is 1 if something grew or went wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from attrs import Factory, define, frozen

from tests.campaigns.soak_feed import Feeder, percentiles
from tests.campaigns.soak_figures import FIFTHS, MOST_CONNECTIONS, Sample, Soaked, take_sample
from tests.campaigns.worker_log import WorkerLog
from tests.support.aws_servers import AwsServer, ministack_server, moto_server
from tests.support.http_exchange import Replied
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

_SERVERS = {"ministack": ministack_server, "moto": moto_server}
_STUCK_S = 120.0
_REST_S = 1.5


@frozen
class Plan:
    """How much of what.

    Attributes:
        backlog: messages that are on their way at any time.
        burst: stems that are uploaded at once, at the end.
        samples: looks at the worker under load.
    """

    messages: int = 20_000
    backlog: int = 120
    burst: int = 200
    samples: int = 80
    seed: int = 1


@define
class Findings:
    """What came of it."""

    soaked: Soaked
    latencies_s: dict[str, float] = Factory(dict)
    problems: list[str] = Factory(list)


def run_soak(
    plan: Plan,
    server: AwsServer,
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
) -> Findings:
    """Feed one worker on a bucket and queues of its own."""
    with production(server, folder, WAVEFLOW_VISIBILITY_TIMEOUT_S="60") as deployment:
        feeder = Feeder(deployment, random.Random(plan.seed))
        feeder.prepare(folder)
        deployment.receiver.behave(Replied(feeder.reply))
        worker = deployment.worker().wait_until_ready()
        say(f"{'':>12} server {server.name}, worker {worker.pid}, {plan}")
        findings = Findings(_Run(plan, feeder, worker, _pid_of(server), say).whole())
        findings.latencies_s = _burst(plan, feeder)
        findings.problems += feeder.wrong
        findings.problems += _end(deployment, worker)
        findings.problems += WorkerLog.of(worker.log).blemishes(feeder.failing)
    return findings


@define
class _Run:
    """The messages, fifth by fifth."""

    plan: Plan
    feeder: Feeder
    worker: WorkerProcess
    server_pid: int
    say: Callable[[str], None]
    samples: list[Sample] = Factory(list)

    def whole(self) -> Soaked:
        """All of them."""
        begun, ended, resting = [], [], []
        for number in range(1, FIFTHS + 1):
            begun.append(self._look("begin"))
            self._until(self.plan.messages * number // FIFTHS)
            ended.append(self._look("end"))
            time.sleep(_REST_S)
            resting.append(self._look("rest"))
        return Soaked(self.samples, begun, ended, resting, self.plan.messages // 4)

    def _until(self, messages: int) -> None:
        """So many are done, and nothing is on its way."""
        feeder, distance = self.feeder, self.plan.messages // self.plan.samples
        done, moved_s = len(feeder.done), time.monotonic()
        while feeder.sent < messages or len(feeder.done) < feeder.sent:
            if len(feeder.done) > done:
                done, moved_s = len(feeder.done), time.monotonic()
            assert time.monotonic() < moved_s + _STUCK_S, f"stuck at {done} of {feeder.sent}"
            # Not those at the end of a fifth: less and less is on its way there.
            if feeder.sent < messages and done >= distance * (len(self.samples) + 1):
                self.samples.append(self._look(""))
            feeder.feed(self.plan.backlog, messages)
            feeder.pass_on()
            feeder.clear_away()
            time.sleep(0.01)

    def _look(self, moment: str) -> Sample:
        sample = take_sample(len(self.feeder.done), self.worker.pid, self.server_pid)
        self.say(f"{moment:<6}{sample}")
        return sample


def _burst(plan: Plan, feeder: Feeder) -> dict[str, float]:
    """Seconds from each upload to its waveform, as percentiles."""
    uploaded_s = feeder.burst(plan.burst)
    deadline_s = time.monotonic() + _STUCK_S
    while uploaded_s.keys() - feeder.finished_s.keys():
        assert time.monotonic() < deadline_s, "the burst doesn't end"
        feeder.pass_on()
        time.sleep(0.002)
    return percentiles([feeder.finished_s[name] - at_s for name, at_s in uploaded_s.items()])


def _end(deployment: Production, worker: WorkerProcess) -> list[str]:
    """What is left that shouldn't be."""
    deployment.wait_until_done()
    problems = []
    if parked := deployment.dead_letters():
        problems.append(f"parked: {parked}")
    if (code := worker.stop()) != 0:
        problems.append(f"the worker ended with {code}")
    if files := deployment.work_files():
        problems.append(f"work files: {files}")
    return problems


def _pid_of(server: AwsServer) -> int:
    """The server's process, which is a child of this one."""
    port = int(server.endpoint_url.rpartition(":")[2])
    for process in psutil.Process().children(recursive=True):
        listening = (each for each in process.net_connections("tcp") if each.status == "LISTEN")
        if any(each.laddr.port == port for each in listening):
            return process.pid
    raise ValueError(f"nothing that was started here listens on port {port}")


def _print(findings: Findings, problems: Sequence[str]) -> None:
    lines = [f"fifth {n}: {fifth}" for n, fifth in enumerate(findings.soaked.fifths(), 1)]
    for name, growth in findings.soaked.growths().items():
        lines.append(f"memory of {name}: {growth:+.1%} after {findings.soaked.settled} messages")
    for name, counts in findings.soaked.counts().items():
        lines.append(f"{name} at rest after each fifth: {counts}")
    connections = [sample.connections for sample in findings.soaked.resting]
    lines.append(f"connections at rest: {connections}, {MOST_CONNECTIONS} at most")
    latencies = ", ".join(f"{n} {s:.2f} s" for n, s in findings.latencies_s.items())
    lines.append(f"from upload to waveform, under a burst: {latencies}")
    lines += [f"BROKEN: {problem}" for problem in problems]
    lines.append(f"{len(problems)} promises broken" if problems else "all right")
    sys.stdout.write("\n".join(lines) + "\n")


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, prog="soak")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--burst", type=int, default=200, help="stems uploaded at once, at the end")
    parser.add_argument("--server", choices=sorted(_SERVERS), default="ministack")
    parser.add_argument(
        "--busy-machine", action="store_true", help="don't judge the throughput, only print it"
    )
    chosen = parser.parse_args(arguments)
    plan = Plan(chosen.messages, burst=chosen.burst)
    with _SERVERS[chosen.server]() as server, tempfile.TemporaryDirectory() as folder:
        findings = run_soak(plan, server, Path(folder).resolve(), _say)
    problems = findings.problems + findings.soaked.problems(judge_speed=not chosen.busy_machine)
    _print(findings, problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
