"""The run-book names what there is: commands, options, metrics, and headings that alerts link."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from waveflow.entrypoints.cli.main import waveflow
from waveflow.entrypoints.metrics.table import METRICS, PREFIX

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
HEADINGS = [
    "First five minutes",
    "A musician asks what happened to a stem",
    "Stuck queue",
    "Re-drive",
    "Refused deletions",
    "Lost content",
    "Undo a deletion",
    "The server was down",
    "Slow webhooks",
    "Memory",
    "Crashing decoders",
    "Disk",
    "No worker",
    "Deploy and roll back",
    "Routine",
]
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = sorted(set(re.findall(r"^waveflow .*", BLOCKS, re.MULTILINE)))


def test_the_headings_that_alerts_link_to_are_there() -> None:
    assert re.findall(r"^## (.*)", TEXT, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one_that_there_is(line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    command: click.Command = waveflow
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments.pop(0))
        assert found is not None
        command = found
    # Files that a reader has are not there: only the names of the options are looked at.
    known = {option for each in command.params for option in each.opts}
    assert {each for each in arguments if each.startswith("--")} <= known


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 10


def test_every_metric_is_one_that_there_is() -> None:
    named = set(re.findall(rf"\b{PREFIX}[a-z_]+", TEXT))
    assert named <= {PREFIX + metric.name for metric in METRICS}
