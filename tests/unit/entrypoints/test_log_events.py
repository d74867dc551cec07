"""Whoever meets an event in the log finds it in the document."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "troubleshooting.md").read_text()
LEVELS = ("info", "warning", "error", "critical")
"""What is logged with `debug` is for developers."""


def events() -> Iterator[str]:
    for path in sorted((ROOT / "waveflow").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="_log"), attr=level),
                    args=[ast.Constant(value=str(event)), *_],
                ) if level in LEVELS:
                    yield event


@pytest.mark.parametrize("event", sorted(set(events())))
def test_every_event_is_explained(event: str) -> None:
    assert f"`{event}`" in DOCUMENT


def test_events_are_found() -> None:
    assert {"task_ended", "worker_started", "lease_lost", "defect"} <= set(events())
