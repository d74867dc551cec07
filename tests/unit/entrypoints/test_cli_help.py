"""What the commands say of themselves: purposes, examples that can be called, the reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.support.command_lines import Described, called_in, every_command
from tests.support.command_reference import DOCUMENT, reference
from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.entrypoints.cli.catalogue import ALIASES, ENTRIES, SECTIONS
from waveflow.entrypoints.cli.main import waveflow as command_group

COMMANDS = list(every_command())
each_command = pytest.mark.parametrize("described", COMMANDS, ids=lambda each: each.path)
EXAMPLES = [(each.path, example) for each in COMMANDS for example in each.examples]
WORDS = sorted({word for _, line in EXAMPLES for called in called_in(line) for word in called})
ON_FILES = (
    "analyze",
    "render",
    "mix",
    "ingest",
    "resolve-duplicate",
    "help",
    "completion",
    "config",
)
"""What a newcomer can try at once."""


class TestEveryCommand:
    @each_command
    def test_has_a_sentence_about_its_purpose(self, described: Described) -> None:
        purpose = described.paragraphs[0]
        assert re.match(r"[A-Z]", purpose)
        assert purpose.endswith(".")

    @each_command
    def test_has_examples_and_each_calls_it(self, described: Described) -> None:
        called = [
            " ".join(["waveflow", *one]) for line in described.examples for one in called_in(line)
        ]
        assert any(f"{line} ".startswith(described.path) for line in called)

    @each_command
    def test_is_listed_without_being_cut_off(self, described: Described) -> None:
        if isinstance(described.context.command, click.Group):
            listed = described.context.command.get_help(
                click.Context(described.context.command, info_name="waveflow", terminal_width=80)
            )
            assert "..." not in listed.partition("--help")[2]


def test_all_that_have_a_result_give_it_as_json_too() -> None:
    without = {
        each.path
        for each in COMMANDS
        if not isinstance(each.context.command, click.Group)
        and not any("--json" in param.opts for param in each.context.command.params)
    }
    assert without == {
        "waveflow completion",
        "waveflow help",
        "waveflow stand-in serve",
        "waveflow studio",
        "waveflow worker",
    }


class TestExamples:
    @pytest.fixture
    def files(self, folder: Path) -> Path:
        """The files that the examples take."""
        for word in WORDS:
            if re.search(r"\.(wav|flac|mp3|csv|json|log|dat)$", word):
                (folder / word).parent.mkdir(parents=True, exist_ok=True)
                (folder / word).write_text("{}")
        return folder

    @pytest.mark.usefixtures("files")
    @pytest.mark.parametrize(("path", "example"), EXAMPLES)
    def test_each_one_is_understood(self, path: str, example: str) -> None:
        for arguments in called_in(example):
            for context in parsed(arguments):
                called = context.command_path
                context.close()
            assert called.startswith("waveflow")
        assert called_in(example) or example.startswith("curl ")

    def test_those_that_need_nothing_but_files_work(
        self, waveflow: CommandLine, song: WriteSong, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("S3_BUCKET_NAME", "SQS_QUEUE_URL", "WEBHOOK_URL"):
            monkeypatch.setenv(name, "stems" if name.startswith("S3") else "https://there/stems")
        for word in WORDS:
            if word.endswith((".wav", ".flac", ".mp3")) and "/" not in word:
                song(word, level=0.4)
        tried = 0
        for path, example in EXAMPLES:
            [arguments] = called_in(example) or [[]]
            if path.partition(" ")[2] in ON_FILES and "--stored" not in arguments:
                outcome = waveflow(*arguments)
                assert (outcome.code, outcome.err) == (0, ""), example
                tried += 1
        assert tried >= 15


def parsed(arguments: list[str]) -> Iterator[click.Context]:
    """The contexts of a command line, from the first command to the last, without running it."""
    context = command_group.make_context("waveflow", list(arguments))
    yield context
    while isinstance(context.command, click.Group):
        # Click keeps what belongs to the commands below in this attribute only.
        name, command, rest = context.command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert command is not None
        context = command.make_context(name, rest, parent=context)
        yield context


def test_a_number_is_called_n(waveflow: CommandLine) -> None:
    for arguments in (
        ["render"],
        ["studio"],
        ["queue", "redrive"],
        ["again"],
        ["stand-in", "serve"],
    ):
        help_text = waveflow(*arguments, "--help").out
        assert " N" in help_text
        assert "RANGE" not in help_text


class TestCatalogue:
    def test_a_purpose_fits_one_line_of_a_terminal(self) -> None:
        for entry in ENTRIES.values():
            assert re.fullmatch(r"[A-Z][^\n]{10,56}\.", entry.purpose), entry

    @pytest.mark.parametrize("name", ENTRIES)
    def test_each_command_has_the_name_that_it_is_listed_by(self, name: str) -> None:
        command = command_group.get_command(click.Context(command_group), name)
        assert command is not None
        assert command.name == name

    def test_no_command_is_listed_twice(self) -> None:
        assert sum(map(len, SECTIONS.values())) == len(ENTRIES)
        assert not ALIASES.keys() & ENTRIES.keys()


class TestHelpCommand:
    def test_it_says_what_the_option_says(self, waveflow: CommandLine) -> None:
        assert waveflow("help") == waveflow("--help")
        assert waveflow("help", "analyse") == waveflow("analyze", "--help")
        assert waveflow("help", "queue", "redrive") == waveflow("queue", "redrive", "--help")

    def test_what_does_not_exist_can_not_be_explained(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("help", "analize").startswith(
            "No such command 'analize'. Did you mean 'analyze'?"
        )
        assert waveflow.misused("help", "queue", "statis") == (
            "No such command 'statis'. Did you mean 'status'?"
        )
        assert waveflow.misused("help", "mix", "down") == (
            "'waveflow mix' has no commands below it."
        )


def test_the_reference_is_what_the_commands_say() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reference(), (
        "renew it: python -m tests.support.command_reference --write"
    )
