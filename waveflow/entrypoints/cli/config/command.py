"""`waveflow config`: the settings in force, where each comes from, and what is wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from attrs import asdict, fields

from waveflow.entrypoints.cli.config.in_force import DEFAULT, InForce, in_force, shown_value, unread
from waveflow.entrypoints.cli.output import json_option, print_facts, print_json
from waveflow.entrypoints.printable import printable
from waveflow.entrypoints.setting_values import PREFIX, did_you_mean
from waveflow.entrypoints.settings import Settings, read_settings, unchosen_backends

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from waveflow.entrypoints.settings import Reading

_WRONG = 2
_WIDEST_VALUE = 44
"""What is longer pushes its own line to the right, and no other."""


class _SettingName(click.ParamType[str]):
    """A setting, in any case and with or without WAVEFLOW_; becomes its variable."""

    name = "setting"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The variable that `value` means. Wrong usage when it means none."""
        known = _names()
        for name in (value.upper(), PREFIX + value.upper()):
            if name in known:
                return name
        hint = did_you_mean(value, known) or ". `waveflow config` lists all of them."
        raise click.BadParameter(f"There is no setting {value!r}{hint}", ctx, param)

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """All settings that begin so."""
        from click.shell_completion import CompletionItem

        from waveflow.entrypoints.setting_meanings import MEANINGS

        return [
            CompletionItem(name, help=MEANINGS[name])
            for name in _names()
            if name.startswith(incomplete.upper())
        ]


def _names() -> list[str]:
    return [attribute.metadata["variable"] for attribute in fields(Settings)]


@click.command()
@click.argument("names", nargs=-1, type=_SettingName(), metavar="[SETTING]...")
@click.option("--changed", is_flag=True, help="Only what differs from the defaults.")
@click.option("--worker", is_flag=True, help="Refuse what `waveflow worker` would refuse, too.")
@json_option
@click.pass_context
def config(
    context: click.Context, names: tuple[str, ...], changed: bool, worker: bool, as_json: bool
) -> None:
    """Show the settings in force, where each comes from, and everything that is wrong.

    Settings come from the environment. Secrets are never shown: of the keys that sign webhooks
    only how many there are, of addresses neither login nor query. What boto3 finds out by itself
    (credentials, region, endpoints) is told in words; nobody is asked over the network, which
    `waveflow health` does. With SETTING, one setting is explained.

    Exit 2 when something is wrong, with a sentence for each mistake.

    \b
    Examples:
      waveflow config
      waveflow config --changed --worker
      waveflow config WAVEFLOW_SLOTS
      waveflow config --json
    """
    reading = read_settings(os.environ)
    settings = in_force(reading, os.environ)
    if names:
        settings = [each for each in settings if each.name in names]
    elif changed:
        settings = [each for each in settings if each.source != DEFAULT]
    aws, aws_problems = _aws(reading)
    problems = reading.problems + (unchosen_backends(os.environ) if worker else []) + aws_problems
    hints = unread(os.environ)
    if as_json:
        print_json(
            {
                "settings": [asdict(each) for each in settings],
                "aws": aws,
                "problems": problems,
                "hints": hints,
            }
        )
    else:
        _print(settings, {} if names else aws, is_detailed=bool(names))
        for sentence in problems + hints:
            click.echo(f"waveflow: {sentence}", err=True)
    context.exit(_WRONG if problems else 0)


def _aws(reading: Reading) -> tuple[dict[str, str], list[str]]:
    """What boto3 will use, and refuse; nothing when nobody is going to ask AWS."""
    settings = reading.settings
    if settings.storage != "s3" and settings.queue != "sqs":
        return {}, []
    from waveflow.adapters.queue.sqs_facts import region_of
    from waveflow.entrypoints.cli.config.aws import AwsSurroundings

    surroundings = AwsSurroundings.of(os.environ)
    region = region_of(settings.sqs_queue_url) if settings.sqs_queue_url else None
    unused = set() if settings.storage == "s3" else {"bucket", "S3"}
    unused |= set() if settings.queue == "sqs" else {"queue", "SQS"}
    facts = {
        name: fact
        for name, fact in surroundings.facts(region).items()
        if name.split()[-1] not in unused
    }
    return facts, surroundings.problems()


def _print(settings: Sequence[InForce], aws: dict[str, str], *, is_detailed: bool) -> None:
    if is_detailed:
        for number, each in enumerate(settings):
            click.echo(nl=bool(number))
            _explain(each)
        return
    if settings:
        _print_table(settings)
    else:
        click.echo("All settings have their defaults.")
    if aws:
        click.echo()
        click.secho("AWS, as boto3 finds it", bold=True)
        print_facts({name: printable(fact) for name, fact in aws.items()})


def _print_table(settings: Sequence[InForce]) -> None:
    rows = [(each.name, printable(each.shown), each.origin) for each in settings]
    name_width = max(len(name) for name, _, _ in rows)
    widths = [len(value) for _, value, _ in rows if len(value) <= _WIDEST_VALUE]
    value_width = max(widths, default=0)
    click.secho(f"{'setting':<{name_width}}  {'value':<{value_width}}  from", bold=True)
    for each, (name, value, origin) in zip(settings, rows, strict=True):
        line = f"{name:<{name_width}}  {value:<{value_width}}  {origin}"
        click.secho(line, dim=each.source == DEFAULT or None, fg=None if each.usable else "red")


def _explain(each: InForce) -> None:
    print_facts(
        {
            "setting": each.name,
            "value": printable(each.shown),
            "from": each.origin,
            "default": shown_value(each.default, each.unit),
            "meaning": each.meaning,
        }
    )
