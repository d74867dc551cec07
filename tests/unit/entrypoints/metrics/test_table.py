"""The table of metrics: what it promises is what is told, and what the document says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.unit.entrypoints.metrics.observed import Observed
from waveflow.entrypoints.metrics.table import CODES, METRICS, PREFIX

ROOT = Path(__file__).parents[4]
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
TASK_PARTS = ("domain", "application", "adapters")
"""Commands have codes of their own, which no task meets."""
_ROW = re.compile(r"^\| `(waveflow_\w+)(?:\{([\w, ]+)\})?` \| (\w+) \|", re.MULTILINE)


def test_the_document_lists_exactly_these_metrics_with_their_kinds_and_labels() -> None:
    rows = [
        (name, kind, tuple(labels.split(", ")) if labels else ())
        for name, labels, kind in _ROW.findall(DOCUMENT)
    ]
    assert rows == [(PREFIX + each.name, each.kind, each.labels) for each in METRICS]


def test_every_metric_is_told_with_just_its_labels() -> None:
    told = {
        family.name: (family.type, {frozenset(sample.labels) - {"le"} for sample in family.samples})
        for family in text_string_to_metric_families(Observed().everything())
    }
    assert told == {
        (PREFIX + each.name).removesuffix("_total"): (each.kind, {frozenset(each.labels)})
        for each in METRICS
    }


def test_no_name_is_there_twice() -> None:
    names = [each.name for each in METRICS]
    assert len(names) == len(set(names))


def test_the_codes_are_those_of_the_document_and_of_the_source() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", TROUBLESHOOTING.split("## Codes of failures")[1], re.M)
    # Classes that are always raised by one of their descendants, or with another's code.
    never_told = {"failed", "unreadable_stem"}
    assert {*rows, "unreadable_message"} | never_told == CODES
    # Of `waveflow ledger build` and of `waveflow render`, which no task comes to.
    assert codes_in_the_source() - {"invalid_pattern", "not_a_waveform"} <= CODES


def codes_in_the_source() -> set[str]:
    """Every code that an error of a task is made with, and every default of a class of errors."""
    found: set[str] = set()
    tasks = [path for part in TASK_PARTS for path in (ROOT / "waveflow" / part).rglob("*.py")]
    for path in tasks:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code":
                found |= _texts(node.value)
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = {target.id for target in targets if isinstance(target, ast.Name)}
                if "default_code" in names and node.value is not None:
                    found |= _texts(node.value)
    assert "decoder_timeout" in found
    assert "last_copy" in found
    return found


def _texts(value: ast.expr) -> set[str]:
    return (
        {value.value} if isinstance(value, ast.Constant) and isinstance(value.value, str) else set()
    )
