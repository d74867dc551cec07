"""The same as tables: for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.cases.base import Case, Role, Target
from benchmarks.figures import Spread, spreads
from benchmarks.report import ours_to
from benchmarks.runner import DONE, Result, Taken, Verdict

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_VERDICTS = {True: "met", False: "missed", None: "not measured"}
_COLOURS = {True: "green", False: "red", None: "yellow"}
_FULLY_CACHED = 1.0


def print_figures(results: Sequence[Result], console: Console) -> None:
    """A table of all figures."""
    table = Table(title="Medians (smallest – largest) of interleaved runs", title_justify="left")
    for heading in ("case", "who", "wall", "range", "CPU", "peak MB", "runs", "ours / this"):
        table.add_column(heading, justify="left" if heading in ("case", "who") else "right")
    for result in results:
        _add_case(table, result)
    console.print(table)


def print_targets(results: Sequence[Result], console: Console) -> None:
    """A table of the targets."""
    targets = Table(title="Targets", title_justify="left")
    for heading in ("case", "target", "measured", ""):
        targets.add_column(heading)
    for result in results:
        for verdict in result.verdicts:
            colour = _COLOURS[verdict.met]
            measured = measured_text(verdict)
            met = f"[{colour}]{_VERDICTS[verdict.met]}[/]"
            targets.add_row(result.case.title, target_text(verdict.target), measured, met)
    console.print(targets)


def _add_case(table: Table, result: Result) -> None:
    if result.status != DONE:
        reason = escape(f"{result.status}: {result.reason}")
        table.add_row(result.case.title, reason, end_section=True)
        return
    title = result.case.title
    for taken in result.taken:
        table.add_row(title, *map(escape, _row(result, taken)))
        title = ""
    if result.cached is not None and result.cached < _FULLY_CACHED:
        note = f"only {result.cached:.0%} of a file was in the page cache: the disk was measured"
        table.add_row("", note)
    table.add_section()


def _row(result: Result, taken: Taken) -> list[str]:
    if not taken.rounds:
        return [taken.subject.key, taken.error or "took no part"]
    figures = spreads(taken.rounds)
    wall = figures["wall_s"]
    this = ours_to(result, taken)
    note = f" ({taken.note})" if taken.note else ""
    return [
        f"{taken.subject.key}{note}",
        time_text(result.case, wall.median),
        f"{seconds_text(wall.smallest)} – {seconds_text(wall.largest)}" if wall.median else "",
        seconds_text(figures["cpu_s"].median) if figures["cpu_s"].median else "",
        f"{figures['peak_mb'].median:.0f}" if figures["peak_mb"].median else "",
        str(wall.runs),
        "" if this is None else f"{this:.2f}",
    ]


def time_text(case: Case, wall_s: float) -> str:
    """A time, and the throughput where the case has one; nothing for no time."""
    if not wall_s:
        return ""
    if not case.size_bytes:
        return seconds_text(wall_s)
    return f"{seconds_text(wall_s)}, {case.size_bytes / wall_s / 1e9:.1f} GB/s"


def seconds_text(seconds: float) -> str:
    """Three digits, in seconds or milliseconds."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def target_text(target: Target) -> str:
    """A target, with whom it is about when that isn't obvious."""
    if target.subject == "waveflow":
        return target.text
    return f"{target.subject}: {target.text}"


def measured_text(verdict: Verdict) -> str:
    """The measured figure in the target's unit."""
    if verdict.measured is None:
        return "–"
    if verdict.target.references:
        return f"{verdict.measured:.2f} ×"
    if verdict.target.metric == "peak_mb":
        return f"{verdict.measured:.0f} MB"
    return seconds_text(verdict.measured)


def markdown(results: Sequence[Result]) -> str:
    """One row for each case that was done."""
    rows = [
        "| case | WaveFlow | before | others | target | measured | |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        if result.status == DONE:
            rows += _markdown_rows(result)
    return "\n".join(rows) + "\n"


def _markdown_rows(result: Result) -> list[str]:
    ours = [taken for taken in result.taken if taken.subject.role is Role.OURS]
    before = [taken for taken in result.taken if taken.subject.role is Role.BEFORE]
    others = [taken for taken in result.taken if taken not in ours + before]
    rows = []
    for place, verdict in enumerate(result.verdicts or [None]):
        cells = [
            result.case.title if place == 0 else "",
            _each(result, ours) if place == 0 else "",
            _each(result, before) if place == 0 else "",
            _each(result, others, named=True) if place == 0 else "",
            target_text(verdict.target) if verdict else "",
            measured_text(verdict) if verdict else "",
            _VERDICTS[verdict.met] if verdict else "",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _each(result: Result, taken: Sequence[Taken], *, named: bool = False) -> str:
    named = named or len(taken) > 1
    texts = []
    for each in taken:
        text = _figure(result.case, each)
        texts.append(f"{each.subject.name} {text}" if named else text)
    return "; ".join(texts)


def _figure(case: Case, taken: Taken) -> str:
    if not taken.rounds:
        return "failed"
    figures = spreads(taken.rounds)
    if case.warm_up:
        return time_text(case, figures["wall_s"].median)
    return _telling(figures)


def _telling(figures: dict[str, Spread]) -> str:
    """Of a subject that is about one thing: the memory, else the processor time, else the time."""
    if figures["peak_mb"].median:
        return f"{figures['peak_mb'].median:.0f} MB"
    return seconds_text(figures["cpu_s"].median or figures["wall_s"].median)


def write_markdown(path: Path, text: str) -> None:
    """Write the table to a file, or between the marks of one that has them."""
    old = path.read_text() if path.exists() else ""
    if BEGIN in old and END in old:
        head, tail = old.split(BEGIN)[0], old.split(END)[1]
        text = f"{head}{BEGIN}\n\n{text}\n{END}{tail}"
    path.write_text(text)
