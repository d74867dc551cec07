"""The fault matrix: every call of every use case × everything that can go wrong with it.

    python -m tests.campaigns.fault_matrix [--server moto|ministack] [--only TEXT] [--share 0.2]

Each scenario runs once without a fault; its requests to S3, SQS and the main server are the calls.
Each cell is the same message again, with one of them gone wrong. Ends with 1 if anything isn't
then as if nothing had happened.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from difflib import unified_diff
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NoReturn, TypeVar

import structlog
from attrs import frozen

from tests.campaigns.fault_matrix_faults import (
    SERVICES,
    Call,
    Cell,
    Persistence,
    cells_of,
)
from tests.campaigns.fault_matrix_oracle import Findings, problems_of, problems_of_clean_run
from tests.campaigns.fault_matrix_report import document
from tests.campaigns.fault_matrix_scenarios import SCENARIOS, Scenario
from tests.campaigns.fault_matrix_server import PlainServer
from tests.campaigns.fault_matrix_stage import Play, Stage, Unfinished
from tests.support.aws_servers import AwsServer, ministack_server, moto_server
from tests.support.fault_proxy import Fault
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec

SERVERS: Final = {"moto": moto_server, "ministack": ministack_server}
STAGES: Final = 16
"""Side by side; most of a cell's time is waiting."""

_CLEAN_STAGES: Final = 4
_REPORT_EVERY: Final = 500
_CLEAN_TRIES: Final = 8
_TRIES: Final = 3
_NOT_MET: Final = "the fault was never met"

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@frozen
class Clean:
    """A scenario without a fault: its calls, and what is left behind."""

    scenario: Scenario
    calls: list[Call]
    found: Findings
    problems: list[str]


@frozen
class Judged:
    """A cell, and what wasn't right after it."""

    cell: Cell
    problems: list[str]
    seconds: float


def run_clean(stage: Stage, scenario: Scenario) -> Clean:
    """The scenario without a fault: the first two runs that make the same calls."""
    seen: list[list[Call]] = []
    for _ in range(_CLEAN_TRIES):
        clean = _try_clean(stage, scenario)
        if clean.calls in seen:
            return clean
        seen.append(clean.calls)
    raise AssertionError(f"no two runs make the same calls: {scenario.name}: {seen}")


def _try_clean(stage: Stage, scenario: Scenario) -> Clean:
    with stage.play(scenario) as play:
        play.run()
        calls = play.calls()
        found = Findings.of(play)
    problems = problems_of_clean_run(scenario, found)
    return Clean(scenario, [call for name in SERVICES for call in calls[name]], found, problems)


def run_cell(stage: Stage, cell: Cell, clean: Findings) -> Judged:
    """The scenario with a fault, again if there was another beside it, or none.

    On a machine that is busy enough, requests time out that no rule was about. Two faults at
    once may leave behind what one doesn't.
    """
    for _ in range(_TRIES):
        timeouts, met = stage.timeouts, stage.proxies[cell.call.service].faults[Fault.STALL]
        judged = _try_cell(stage, cell, clean)
        stalls = stage.proxies[cell.call.service].faults[Fault.STALL] - met
        disturbed = stage.timeouts - timeouts > stalls or _NOT_MET in judged.problems
        if not judged.problems or not disturbed:
            break
    return judged


def _try_cell(stage: Stage, cell: Cell, clean: Findings) -> Judged:
    began_s = time.monotonic()
    proxy = stage.proxies[cell.call.service]
    met_before = proxy.faults[cell.kind.fault]
    try:
        with stage.play(cell.scenario) as play:
            _run_faulty(play, cell)
            met = proxy.faults[cell.kind.fault] - met_before
            problems = problems_of(cell, clean, Findings.of(play))
        if not met:
            problems.append(_NOT_MET)
    except Unfinished as error:
        problems = [str(error)]
    except Exception:
        problems = [traceback.format_exc()]
    return Judged(cell, problems, time.monotonic() - began_s)


def _run_faulty(play: Play, cell: Cell) -> None:
    proxy = play.stage.proxies[cell.call.service]

    met_before = proxy.faults[cell.kind.fault]

    def went() -> None:
        was_met = proxy.faults[cell.kind.fault] > met_before
        if was_met and cell.persistence in (Persistence.DELIVERY, Persistence.OUTAGE):
            proxy.clear()

    play.run(begun=lambda: proxy.add(cell.rule), went=went)


def side_by_side(
    stages: Sequence[Stage], items: Sequence[_Item], work: Callable[[Stage, _Item], _Result]
) -> Iterator[_Result]:
    """Each stage takes the next item when it is free. Results come as they are ready."""
    free: SimpleQueue[Stage] = SimpleQueue()
    for stage in stages:
        free.put(stage)

    def on_a_free_stage(item: _Item) -> _Result:
        stage = free.get()
        try:
            return work(stage, item)
        finally:
            free.put(stage)

    with ThreadPoolExecutor(len(stages)) as pool:
        for done in as_completed([pool.submit(on_a_free_stage, item) for item in items]):
            yield done.result()


