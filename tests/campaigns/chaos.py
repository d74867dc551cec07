"""Chaos: a workflow under which everything dies and faults, and at the end all of it is right.

`python -m tests.campaigns.chaos [--seed N] [--messages 300] [--kills 25]` plays musicians and
main server, kills the worker and its children with SIGKILL at random moments, lets a tenth of all
calls to S3, to SQS and to the server go wrong, and then compares everything that is left with what
has to be. It prints its seed first, a table at the end, and every promise that was broken; its
exit code is 1 if one was.

The workers run with MAX_RETRIES=8 and not with the default of 3: a try is a receive, as the
queue counts them, and each kill costs all that is held one, on top of what faults cost.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import Factory, define, frozen

from tests.campaigns.chaos_cast import Cast, Stem, make_cast
from tests.campaigns.chaos_faults import Weather, weather
from tests.campaigns.chaos_killer import Killer, TooManyLives
from tests.campaigns.chaos_oracle import Oracle
from tests.campaigns.chaos_reference import Reference
from tests.campaigns.chaos_server import SECRET, MainServer
from tests.support.aws_servers import AwsServer, ministack_server, moto_server
from tests.support.fault_proxy import Fault
from tests.support.http_exchange import Replied
from tests.support.processes import eventually
from tests.support.production import Production, production

_DRAINED_S = 300.0
_ALMOST_DONE = 3
_AN_HOUR_S = 3600.0
MAX_RETRIES = 8
"""Of 300 messages some lose three or four receives to deaths in two minutes. With the retries of
the default the next fault is then their last."""
_USUAL_RETRIES = 3
_LIVES_PER_KILL = 20
_SERVERS = {"ministack": ministack_server, "moto": moto_server}


@frozen
class Plan:
    """How much of what."""

    seed: int
    messages: int = 300
    kills: int = 25
    fault_share: float = 0.1
    max_retries: int = MAX_RETRIES


@define
class Findings:
    """What came of it."""

    violations: list[str] = Factory(list)
    table: list[tuple[str, str]] = Factory(list)

    def row(self, what: str, figure: object) -> None:
        """Add a line to the table; a counter is written out."""
        if isinstance(figure, Counter):
            pairs = sorted(figure.items(), key=lambda pair: str(pair[0]))
            figure = ", ".join(f"{name} {count}" for name, count in pairs)
        self.table.append((what, str(figure)))


@define
class Aftermath:
    """What is left of it, for as long as bucket and queues are there.

    Attributes:
        findings: what came of it.
    """

    server: MainServer
    killer: Killer
    findings: Findings = Factory(Findings)
    _parked: list[tuple[str, str | None]] = Factory(list)

    def judge(self) -> Oracle:
        """Compare what is left now with what has to be."""
        deployment = self.server.production
        self._parked += deployment.dead_letters()
        oracle = Oracle(
            self.server,
            Reference(deployment.folder / "reference"),
            [life.whole_log() for life in self.killer.lives],
            self._parked,
        )
        oracle.judge()
        if deployment.depth() != (0, 0):
            oracle.violations.append(f"the queue holds {deployment.depth()}")
        return oracle


@contextmanager
def chaos(plan: Plan, server: AwsServer, folder: Path) -> Iterator[Aftermath]:
    """Let it happen on a bucket and queues of its own; `folder` is empty and stays behind."""
    for name in ("studio", "reference"):
        (folder / name).mkdir()
    cast = make_cast(plan.messages, random.Random(plan.seed), folder / "studio")
    with (
        production(
            server,
            folder,
            WAVEFLOW_WEBHOOK_SECRET=SECRET,
            MAX_RETRIES=str(plan.max_retries),
        ) as deployment,
        weather(deployment, plan.seed) as sky,
    ):
        main_server = MainServer(deployment, cast, random.Random(plan.seed + 1))
        deployment.receiver.behave(Replied(main_server.reply))
        chance = random.Random(plan.seed + 2)
        environment = deployment.environment() | sky.environment()
        killer = Killer(environment, folder, chance, _LIVES_PER_KILL * plan.kills)
        aftermath = Aftermath(main_server, killer)
        _happen(plan, cast, sky, aftermath)
        yield aftermath


def _happen(plan: Plan, cast: Cast, sky: Weather, aftermath: Aftermath) -> None:
    server, killer, findings = aftermath.server, aftermath.killer, aftermath.findings
    started_s = time.monotonic()
    try:
        _rage(plan, cast, server, sky, killer)
        raged_s = time.monotonic() - started_s
        _calm_down(server, sky, killer, findings)
        drained_s = time.monotonic() - started_s
        _sweep(server.production, killer, findings)
    except TooManyLives as error:
        findings.violations += [str(error), *killer.violations]
        return
    finally:
        killer.close()
    if processes := _processes_in(server.production.folder):
        findings.violations.append(f"processes that are left: {processes}")
    oracle = aftermath.judge()
    findings.violations += killer.violations + oracle.violations
    for note, count in oracle.notes.items():
        findings.row(note, count)
    _count(plan, server, sky, killer, findings)
    findings.row(
        "seconds",
        f"{raged_s:.0f} of chaos, {drained_s - raged_s:.0f} to drain,"
        f" {time.monotonic() - started_s:.0f} in all",
    )


def _rage(plan: Plan, cast: Cast, server: MainServer, sky: Weather, killer: Killer) -> None:
    """Uploads come while the worker dies again and again."""
    sky.turn_bad(plan.fault_share)
    fed = 0
    # What ended by itself, or before it was killed, doesn't count.
    while killer.kills["worker"] < plan.kills:
        due = len(cast.steps) * (killer.kills["worker"] + 1) // plan.kills
        for step in cast.steps[fed:due]:
            if isinstance(step, Stem):
                server.upload(step)
            else:
                server.send(step)
        fed = due
        killer.live_and_die()


def _calm_down(server: MainServer, sky: Weather, killer: Killer, findings: Findings) -> None:
    """A last worker does what is left, first in bad weather still, and ends in order."""
    last = killer.ready_worker()
    eventually(lambda: sum(server.production.depth()) <= _ALMOST_DONE, within_s=_DRAINED_S)
    sky.clear_up()
    server.healthy = True
    # A stalled request of the dead may still act, and bring a message: hence twice.
    for _ in range(2):
        if not eventually(lambda: server.production.depth() == (0, 0), within_s=_DRAINED_S):
            findings.violations.append(f"not drained: {server.production.depth()}")
            return
        time.sleep(1.0)
    if last.ended() is not None:
        findings.violations.append(f"the last worker ended by itself with {last.ended()}")
    elif (code := last.process.stop()) != 0:
        findings.violations.append(f"the last worker ended with {code}")


def _sweep(deployment: Production, killer: Killer, findings: Findings) -> None:
    """The dead leave work files; a worker that starts an hour later removes them."""
    left = deployment.work_files()
    findings.row("work files left by the dead, before the sweep", len(left))
    then_s = time.time() - _AN_HOUR_S
    for path in left:
        os.utime(path, (then_s, then_s))
    worker = killer.ready_worker(WAVEFLOW_SWEEP_INTERVAL_S="1")
    if not eventually(lambda: not deployment.work_files(), within_s=30.0):
        findings.violations.append(f"work files that stay: {deployment.work_files()}")
    if (code := worker.process.stop()) != 0:
        findings.violations.append(f"the sweeping worker ended with {code}")
    if worker.log.count("task_started"):
        findings.violations.append("there was still work to do after the queue was empty")


def _processes_in(folder: Path) -> list[str]:
    """Whatever still runs in the folder in which all workers were started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # It has ended meanwhile, or is somebody else's.
    return found


