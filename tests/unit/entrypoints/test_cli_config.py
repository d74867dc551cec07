"""`waveflow config`: every setting, where it comes from, what is wrong, and no secret."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

from tests.unit.entrypoints.command_line import CommandLine
from waveflow.entrypoints.cli.config.in_force import shown_address
from waveflow.entrypoints.setting_meanings import MEANINGS
from waveflow.entrypoints.settings import Settings

README = Path(__file__).parents[3] / "README.md"
NAMES = [attribute.metadata["variable"] for attribute in fields(Settings)]
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/stems"
PASSWORD, TOKEN = "CanaryPassword0001", "CanaryQueryToken0001"
KEYS = [base64.b64encode(f"canary signing secret nr. {n}...".encode()).decode() for n in "12"]


@pytest.fixture
def production(
    waveflow: CommandLine,  # It takes all settings away first.
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The settings of a deployment, secrets included."""
    for name, value in {
        "S3_BUCKET_NAME": "stems",
        "SQS_QUEUE_URL": QUEUE_URL,
        "WEBHOOK_URL": f"https://user:{PASSWORD}@api.example.com/hooks?token={TOKEN}",
        "WAVEFLOW_WEBHOOK_SECRET": " ".join(KEYS),
        "AWS_ACCESS_KEY_ID": "AKIACANARY0001",
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_ENDPOINT_URL": f"https://user:{PASSWORD}@aws.example.com?token={TOKEN}",
        "HTTPS_PROXY": f"http://user:{PASSWORD}@proxy.example.com:3128",
        "WAVEFLOW_SLOTS": "4",
    }.items():
        monkeypatch.setenv(name, value)


def settings(document: Any) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in document["settings"]}


