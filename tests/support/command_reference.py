"""docs/command-line.md, made from what the commands say of themselves.

`python -m tests.support.command_reference --write` renews it; a test holds it to be new.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from tests.support.command_lines import Described, every_command

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"
_BEGINNING = """\
# Command line

Every command with its options, as `--help` says it. This page is made from the commands themselves:
`python -m tests.support.command_reference --write` renews it, and a test compares.

Results go to standard output; progress, webhooks of the console notifier, log lines and errors go
to standard error. All commands but `worker`, `help`, `completion` and those that serve a page have
`--json` for scripts. Colours and progress appear on a terminal only; `NO_COLOR` and `FORCE_COLOR`
are respected, and so is `TERM=dumb`.

| exit code | |
|---|---|
| 0 | done |
| 1 | failed for good: bad audio, refused deletion, unhealthy, a defect |
| 2 | wrong usage, wrong settings |
| 3 | may work later: storage, queue or disk not available |
| 4, 5, 6 | of `worker` alone, see there |
| 130, 143 | interrupted, terminated |
| 141 | nobody read the output any more (`\\| head`) |
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_BEGINNING, *map(_section, every_command())])


def _section(described: Described) -> str:
    context = described.context
    usage = " ".join([described.path, *context.command.collect_usage_pieces(context)])
    depth = "##" if described.path.count(" ") <= 1 else "###"
    parts = [f"{depth} `{described.path}`", f"```\n{usage}\n```"]
    parts += map(_paragraph, described.paragraphs)
    return "\n\n".join(filter(None, [*parts, _options(described)])).rstrip() + "\n"


def _paragraph(text: str) -> str:
    if not text.startswith("\b\n"):
        return textwrap.fill(text, 100, break_on_hyphens=False, break_long_words=False)
    title, _, lines = text.removeprefix("\b\n").partition("\n")
    if not lines.startswith(" "):
        return textwrap.fill(f"{title} {lines}", 100)
    return f"{title}\n\n```sh\n{textwrap.dedent(lines)}\n```"


def _options(described: Described) -> str:
    context = described.context
    records = [each.get_help_record(context) for each in context.command.get_params(context)]
    rows = [
        f"| `{names}` | {said} |"
        for names, said in filter(None, records)
        if said and names != "-h, --help"
    ]
    return "\n".join(["| option | |", "|---|---|", *rows]) if rows else ""


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(reference(), encoding="utf-8")
    else:
        sys.stdout.write(reference())
