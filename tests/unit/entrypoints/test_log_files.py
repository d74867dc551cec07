"""Log lines of workers, from wherever they were collected."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from waveflow.entrypoints.log_files import LogReader

FACTS = {"event": "task_started", "stem_id": "s1", "path": "드럼 (최종).wav"}
OTHER = {"event": "task_ended", "stem_id": "s1"}


def line(facts: dict[str, Any]) -> str:
    return json.dumps(facts)


def journal(facts: dict[str, Any]) -> str:
    return json.dumps({"MESSAGE": line(facts), "__REALTIME_TIMESTAMP": "1", "_PID": "7"})


def journal_of_bytes(facts: dict[str, Any]) -> str:
    text = json.dumps(facts, ensure_ascii=False).encode()
    return json.dumps({"MESSAGE": list(text), "_PID": "7"})


def docker(facts: dict[str, Any]) -> str:
    return json.dumps({"log": line(facts) + "\n", "stream": "stderr", "time": "2026"})


WRAPPINGS: dict[str, Callable[[dict[str, Any]], str]] = {
    "plain": line,
    "unescaped": lambda facts: json.dumps(facts, ensure_ascii=False),
    "docker compose": lambda facts: f"worker-1  | {line(facts)}",
    "aws logs tail": lambda facts: f"2026-11-22T11:36:27.971000+00:00 i-1/a {line(facts)}",
    "cri": lambda facts: f"2026-11-22T11:36:27.9Z stderr F {line(facts)}",
    "journalctl": journal,
    "journalctl with bytes": journal_of_bytes,
    "docker json-file": docker,
}


def read(text: str) -> tuple[list[dict[str, Any]], LogReader]:
    reader = LogReader()
    return [each.facts for each in reader.read(io.StringIO(text))], reader


@pytest.mark.parametrize("wrapped", list(WRAPPINGS.values()), ids=list(WRAPPINGS))
def test_a_line_is_read_however_it_was_collected(
    wrapped: Callable[[dict[str, Any]], str],
) -> None:
    text = f"-- Boot 7 --\n\n{wrapped(FACTS)}\nwaveflow: not a setting\n{wrapped(OTHER)}\n"
    found, reader = read(text)
    assert found == [FACTS, OTHER]
    assert (reader.events, reader.damaged) == (2, 0)


@pytest.mark.parametrize(
    "document",
    [
        {"events": [{"message": line(FACTS), "timestamp": 1}, {"message": line(OTHER) + "\n"}]},
        {
            "results": [
                [
                    {"field": "@timestamp", "value": "1"},
                    {"field": "@message", "value": line(FACTS)},
                ],
                [{"field": "@message", "value": line(OTHER)}],
            ]
        },
    ],
    ids=["filter-log-events", "get-query-results"],
)
@pytest.mark.parametrize("indent", [None, 4])
def test_what_the_aws_cli_prints_is_read(document: dict[str, Any], indent: int | None) -> None:
    found, _ = read(json.dumps(document, indent=indent) + "\n")
    assert found == [FACTS, OTHER]


def parts_of_docker(text: str) -> list[str]:
    return [
        json.dumps({"log": text[:30], "stream": "stderr"}),
        json.dumps({"log": line(OTHER) + "\n", "stream": "stdout"}),
        json.dumps({"log": text[30:] + "\n", "stream": "stderr"}),
    ]


def parts_of_cri(text: str) -> list[str]:
    return [f"t stderr P {text[:30]}", f"t stderr F {text[30:]}", f"t stderr F {line(OTHER)}"]


def parts_of_the_journal(text: str) -> list[str]:
    head = {"MESSAGE": text[:30], "CONTAINER_PARTIAL_MESSAGE": "true", "_PID": "7"}
    tail = {"MESSAGE": text[30:], "_PID": "7"}
    return [*map(json.dumps, (head, tail)), journal(OTHER)]


@pytest.mark.parametrize("parts", [parts_of_docker, parts_of_cri, parts_of_the_journal])
def test_a_long_line_that_a_collector_has_cut_is_put_together(
    parts: Callable[[str], list[str]],
) -> None:
    found, reader = read("\n".join(parts(line(FACTS))))
    assert sorted(found, key=len) == [OTHER, FACTS]
    assert reader.damaged == 0


def test_a_line_that_was_cut_short_is_counted_and_passed_over() -> None:
    found, reader = read(f"{line(FACTS)[:-3]}\n{line(OTHER)}\n{line(FACTS)}")
    assert found == [OTHER, FACTS]
    assert reader.damaged == 1


def test_what_the_journal_leaves_out_as_too_long_is_damaged() -> None:
    found, reader = read(json.dumps({"MESSAGE": None, "_PID": "7"}) + "\n" + journal(FACTS))
    assert (found, reader.damaged) == ([FACTS], 1)


def test_a_brace_alone_begins_no_document() -> None:
    found, reader = read("{\n" + f"{line(FACTS)}\nTraceback\n{line(OTHER)}\n")
    assert (found, reader.damaged) == ([FACTS, OTHER], 0)


def test_a_last_part_without_its_end_is_damaged() -> None:
    _, reader = read(json.dumps({"log": line(FACTS)[:-3], "stream": "stderr"}))
    assert reader.damaged == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[]",
        '{"event": 7}',
        '{"MESSAGE": null}',
        '{"MESSAGE": [1000]}',
        '{"events": 7, "results": [7]}',
        "2026-11-22 [info] worker_started slots=8",
    ],
)
def test_what_is_no_log_of_workers_has_no_events(text: str) -> None:
    found, reader = read(text)
    assert (found, reader.events) == ([], 0)
