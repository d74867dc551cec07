"""The group of all commands: imports one when it is called for, the others may need much."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

import click

from waveflow.entrypoints.cli.catalogue import ALIASES, ENTRIES, SECTIONS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LateCommands(click.Group):
    """Lists and completes its commands as the catalogue has them, without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *ENTRIES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = ENTRIES.get(ALIASES.get(cmd_name, cmd_name))
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"waveflow.entrypoints.cli.{entry.module}")
        command: click.Command = getattr(module, entry.name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = ALIASES.get(args[0], args[0])
        is_known = name in self.list_commands(ctx) or name.startswith("-")
        if not is_known and not ctx.resilient_parsing:
            # Click itself would guess from the commands that are imported, which are none.
            raise click.UsageError(_no_command(name), ctx)
        return super().resolve_command(ctx, [name, *args[1:]])

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, ENTRIES))
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{entry.name:<{width}}", entry.purpose) for entry in entries])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(entry.name, help=entry.purpose)
            for entry in ENTRIES.values()
            if entry.name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)


def _no_command(name: str) -> str:
    alike = get_close_matches(name.lower(), ENTRIES, 1)
    guess = f" Did you mean {alike[0]!r}?" if alike else ""
    return f"No such command {name!r}.{guess} `waveflow --help` lists all of them."
