"""Every command there is, and the examples in its help, as click has them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from inspect import cleandoc

import click
from attrs import frozen

from waveflow.entrypoints.cli.catalogue import SECTIONS
from waveflow.entrypoints.cli.main import waveflow


@frozen
class Described:
    """A command, and the context in which it would run."""

    context: click.Context

    @property
    def path(self) -> str:
        """As it is called: `waveflow queue redrive`."""
        return self.context.command_path

    @property
    def paragraphs(self) -> list[str]:
        """Its help; what begins with a line of \\b keeps its lines."""
        return cleandoc(self.context.command.help or "").split("\n\n")

    @property
    def examples(self) -> list[str]:
        """The lines of its examples, continued ones put together."""
        blocks = [part for part in self.paragraphs if part.startswith("\b\nExample")]
        lines = "\n".join(block.split("\n", 2)[2] for block in blocks)
        return [line.strip() for line in lines.replace("\\\n", " ").splitlines()]


def every_command() -> Iterator[Described]:
    """The first one, then the others in the order of its help, each before those below it."""
    root = click.Context(waveflow, info_name="waveflow", **waveflow.context_settings)
    yield Described(root)
    for entries in SECTIONS.values():
        for entry in entries:
            command = waveflow.get_command(root, entry.name)
            assert command is not None
            yield from _with_those_below(click.Context(command, root, entry.name))


def _with_those_below(context: click.Context) -> Iterator[Described]:
    yield Described(context)
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None
            yield from _with_those_below(click.Context(command, context, name))


def called_in(example: str) -> list[list[str]]:
    """The arguments of each `waveflow` in a line of shell; pipes, settings and files left out."""
    parts: list[list[str]] = [[]]
    for word in shlex.split(example):
        if word in ("|", "&&", ">"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part[part.index("waveflow") + 1 :] for part in parts if "waveflow" in part]