class TestTable:
    def test_without_settings_all_of_them_are_defaults(self, waveflow: CommandLine) -> None:
        outcome = waveflow("config")
        assert (outcome.code, outcome.err) == (0, "")
        head, *lines = outcome.out.splitlines()
        assert re.split(" {2,}", head) == ["setting", "value", "from"]
        rows = [re.split(" {2,}", line) for line in lines]
        assert [name for name, _, _ in rows] == NAMES
        assert {origin for name, _, origin in rows if name != "WAVEFLOW_WORK_DIR"} == {"default"}
        assert ["RETRY_DELAY", "60 s", "default"] in rows
        assert ["MAX_FILE_SIZE_MB", "100 MB", "default"] in rows
        assert ["ALLOWED_MIME_TYPES", "all", "default"] in rows
        assert ["S3_BUCKET_NAME", "–", "default"] in rows

    @pytest.mark.usefixtures("production")
    def test_what_follows_says_from_what(self, waveflow: CommandLine) -> None:
        rows = [
            re.split(" {2,}", line)
            for line in waveflow("config", "--changed").out.partition("\n\n")[0].splitlines()
        ]
        assert rows[1:] == [
            ["S3_BUCKET_NAME", "stems", "environment"],
            ["SQS_QUEUE_URL", QUEUE_URL, "environment"],
            [
                "WEBHOOK_URL",
                "https://api.example.com/hooks (login or query hidden)",
                "environment",
            ],
            ["WAVEFLOW_WEBHOOK_SECRET", "2 keys (hidden)", "environment"],
            ["WAVEFLOW_STORAGE", "s3", "S3_BUCKET_NAME is set"],
            ["WAVEFLOW_QUEUE", "sqs", "SQS_QUEUE_URL is set"],
            ["WAVEFLOW_NOTIFIER", "webhook", "WEBHOOK_URL is set"],
            ["WAVEFLOW_SLOTS", "4", "environment"],
            ["WAVEFLOW_WORK_DIR", rows[-1][1], "environment"],
        ]

    def test_nothing_changed_is_said(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("WAVEFLOW_WORK_DIR")
        assert waveflow("config", "--changed").out == "All settings have their defaults.\n"

    def test_a_backend_that_was_chosen_by_name_follows_from_nothing(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("S3_BUCKET_NAME", "stems")
        monkeypatch.setenv("WAVEFLOW_STORAGE", "Memory")
        storage = settings(waveflow("config", "--json").json)["WAVEFLOW_STORAGE"]
        assert (storage["value"], storage["source"]) == ("memory", "environment")

    def test_it_has_no_colours_where_nobody_looks(self, waveflow: CommandLine) -> None:
        assert "\x1b" not in waveflow("config").out

    def test_colours_can_be_demanded(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "\x1b[2mLOG_LEVEL" in waveflow("config").out
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b" not in waveflow("config").out

    def test_what_would_move_a_terminal_is_shown_as_letters(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WAVEFLOW_HTTP_HOST", "here\x1b[2J\nthere")
        outcome = waveflow("config", "http_host")
        assert outcome.facts["value"] == r"here\x1b[2J\nthere"


class TestJson:
    @pytest.mark.usefixtures("production")
    def test_it_has_everything_with_its_unit_default_and_meaning(
        self, waveflow: CommandLine
    ) -> None:
        document = waveflow("config", "--json").json
        assert list(settings(document)) == NAMES
        assert settings(document)["WAVEFLOW_TASK_TIMEOUT_S"] == {
            "name": "WAVEFLOW_TASK_TIMEOUT_S",
            "value": 600.0,
            "unit": "s",
            "source": "default",
            "because": None,
            "default": 600.0,
            "meaning": "seconds for one decode or mix; the child is then killed",
            "usable": True,
        }
        assert settings(document)["WAVEFLOW_QUEUE"]["because"] == "SQS_QUEUE_URL is set"
        assert len(settings(document)["ALLOWED_MIME_TYPES"]["value"]) == 12
        assert settings(document)["WAVEFLOW_LEVELS"]["value"] is False
        assert document["problems"] == document["hints"] == []
        assert document["aws"]["credentials"] == "keys in AWS_ACCESS_KEY_ID, temporary ones"

    @pytest.mark.usefixtures("production")
    @pytest.mark.parametrize("arguments", [[], ["--json"], ["--changed"], NAMES])
    def test_no_secret_is_in_it(self, waveflow: CommandLine, arguments: list[str]) -> None:
        outcome = waveflow("config", *arguments)
        assert outcome.code == 0
        said = outcome.out + outcome.err
        for secret in (PASSWORD, TOKEN, *KEYS, "AKIACANARY0001", "canary signing"):
            assert secret not in said
        assert "api.example.com/hooks" in said

    @pytest.mark.parametrize(
        ("environment", "facts"),
        [
            ({}, []),
            (
                {"S3_BUCKET_NAME": "stems"},
                ["credentials", "region of the bucket", "endpoint of S3"],
            ),
            (
                {"SQS_QUEUE_URL": QUEUE_URL},
                ["credentials", "region of the queue", "endpoint of SQS"],
            ),
        ],
    )
    def test_of_aws_only_what_is_used_is_told(
        self,
        waveflow: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
        environment: dict[str, str],
        facts: list[str],
    ) -> None:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert list(waveflow("config", "--json").json["aws"]) == facts


class TestProblems:
    @pytest.fixture
    def _mistakes(self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WAVEFLOW_STORGE", "x")
        monkeypatch.setenv("LOG_LEVEL", "loud")
        monkeypatch.setenv("MAX_RETRIES", "5")
        monkeypatch.setenv("WAVEFLOW_QUEUE", "sqs")

    @pytest.mark.usefixtures("_mistakes")
    def test_all_of_them_are_told_and_the_rest_is_shown(self, waveflow: CommandLine) -> None:
        outcome = waveflow("config", "--changed")
        assert outcome.code == 2
        assert re.search(r"LOG_LEVEL +can't be used, see below +environment\n", outcome.out)
        assert re.search(r"MAX_RETRIES +5 +environment\n", outcome.out)
        unknown, level, missing = outcome.err.splitlines()
        assert unknown.startswith("waveflow: WAVEFLOW_STORGE is set, but there is no such")
        assert level.startswith("waveflow: LOG_LEVEL is 'loud'; it must be one of: debug,")
        assert missing == (
            "waveflow: WAVEFLOW_QUEUE is sqs, which needs SQS_QUEUE_URL; it is not set."
        )

    @pytest.mark.usefixtures("_mistakes")
    def test_with_json_they_are_in_the_document(self, waveflow: CommandLine) -> None:
        outcome = waveflow("config", "--json")
        assert (outcome.code, outcome.err, len(outcome.json["problems"])) == (2, "", 3)
        level = settings(outcome.json)["LOG_LEVEL"]
        assert (level["value"], level["source"], level["usable"]) == (None, "environment", False)

    def test_a_worker_needs_more_than_other_commands(self, waveflow: CommandLine) -> None:
        assert waveflow("config").code == 0
        outcome = waveflow("config", "--worker")
        assert outcome.code == 2
        assert [line.split()[1] for line in outcome.err.splitlines()] == [
            "S3_BUCKET_NAME",
            "SQS_QUEUE_URL",
            "WEBHOOK_URL",
        ]

    def test_a_forgotten_prefix_is_a_hint_and_no_mistake(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WEBHOOK_SECRET", "x")
        outcome = waveflow("config")
        assert outcome.code == 0
        assert outcome.err == (
            "waveflow: WEBHOOK_SECRET is set, which WaveFlow doesn't read; its own setting is"
            " called WAVEFLOW_WEBHOOK_SECRET.\n"
        )
        monkeypatch.setenv("WAVEFLOW_WEBHOOK_SECRET", KEYS[0])
        assert waveflow("config").err == ""

    def test_what_aws_will_refuse_is_a_mistake(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("S3_BUCKET_NAME", "stems")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("AWS_PROFILE", "nobody's")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
        outcome = waveflow("config")
        assert outcome.code == 2
        assert "no such profile" in outcome.err
        assert "AWS_SECRET_ACCESS_KEY is not; set both, or neither." in outcome.err


class TestOneSetting:
    @pytest.mark.parametrize("name", ["WAVEFLOW_SLOTS", "slots", "Waveflow_Slots"])
    def test_it_is_explained_however_it_is_called(self, waveflow: CommandLine, name: str) -> None:
        assert waveflow("config", name).facts == {
            "setting": "WAVEFLOW_SLOTS",
            "value": "8",
            "from": "default",
            "default": "8",
            "meaning": MEANINGS["WAVEFLOW_SLOTS"],
        }

    def test_several_stand_below_each_other(self, waveflow: CommandLine) -> None:
        first, second = waveflow("config", "queue", "log_level").out.split("\n\n")
        assert "LOG_LEVEL" in first
        assert "WAVEFLOW_QUEUE" in second

    def test_one_that_does_not_exist_is_wrong_usage(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("config", "slot").endswith(
            "There is no setting 'slot'; did you mean WAVEFLOW_SLOTS?"
        )
        assert waveflow.misused("config", "42").endswith(
            "There is no setting '42'. `waveflow config` lists all of them."
        )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("eu-west-1", "eu-west-1"),
        ("arn:aws:s3:eu-west-1:123456789012:accesspoint/stems", None),
        ("http://there:4566", None),
        ("https://user:hush@there/a?b=hush", "https://there/a (login or query hidden)"),
        ("HTTPS://there/a?token=hush", "https://there/a (login or query hidden)"),
        ("socks5://user:hush@proxy:1080", "socks5://proxy:1080 (login or query hidden)"),
        ("user:hush@proxy:3128", "proxy:3128 (login or query hidden)"),
        ("hush@proxy", "proxy (login or query hidden)"),
        ("http://[hush", "(hidden: not an address)"),
        ("http://user:hu/sh@proxy:3128", "(hidden: there may be a login in it)"),
        ("http://user:12?sh@proxy:3128", "(hidden: there may be a login in it)"),
        ("http://user:12#sh@proxy:3128", "(hidden: there may be a login in it)"),
        ("user:hu/sh@proxy:3128", "(hidden: there may be a login in it)"),
        ("::1", None),
    ],
)
def test_of_an_address_only_the_place_is_shown(text: str, shown: str | None) -> None:
    assert shown_address(text) == (shown or text)


def test_the_meanings_are_those_of_the_readme() -> None:
    rows = re.findall(
        r"^\| `([A-Z0-9_]+)` \| [^|]* \| ([^|]+) \|$", README.read_text(), re.MULTILINE
    )
    listed = {name: _plain(meaning) for name, meaning in rows}
    assert listed == MEANINGS
    assert sorted(listed) == sorted(NAMES)


def _plain(markdown: str) -> str:
    """Without links, a reference in brackets, and what sets code off."""
    without_references = re.sub(r" \(\[[^]]*\]\([^)]*\)\)", "", markdown)
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", without_references).replace("`", "")