def _count(
    plan: Plan, server: MainServer, sky: Weather, killer: Killer, findings: Findings
) -> None:
    findings.row("messages", len(server.sent))
    if len(server.sent) < plan.messages:
        findings.violations.append(f"only {len(server.sent)} messages came of it")
    findings.row("  by kind", Counter(sent.kind.value for sent in server.sent.values()))
    stems = server.cast.stems.values()
    findings.row("  uploads", Counter(stem.role.value for stem in stems))
    findings.row("kills", killer.kills)
    for name, (calls, faults) in sky.faults.items():
        kinds = Counter({fault.name.lower(): count for fault, count in faults.items()})
        findings.row(
            f"faults of {name}", f"{faults.total()} of {calls} calls, {_share(faults, calls)}"
        )
        findings.row("  by kind", ", ".join(f"{k} {n}" for k, n in sorted(kinds.items())))
    findings.row("faults of the main server", server.faults)
    findings.row(
        f"retries {plan.max_retries}:",
        f"a try is a receive, and kills burn receives; the default is {_USUAL_RETRIES}",
    )
    receives: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    late = 0
    for life in killer.lives:
        for line in life.log.read():
            if line.get("event") == "task_started":
                receives[line["message_id"]] = max(receives[line["message_id"]], line["attempt"])
            elif line.get("event") == "task_ended":
                outcomes[line["outcome"]] += 1
            elif line.get("event") == "task_interrupted":
                late += line["receive_count"] > _USUAL_RETRIES
    findings.row("receives per message", Counter(receives.values()))
    findings.row(f"failures after more than {_USUAL_RETRIES} receives", late)
    findings.row("tasks that came to an end", outcomes)
    findings.row("webhooks", f"{len(server.told)}, of {len({t.event_id for t in server.told})} ids")
    findings.row("workers", len(killer.lives))


def _share(faults: Counter[Fault], calls: int) -> str:
    return f"{faults.total() / max(calls, 1):.1%}"


def _print(findings: Findings) -> None:
    for what, figure in findings.table:
        sys.stdout.write(f"{what:<45} {figure}\n")
    for violation in findings.violations:
        sys.stdout.write(f"BROKEN: {violation}\n")
    verdict = f"{len(findings.violations)} promises broken" if findings.violations else "all right"
    sys.stdout.write(f"{verdict}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, prog="chaos")
    parser.add_argument("--seed", type=int, default=None, help="what happens when; else random")
    parser.add_argument("--messages", type=int, default=300, help="at least so many")
    parser.add_argument("--kills", type=int, default=25, help="of the worker's main process")
    parser.add_argument("--fault-share", type=float, default=0.1, help="of all calls")
    parser.add_argument("--max-retries", type=int, default=MAX_RETRIES, help="the workers' setting")
    parser.add_argument("--server", choices=sorted(_SERVERS), default="ministack")
    parser.add_argument("--keep", type=Path, help="a new folder for the workers' logs")
    chosen = parser.parse_args(arguments)
    seed = random.SystemRandom().getrandbits(32) if chosen.seed is None else chosen.seed
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    plan = Plan(seed, chosen.messages, chosen.kills, chosen.fault_share, chosen.max_retries)
    with _SERVERS[chosen.server]() as server, tempfile.TemporaryDirectory() as scratch:
        folder = chosen.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with chaos(plan, server, folder.resolve()) as aftermath:
            findings = aftermath.findings
    _print(findings)
    return 1 if findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())