@contextmanager
def stages_on(server: AwsServer, count: int) -> Iterator[list[Stage]]:
    """Stages that share the server and the decoders; nothing is left of them afterwards."""
    before = set(threading.enumerate())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        codec = stack.enter_context(IsolatedCodec(SoundfileCodec()))
        stages = [
            Stage(PlainServer(server.endpoint_url), folder / str(number), codec)
            for number in range(count)
        ]
        yield [stack.enter_context(stage) for stage in stages]
    left = [thread for thread in threading.enumerate() if thread not in before]
    assert not left, f"threads are left: {left}"


def _drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.fault_matrix",
        description="Every call of every use case, with everything that can go wrong with it.",
    )
    parser.add_argument("--server", choices=SERVERS, default="ministack")
    parser.add_argument("--seed", type=int, default=1, help="of the share, and of the order")
    parser.add_argument("--share", type=float, default=1.0, help="of the cells; 0 for none")
    parser.add_argument("--part", type=_part, default=(1, 1), help="1/2 for every other cell")
    parser.add_argument(
        "--only", default="", help="cells whose name has this, a regular expression"
    )
    parser.add_argument("--stages", type=int, default=STAGES, help="cells at a time")
    parser.add_argument("--write", type=Path, help="write the page about the matrix there")
    parser.add_argument("--check", type=Path, help="fail unless the page there is that")
    parser.add_argument("--verbose", action="store_true", help="with the log of the worker")
    return parser.parse_args(arguments)


def _part(text: str) -> tuple[int, int]:
    part, parts = map(int, text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it. Returns 0 when all is well."""
    options = _options(arguments)
    if not options.verbose:
        structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    with SERVERS[options.server]() as server, stages_on(server, options.stages) as stages:
        cleans = _run_all_clean(stages, options.server)
        problems = sum(len(clean.problems) for clean in cleans)
        problems += _compare_page(cleans, options)
        problems += _run_cells(stages, cleans, options)
    return 1 if problems else 0


def _run_all_clean(stages: Sequence[Stage], server: str) -> list[Clean]:
    scenarios = [each for each in SCENARIOS if each.plays_on(server)]
    # Few at a time: here a time-out for want of a processor would be a call too many.
    cleans = list(side_by_side(stages[:_CLEAN_STAGES], scenarios, run_clean))
    cleans.sort(key=lambda clean: SCENARIOS.index(clean.scenario))
    for clean in cleans:
        for problem in clean.problems:
            _say(f"BAD {clean.scenario.name}, without a fault: {problem}")
    return cleans


def _compare_page(cleans: Sequence[Clean], options: argparse.Namespace) -> int:
    page = document([(clean.scenario, clean.calls) for clean in cleans])
    if options.write:
        options.write.write_text(page)
    if options.check is None or options.check.read_text() == page:
        return 0
    difference = unified_diff(
        options.check.read_text().splitlines(), page.splitlines(), "the page", "the matrix", n=0
    )
    _say(f"BAD {options.check} isn't about this matrix; write it anew with --write:")
    _say("\n".join(difference))
    return 1


def _run_cells(
    stages: Sequence[Stage], cleans: Sequence[Clean], options: argparse.Namespace
) -> int:
    chance = random.Random(options.seed)
    found = {clean.scenario.name: clean.found for clean in cleans}
    cells = [cell for clean in cleans for cell in cells_of(clean.scenario, clean.calls)]
    cells = [
        cell
        for cell in cells
        if re.search(options.only, cell.name) and chance.random() < options.share
    ]
    chance.shuffle(cells)
    part, parts = options.part
    cells = cells[part - 1 :: parts]
    began_s = time.monotonic()
    bad = 0
    judgements = side_by_side(
        stages, cells, lambda stage, cell: run_cell(stage, cell, found[cell.scenario.name])
    )
    for done, judged in enumerate(judgements, 1):
        if done % _REPORT_EVERY == 0:
            _say(f"{done} of {len(cells)} cells, {bad} bad, {time.monotonic() - began_s:.0f} s")
        if judged.problems:
            bad += 1
            _say(f"BAD {judged.cell.name} ({judged.seconds:.1f} s)")
            _say("".join(f"    {problem}\n" for problem in judged.problems))
    calls = sum(len(clean.calls) for clean in cleans)
    counts = Counter(cell.persistence.value for cell in cells)
    for persistence in Persistence:
        _say(f"{counts[persistence.value]:6,} {persistence.value}")
    _say(
        f"{options.server}, seed {options.seed}: {len(cleans)} scenarios, {calls} calls,"
        f" {len(cells)} cells, {bad} bad, in {time.monotonic() - began_s:.0f} s"
    )
    return bad


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
