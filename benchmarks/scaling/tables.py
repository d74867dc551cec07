"""The tables of the document, from what the runs came to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
"""Of one run: its `name`, `outcome`, `bill` and `limits`, as they are in the JSON."""


def seconds(value: float | None) -> str:
    """With as many digits as mean something."""
    if value is None or math.isnan(value):
        return "–"
    if value >= 5400:
        return f"{value / 3600:.1f} h"
    if value >= 120:
        return f"{value / 60:.0f} min"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def _after(recovery_s: float | None) -> str:
    if recovery_s is None:
        return "never"
    return f"{seconds(recovery_s)} later" if recovery_s else "before its end"


def dollars(value: float) -> str:
    """Cents where they count."""
    return f"${value:,.2f}" if value < 100 else f"${value:,.0f}"


def _share(value: float) -> str:
    return f"{value:.0%}" if value >= 0.095 else f"{value:.1%}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.5 else f"{value:.1f}"


def _first_limit(row: Row) -> str:
    shares = {
        "network": row["outcome"]["used"]["network"],
        "cores": row["outcome"]["used"]["cpu"],
        **{name: share for name, share in row["limits"].items() if "webhooks" not in name},
    }
    name = max(shares, key=lambda each: float(shares[each]))
    return f"{name} ({_share(shares[name])})"


Column = tuple[str, Callable[[Row], str]]


def _limit(name: str) -> Column:
    return name, lambda row: _share(row["limits"][name])


_P50: Column = ("p50", lambda row: seconds(row["outcome"]["p50_s"]))
_P99: Column = ("p99", lambda row: seconds(row["outcome"]["p99_s"]))
_LONGEST: Column = ("longest", lambda row: seconds(row["outcome"]["longest_s"]))
_MIX: Column = ("mix, p99", lambda row: seconds(row["outcome"]["mix_p99_s"]))
_INSTANCES: Column = (
    "instances, mean / most",
    lambda row: f"{_count(row['outcome']['instances'])} / {row['outcome']['most_instances']:,}",
)
_NETWORK: Column = ("network", lambda row: _share(row["outcome"]["used"]["network"]))
_CPU: Column = ("cores", lambda row: _share(row["outcome"]["used"]["cpu"]))
_COST: Column = ("per 1,000 stems", lambda row: dollars(row["bill"]["total"]))
_OF_IT_INSTANCES: Column = ("of it instances", lambda row: dollars(row["bill"]["instances"]))
_REDONE: Column = ("begun again", lambda row: f"{row['outcome']['redone']:,}")
_UNFINISHED: Column = ("lost", lambda row: f"{row['outcome']['unfinished']:,}")
_VISIBLE: Column = ("longest queue", lambda row: f"{row['outcome']['most_visible']:,}")

COLUMNS: dict[str, tuple[str, Sequence[Column]]] = {
    "sizes": (
        "stems an hour",
        (
            _INSTANCES,
            _P50,
            _P99,
            _MIX,
            ("nearest limit", _first_limit),
            ("webhooks/s", lambda row: _count(row["outcome"]["webhooks_per_s"])),
            _COST,
            _OF_IT_INSTANCES,
        ),
    ),
    "days": (
        "stems an hour",
        (
            ("stems", lambda row: f"{row['outcome']['stems']:,}"),
            _INSTANCES,
            _P50,
            _P99,
            _NETWORK,
            _COST,
            _OF_IT_INSTANCES,
        ),
    ),
    "limits": (
        "stems an hour",
        tuple(
            _limit(name)
            for name in (
                "S3 reads, users/",
                "S3 writes, ledger/",
                "S3 writes, waveforms/",
                "SQS messages in flight",
                "webhooks, one process",
            )
        ),
    ),
    "one": (
        "run",
        (
            ("messages/s", lambda row: f"{row['outcome']['webhooks_per_s']:.2f}"),
            ("seconds per message", lambda row: f"{1 / row['outcome']['webhooks_per_s']:.2f}"),
            _NETWORK,
            _CPU,
            ("slots", lambda row: _share(row["outcome"]["used"]["slots"])),
        ),
    ),
    "rules": ("rule", (_P50, _P99, _LONGEST, _INSTANCES, _NETWORK, _VISIBLE, _COST)),
    "spikes": (
        "group",
        (
            _P50,
            _P99,
            _INSTANCES,
            _VISIBLE,
            ("queue empty again", lambda row: _after(row["outcome"]["recovery_s"])),
            _UNFINISHED,
        ),
    ),
    "spot": (
        "instances",
        (
            ("interruptions", lambda row: str(row["outcome"]["interruptions"])),
            _P50,
            _P99,
            _LONGEST,
            _REDONE,
            ("told twice", lambda row: str(row["outcome"]["told_twice"])),
            _UNFINISHED,
            _COST,
        ),
    ),
    "server": ("the server takes", (_P50, _P99, _INSTANCES, _VISIBLE, _UNFINISHED)),
    "sensitivity": ("if", (_INSTANCES, _P50, _P99, _MIX, _NETWORK, _CPU, _COST)),
}


def table(name: str, rows: Sequence[Row]) -> str:
    """One of them, in Markdown."""
    first, columns = COLUMNS[name]
    lines = [
        "| " + " | ".join([first, *(title for title, _ in columns)]) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]
    lines += [
        "| " + " | ".join([row["name"], *(tell(row) for _, tell in columns)]) + " |" for row in rows
    ]
    return "\n".join(lines)


def bill_table(rows: Sequence[Row]) -> str:
    """What a thousand stems cost at each size, by what is paid for."""
    parts = ("instances", "s3", "sqs", "logs", "webhooks", "total")
    titles = ("instances", "S3 requests", "SQS", "logs", "webhooks out", "all")
    lines = ["| stems an hour | " + " | ".join(titles) + " |", "|" + "---|" * 7]
    lines += [
        "| " + " | ".join([row["name"], *(f"${row['bill'][part]:,.4f}" for part in parts)]) + " |"
        for row in rows
    ]
    return "\n".join(lines)


def stem_table(each: Mapping[str, Any]) -> str:
    """What one stem asks for on average."""
    reads, writes = each["reads"], each["writes"]
    rows = [
        ("size of the upload", f"{each['bytes'] / 1e6:.0f} MB"),
        ("read from S3: hash, analysis, mix", f"{each['read_bytes'] / 1e6:.0f} MB"),
        ("messages, and webhooks", f"{each['messages']:.2f}"),
        ("GET and HEAD", _by_prefix(reads)),
        ("PUT and DELETE", _by_prefix(writes)),
    ]
    return "\n".join(
        ["| one stem, on average | |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    )


def _by_prefix(requests: Mapping[str, float]) -> str:
    parts = ", ".join(f"`{name}/` {count:.2f}" for name, count in requests.items())
    return f"{sum(requests.values()):.1f}: {parts}"


WAIT_S = 60.0
"""Which a stem may wait on the queue, for its two messages together."""


def _per_message_s(row: Row) -> float:
    return round(1 / float(row["outcome"]["webhooks_per_s"]), 2)


def backlog_target(row: Row) -> float:
    """Visible messages per instance that are worked off in the wait of one message."""
    return WAIT_S / 2 / _per_message_s(row)


def target_text(row: Row) -> str:
    """Where the backlog target comes from."""
    wait_s, each_s = f"{WAIT_S / 2:.0f} s", f"{_per_message_s(row):.2f} s"
    return (
        f"    {WAIT_S:.0f} s / 2 messages = {wait_s} of waiting each\n"
        f"    {each_s} per message and instance, when it has more than it can do\n"
        f"    {wait_s} / {each_s} = {backlog_target(row):.0f} messages per instance: 100"
    )


def tables(results: Mapping[str, Any]) -> dict[str, str]:
    """All tables of the document, by the name between its marks."""
    runs = results["runs"]
    found = {name: table(name, rows) for name, rows in runs.items()}
    return found | {
        "limits": table("limits", runs["sizes"]),
        "bill": bill_table(runs["sizes"]),
        "stem": stem_table(results["per_stem"]),
        "target": target_text(runs["one"][0]),
    }


def with_tables(text: str, written: Mapping[str, str]) -> str:
    """A document with its tables made anew between `<!-- NAME: begin -->` and `end`.

    Raises:
        ValueError: when the marks of a table are missing.
    """
    for name, content in written.items():
        begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
        head, found, rest = text.partition(begin)
        _, found_end, tail = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"the document has no marks for the table {name!r}")
        text = f"{head}{begin}\n{content}\n{end}{tail}"
    return text
