"""`python -m benchmarks.scaling`: run the simulation, write figures and tables.

The results go to `results.json` beside this file, the tables into docs/scaling.md; the same seed
gives the same figures. `--only` runs some experiments and prints their tables, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from benchmarks.scaling.experiments import Experiment, experiments
from benchmarks.scaling.results import results
from benchmarks.scaling.tables import table, tables, with_tables

RESULTS = Path(__file__).with_name("results.json")
DOCUMENT = Path(__file__).parents[2] / "docs" / "scaling.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; returns the exit code."""
    every = experiments()
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.scaling")
    names = [experiment.name for experiment in every]
    parser.add_argument("--only", nargs="+", choices=names, metavar="EXPERIMENT", help=str(names))
    parser.add_argument("--seed", type=int, help="of all that is drawn; 1 is the document's")
    parser.add_argument("--json", type=Path, default=RESULTS, help="%(default)s")
    parser.add_argument("--markdown", type=Path, default=DOCUMENT, help="%(default)s")
    options = parser.parse_args(arguments)
    chosen = [each for each in every if options.only is None or each.name in options.only]
    if options.seed is not None:
        chosen = [_with_seed(each, options.seed) for each in chosen]
    found = results(chosen)
    for name, rows in found["runs"].items():
        sys.stdout.write(f"{name}\n{table(name, rows)}\n\n")
    if options.only is None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
        text = options.markdown.read_text()
        options.markdown.write_text(with_tables(text, tables(found)))
    return 0


def _with_seed(experiment: Experiment, seed: int) -> Experiment:
    runs = {name: evolve(assumed, seed=seed) for name, assumed in experiment.runs.items()}
    return evolve(experiment, runs=runs)


if __name__ == "__main__":
    sys.exit(main())
