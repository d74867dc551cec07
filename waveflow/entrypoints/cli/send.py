"""`waveflow send`: puts a task on the queue, as the main server would."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from waveflow.entrypoints.cli.output import json_option, print_result, wired
from waveflow.entrypoints.cli.queue.access import require_sqs
from waveflow.entrypoints.cli.whole_numbers import WholeNumber

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from waveflow.entrypoints.cli.task_form import TaskKind

LONGEST_DELAY_S = 900


class _TaskName(click.ParamType[str]):
    """A task's name as it is; what it means is found out where the message is made."""

    name = "text"

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The short names, with the fields that go with them."""
        from click.shell_completion import CompletionItem

        from waveflow.entrypoints.cli.task_form import KINDS

        return [
            CompletionItem(kind.short, help=", ".join(kind.fields) or "no fields")
            for kind in KINDS
            if kind.short.startswith(incomplete)
        ]


@click.command()
@click.argument("task", type=_TaskName())
@click.argument("fields", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--json-fields",
    type=click.File("r", encoding="utf-8"),
    help="Read the fields from a file with a JSON object; - is standard input.",
)
@click.option("--id", "task_id", help="The task's id, instead of one made from kind and time.")
@click.option(
    "--delay-s",
    type=WholeNumber(0, LONGEST_DELAY_S),
    default=0,
    metavar="SECONDS",
    help=f"Keep the message back, for up to {LONGEST_DELAY_S} seconds.",
)
@click.option("--dry-run", is_flag=True, help="Print the message instead of sending it.")
@json_option
def send(
    task: str,
    fields: tuple[str, ...],
    json_fields: IO[str] | None,
    task_id: str | None,
    delay_s: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put TASK on the queue of SQS_QUEUE_URL.

    TASK is hash, duplicate, analysis, mix, health or cleanup, or a full task name. Its fields
    are called as in the messages of the main server; stem_paths can be given several times. What
    would fail as soon as a worker took it up is refused here. Whether a stem exists is not looked
    at.

    \b
    Examples:
      waveflow send hash stemId=s1 trackId=t1 filepath=users/u1/projects/t1/stems/a.wav
      waveflow send analysis stemId=s1 filepath=stems/a.wav num_peaks=800 --dry-run
      waveflow send mix stageId=g1 stem_paths=stems/a.wav stem_paths="stems/b (2).wav"
      waveflow send mix --json-fields fields.json --delay-s 60
    """
    from waveflow.application.clock import Clock
    from waveflow.entrypoints.cli.task_form import nested_body, task_kind

    kind = task_kind(task)
    given = _fields(kind, fields, json_fields)
    task_id = task_id or kind.task_id(given, int(Clock().unix_s() * 1000))
    body = nested_body(kind, task_id, given)
    _require_carried_out(body)
    if dry_run:
        click.echo(body)
        return
    message_id = _send(body, delay_s)
    print_result(as_json, {"message_id": message_id, "task_id": task_id, "task": kind.task})


def _fields(kind: TaskKind, pairs: tuple[str, ...], source: IO[str] | None) -> dict[str, Any]:
    from waveflow.entrypoints.cli.task_form import fields_of, require_fields

    if source is None:
        return fields_of(kind, pairs)
    if pairs:
        raise click.UsageError("Give the fields as NAME=VALUE or with --json-fields, not as both.")
    document = _object_in(source)
    require_fields(kind, document)
    return document


def _object_in(source: IO[str]) -> dict[str, Any]:
    from waveflow.application.strict_json import kind_of, parse_json

    try:
        document = parse_json(source.read())
    except ValueError as error:
        raise click.UsageError(f"--json-fields: {source.name} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise click.UsageError(
            f"--json-fields: {source.name} is {kind_of(document)}, not an object of fields."
        )
    return document


def _require_carried_out(body: str) -> None:
    from waveflow.application.clock import Clock
    from waveflow.domain.audio import MAX_PEAKS
    from waveflow.entrypoints.cli.task_form import problem_of
    from waveflow.entrypoints.messages import MessageParser

    problem = problem_of(body, MessageParser(default_num_peaks=MAX_PEAKS), Clock().unix_s())
    if problem:
        raise click.UsageError(problem)


def _send(body: str, delay_s: int) -> str:
    with wired(require_sqs()) as container:
        try:
            return container.queue().send(body, delay_s=float(delay_s))
        except ValueError as error:
            # What no message may hold, and how large it may be, the queue knows best.
            raise click.UsageError(f"{error}.") from error
