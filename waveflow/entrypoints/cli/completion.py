"""`waveflow completion`: what makes a shell complete commands, options and their values."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False, metavar="SHELL")
def completion(shell: str | None) -> None:
    """Print the script with which SHELL completes commands, options, choices and files.

    SHELL is bash, zsh or fish.

    \b
    For bash, in ~/.bashrc:
      eval "$(waveflow completion bash)"
    For zsh, into a folder of its fpath, before compinit runs:
      waveflow completion zsh > "${fpath[1]}/_waveflow"
    For fish:
      waveflow completion fish > ~/.config/fish/completions/waveflow.fish

    New shells have it then. The script calls `waveflow` each time, so it needs no renewal.

    \b
    Examples:
      waveflow completion bash
      waveflow completion zsh
      waveflow completion fish
    """
    from click.shell_completion import get_completion_class

    from waveflow.entrypoints.cli.main import COMPLETION_VARIABLE

    if shell is None:
        raise click.UsageError("Name the shell: bash, zsh or fish.")
    made = get_completion_class(shell)
    assert made is not None
    root = click.get_current_context().find_root()
    one = made(root.command, {}, "waveflow", COMPLETION_VARIABLE)
    # Not its `source`: for bash that would look for a bash on this machine, and complain.
    click.echo(one.source_template % one.source_vars(), nl=False)
