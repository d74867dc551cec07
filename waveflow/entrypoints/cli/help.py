"""`waveflow help`: what `--help` says, for those who ask the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _CommandName(click.ParamType[str]):
    """A command, or one below those that are named before it."""

    name = "command"

    def shell_complete(
        self, ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The commands that can be named next."""
        named = _below(ctx, ctx.params.get("names") or ())
        return [
            item
            for item in named.command.shell_complete(named, incomplete)
            if not item.value.startswith("-")
        ]


@click.command()
@click.argument("names", nargs=-1, type=_CommandName(), metavar="[COMMAND]...")
@click.pass_context
def help(context: click.Context, names: tuple[str, ...]) -> None:  # noqa: A001 (its name)
    """Explain COMMAND, as COMMAND --help does; without one, list all commands.

    \b
    Examples:
      waveflow help
      waveflow help analyze
      waveflow help queue redrive
    """
    click.echo(_below(context, names).get_help())


def _below(context: click.Context, names: tuple[str, ...]) -> click.Context:
    """The context that the command has which `names` lead to. Wrong usage if none."""
    found = context.find_root()
    for name in names:
        if not isinstance(found.command, click.Group):
            raise click.UsageError(f"{found.command_path!r} has no commands below it.")
        known_as, command, _ = found.command.resolve_command(found, [name])
        if command is not None:
            found = click.Context(command, info_name=known_as, parent=found)
    return found
