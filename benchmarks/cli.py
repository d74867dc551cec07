"""`python -m benchmarks`: what to measure, and where to write what came out."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from attrs import evolve
from rich.console import Console

from benchmarks import machine, place, report, runner, tables
from benchmarks.cases import analysis, commands, kernels, levels, mixing, worker
from benchmarks.cases.base import Case
from benchmarks.files import SHORT, AudioFiles, GivenFiles, Lengths, RenderedFiles
from benchmarks.runner import DONE, FAILED, Result

OUTPUT = Path("bench-output")
_BUSY = 0.15
_BUFFER_SHARE = 16
"""The kernels' arrays take at most a sixteenth of the memory each."""
_LOG_COLUMNS = 140
_FAILURE = 1


def all_cases(lengths: Lengths) -> list[Case]:
    """Every case, in the order of the table."""
    families = (kernels, analysis, levels, mixing, commands, worker)
    return [case for family in families for case in family.cases(lengths)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure WaveFlow beside other programs and beside what the machine allows.",
    )
    parser.add_argument(
        "--short", action="store_true", help="seconds of audio and one run: only that it works"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CASE",
        help="cases whose name begins so, such as kernel or analyse-flac",
    )
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--audio", type=Path, help="measure with the files of this folder")
    parser.add_argument("--against", type=Path, help="measure another checkout of WaveFlow too")
    parser.add_argument("--runs", type=int, help=f"runs of each ({runner.RUNS})")
    parser.add_argument(
        "--json", type=Path, help=f"write the figures there ({OUTPUT}/bench.json or short.json)"
    )
    parser.add_argument(
        "--markdown", type=Path, help="write the table, between the marks if the file has them"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=_cache_folder(),
        help="where rendered audio is kept, up to 13 GB (%(default)s)",
    )
    return parser


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "waveflow-benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for.

    Returns:
        The exit code: 1 when a case of ours breaks, 2 for wrong usage. A missed target is none.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    lengths = evolve(SHORT if options.short else _full_lengths(), given=bool(options.audio))
    cases = _chosen(all_cases(lengths), options.only)
    if not cases:
        parser.error(f"no case begins with {' or '.join(options.only)}; --list names them")
    for folder in (options.audio, options.against):
        if folder is not None and not folder.is_dir():
            parser.error(f"{folder} is not a folder")
    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_COLUMNS)
    if options.list:
        for case in cases:
            console.print(f"{case.name:<28} {case.title}", markup=False, highlight=False)
        return 0
    return _run(cases, options, lengths, console)


def _run(
    cases: Sequence[Case], options: argparse.Namespace, lengths: Lengths, console: Console
) -> int:
    results: list[Result] = []
    settings: dict[str, Any] = {}
    try:
        _measure(cases, options, lengths, console, results, settings)
    except place.RunFailed as error:
        console.print(f"Nothing was measured: {error}", markup=False)
        return _FAILURE
    finally:
        # Of a run that is broken off, too, what is there is told.
        if results:
            _tell(results, settings, options, console)
    return _FAILURE if any(result.status == FAILED for result in results) else 0


def _full_lengths() -> Lengths:
    most = psutil.virtual_memory().total // _BUFFER_SHARE
    return Lengths(buffer_bytes=min(Lengths().buffer_bytes, most // 1024**2 * 1024**2))


def _chosen(cases: Sequence[Case], prefixes: Sequence[str]) -> list[Case]:
    return [case for case in cases if not prefixes or case.name.startswith(tuple(prefixes))]


def _measure(
    cases: Sequence[Case],
    options: argparse.Namespace,
    lengths: Lengths,
    console: Console,
    results: list[Result],
    settings: dict[str, Any],
) -> None:
    runs = options.runs or (1 if options.short else runner.RUNS)
    with _cache(options) as kept:
        audio: AudioFiles = (
            GivenFiles(options.audio) if options.audio else RenderedFiles(kept, lengths)
        )
        with place.opened(audio, lengths, kept, options.against) as here:
            settings |= {
                "short": options.short,
                "runs": runs,
                "audio": str(options.audio) if options.audio else "rendered",
                "against": str(options.against) if options.against else None,
                "peers": here.peers.versions(),
                "busy": machine.busy_share(),
            }
            _introduce(here, settings, console)
            for case in cases:
                results.append(_shown(case, here, settings, console))  # noqa: PERF401 - one by one


@contextmanager
def _cache(options: argparse.Namespace) -> Iterator[Path]:
    if options.short:
        with tempfile.TemporaryDirectory(prefix="waveflow-bench-") as folder:
            yield Path(folder)
    else:
        yield options.cache.resolve()


def _introduce(here: place.Place, settings: dict[str, Any], console: Console) -> None:
    console.print(machine.sentence(machine.description(place.ROOT)), highlight=False)
    found = [f"{name} {version}" for name, version in settings["peers"].items() if version]
    console.print(f"Beside it: {', '.join(found) or 'nothing'}.", highlight=False)
    for peer in here.peers.missing():
        console.print(
            f"Missing: {peer.name} ({peer.does}): {peer.how_to_get()}",
            highlight=False,
            markup=False,
        )
    if settings["busy"] > _BUSY:
        console.print(f"[yellow]Others keep the processors busy ({settings['busy']:.0%}).[/]")


def _shown(case: Case, here: place.Place, settings: dict[str, Any], console: Console) -> Result:
    with console.status(f"{case.title} …"):
        result = runner.carried_out(case, here, settings["runs"])
    said = f"{result.status}: {result.reason}"
    if result.status == DONE:
        said = f"{result.seconds:.1f} s"
        if result.verdicts and not settings["short"]:
            met = sum(verdict.met is True for verdict in result.verdicts)
            said = f"{met} of {len(result.verdicts)} targets met, {said}"
    console.print(f"{case.title}: {said}", markup=False, highlight=False)
    return result


def _tell(
    results: Sequence[Result],
    settings: dict[str, Any],
    options: argparse.Namespace,
    console: Console,
) -> None:
    tables.print_figures(results, console)
    if options.short:
        console.print("Seconds of audio, one run: no figure to compare with a target.")
    else:
        tables.print_targets(results, console)
    written = report.document(results, machine.description(place.ROOT), settings)
    figures = options.json or OUTPUT / ("short.json" if options.short else "bench.json")
    figures.parent.mkdir(parents=True, exist_ok=True)
    figures.write_text(json.dumps(written, indent=2) + "\n")
    console.print(f"Figures: {figures}", highlight=False)
    if options.markdown:
        tables.write_markdown(options.markdown, tables.markdown(results))
        console.print(f"Table: {options.markdown}", highlight=False)
