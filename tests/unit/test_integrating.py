"""What docs/integrating.md and docs/main-server.md show is code of files, and true."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import fields_dict
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.support.doc_blocks import Block, blocks_in, code_of, mended
from waveflow.adapters.notifier.signing import parse_secrets, signatures
from waveflow.adapters.notifier.told import event_told, request_of
from waveflow.adapters.notifier.wire import COMPLETION, ENDPOINTS
from waveflow.application.commands import (
    AnalysisRequest,
    DuplicateRequest,
    HashRequest,
    MixRequest,
)
from waveflow.domain.levels import Levels
from waveflow.entrypoints.cli.main import waveflow
from waveflow.entrypoints.messages import WIRE_NAMES, MessageParser

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
RECEIVER = EXAMPLES / "receiver" / "src"
DOCUMENTS = ["docs/integrating.md", "docs/main-server.md"]
BLOCKS = [
    (document, block)
    for document in DOCUMENTS
    for block in blocks_in((ROOT / document).read_text(encoding="utf-8"))
]
FROM_FILES = [(document, block) for document, block in BLOCKS if block.language != "sh"]
COMMANDS = [
    line
    for _, block in BLOCKS
    if block.language == "sh"
    for line in block.text.splitlines()
    if line and not line.startswith("#")
]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
REQUESTS = {
    "HashRequest": HashRequest,
    "DuplicateRequest": DuplicateRequest,
    "AnalysisRequest": AnalysisRequest,
    "MixRequest": MixRequest,
}


def content(path: str) -> Any:
    return json.loads((EXAMPLES / path).read_text(encoding="utf-8"))


class TestBlocks:
    @pytest.mark.parametrize("block", FROM_FILES, ids=lambda each: each[1].source)
    def test_each_is_what_its_file_has(self, block: tuple[str, Block]) -> None:
        document, found = block
        assert found.source is not None, f"{document}: where is this from?\n{found.text}"
        mend = f"python -m tests.support.doc_blocks {document}"
        assert found.text == code_of(found.source), f"To bring it up to date: {mend}"

    def test_there_are_some(self) -> None:
        assert len(FROM_FILES) > 25

    def test_mending_takes_what_the_file_has_and_leaves_the_rest(self) -> None:
        source = "examples/python/verify.py#verify"
        before = f"a\n```python file={source}\nold\n```\nb\n```sh\nls\n```\n"
        after = f"a\n```python file={source}\n{code_of(source)}```\nb\n```sh\nls\n```\n"
        assert mended(before) == mended(after) == after

    def test_a_region_that_there_is_not_is_told(self) -> None:
        with pytest.raises(LookupError, match="no region"):
            code_of("examples/python/verify.py#missing")


LINKS = [
    (document, link)
    for document in DOCUMENTS
    for link in re.findall(r"\]\(([^)]+)\)", (ROOT / document).read_text(encoding="utf-8"))
    if not link.startswith("https://")
]


@pytest.mark.parametrize(("document", "link"), LINKS)
def test_every_link_leads_somewhere(document: str, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (ROOT / document).parent / name if name else ROOT / document
    assert target.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {anchor_of(heading) for heading in headings}


def anchor_of(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class TestCommands:
    @pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("waveflow ")])
    def test_each_of_ours_is_one_that_there_is(self, line: str) -> None:
        arguments = shlex.split(line, comments=True)[1:]
        command: click.Command = waveflow
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), arguments.pop(0))
            assert found is not None
            command = found
        known = {option for each in command.params for option in each.opts} | {"--help"}
        assert {each for each in arguments if each.startswith("--")} <= known

    @pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("npm ")])
    def test_each_of_npm_is_a_script_of_the_folder(self, line: str) -> None:
        words = shlex.split(line)
        folder = ROOT / words[words.index("--prefix") + 1]
        assert (folder / "package.json").is_file()
        if words[1] == "ci":
            assert (folder / "package-lock.json").is_file()
        else:
            name = words[2] if words[1] == "run" else words[1]
            assert name in json.loads((folder / "package.json").read_text())["scripts"]

    def test_no_other_is_left_untried(self) -> None:
        known = ("waveflow ", "npm ", "export ", "echo ")
        assert [line for line in COMMANDS if not line.startswith(known)] == []

    def test_the_secret_that_is_made_can_be_used(self) -> None:
        assert 'echo "whsec_$(openssl rand -base64 32)"' in COMMANDS
        assert len(parse_secrets("whsec_" + "A" * 43 + "=")) == 1


class TestMessages:
    @pytest.mark.parametrize(
        ("name", "request_type"),
        [
            ("hash", HashRequest),
            ("hash-flat", HashRequest),
            ("hash-bare", HashRequest),
            ("duplicate", DuplicateRequest),
            ("analysis", AnalysisRequest),
            ("mix", MixRequest),
        ],
    )
    def test_each_is_understood_whole(self, name: str, request_type: type) -> None:
        message = content(f"messages/{name}.json")
        parsed = MessageParser(default_num_peaks=4000).parse(json.dumps(message))
        assert type(parsed.command) is request_type
        assert parsed.task_id == message.get("id")
        fields = message.get("kwargs", message).keys() - {"task"}
        assert fields <= wire_names(request_type)

    @pytest.mark.parametrize("name", REQUESTS)
    def test_the_types_have_every_field(self, name: str) -> None:
        text = (RECEIVER / "stems" / "messages.ts").read_text()
        declared, required = fields_of(text, name)
        if name != "MixRequest":
            more, needed = fields_of(text, "OfStem")
            declared, required = declared | more, required | needed
        assert declared == wire_names(REQUESTS[name])
        # Who sends always knows user and track, though they may be left out.
        assert required - {"userId", "trackId"} == {
            WIRE_NAMES.get(field.name, field.name)
            for field in fields_dict(REQUESTS[name]).values()
            if field.name in ("stem_id", "filepath", "stage_id", "stem_paths")
            and (name, field.name) != ("HashRequest", "stage_id")
        } | ({"audio_hash"} if name == "DuplicateRequest" else set())


def wire_names(request_type: type) -> set[str]:
    return {WIRE_NAMES.get(name, name) for name in fields_dict(request_type)}


def fields_of(typescript: str, name: str) -> tuple[set[str], set[str]]:
    """All fields of an interface, and those that may not be left out."""
    found = re.search(rf"interface {name}\b.*?^}}", typescript, re.DOTALL | re.MULTILINE)
    assert found is not None
    fields = re.findall(r"^  (\w+)(\??):", found[0], re.MULTILINE)
    return {field for field, _ in fields}, {field for field, mark in fields if not mark}


class TestWebhooks:
    @pytest.mark.parametrize(
        ("name", "endpoint"),
        [
            ("hash-check", "/hash-check"),
            ("completion", "/completion"),
            ("completion-duplicate", "/completion"),
            ("completion-failed", "/completion"),
            ("mixing-complete", "/mixing-complete"),
            ("mixing-complete-failed", "/mixing-complete"),
        ],
    )
    def test_each_is_one_that_waveflow_sends(self, name: str, endpoint: str) -> None:
        body = content(f"webhooks/{name}.json")
        assert request_of(event_told(endpoint, "msg_1", body)).body == body

    def test_those_with_everything_on_are_too(self) -> None:
        levels = content("webhooks/levels.json")
        dat = {"waveform_dat_path": "waveforms/stem789_waveform_2024-01-01T10:05:00.123456Z.dat"}
        completion = content("webhooks/completion.json")
        completion["result"] |= dat | {"levels": levels}
        mixing = content("webhooks/mixing-complete.json") | dat | {"levels": levels}
        for endpoint, body in (("/completion", completion), ("/mixing-complete", mixing)):
            assert request_of(event_told(endpoint, "msg_1", body)).body == body

    def test_the_types_have_every_key(self) -> None:
        text = (RECEIVER / "webhooks" / "bodies.ts").read_text()
        named = set(re.findall(r"\b(\w+)\??:", text))
        for path in sorted((EXAMPLES / "webhooks").glob("*.json")):
            body = json.loads(path.read_text())
            assert {*body, *body.get("result", {})} <= named, path.name

    def test_the_controller_has_every_endpoint(self) -> None:
        text = (RECEIVER / "webhooks" / "webhooks.controller.ts").read_text()
        assert {f"/{path}" for path in re.findall(r"@Post\('(.*)'\)", text)} == set(ENDPOINTS)

    @pytest.mark.parametrize("name", ["headers", "repeated"])
    def test_the_headers_are_those_of_the_completion(self, name: str) -> None:
        body = json.dumps(content("webhooks/completion.json"), ensure_ascii=False).encode()
        text = (EXAMPLES / "webhooks" / f"{name}.http").read_text()
        deliveries = [
            dict(re.findall(r"^([\w-]+): (.*)$", one, re.M)) for one in text.split("\n\n")
        ]
        assert len({each["webhook-id"] for each in deliveries}) == 1
        assert text.count(f"POST /webhooks{COMPLETION} HTTP/1.1") == len(deliveries)
        for headers in deliveries:
            timestamp_s = int(headers["webhook-timestamp"])
            ours = signatures(parse_secrets(SECRET), headers["webhook-id"], timestamp_s, body)
            assert headers["webhook-signature"] == ours

    def test_the_levels_are_levels(self) -> None:
        data = content("webhooks/levels.json")
        assert Levels.from_data(data).as_data() == data

    def test_the_types_have_every_level(self) -> None:
        data = content("webhooks/levels.json")
        text = (RECEIVER / "webhooks" / "bodies.ts").read_text()
        file, channel = fields_of(text, "Levels")[0], fields_of(text, "ChannelLevels")[0]
        assert channel == set(data["channels"][0])
        assert file | channel == set(data)


class TestFailures:
    def test_every_code_is_somebodys_to_mend(self) -> None:
        text = (RECEIVER / "stems" / "failures.ts").read_text()
        ours = [set(re.findall(r"'(\w+)'", part)) for part in text.split("ReadonlySet<")[1:]]
        musicians, kept = ours
        listed = who_mends()
        assert musicians == {code for code, who in listed.items() if "musician" in who}
        assert kept == {code for code in listed if code in KEPT}
        assert not musicians & kept


KEPT = {"last_copy", "unknown_content", "content_changed", "owner_lost"}


def who_mends() -> dict[str, str]:
    """From docs/troubleshooting.md: by code, who does what about it."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    _, _, table = text.partition("## Codes of failures")
    found: dict[str, str] = {}
    for codes, who in re.findall(r"^\| (`.*?) \|.*\| (.*) \|$", table, re.MULTILINE):
        if who.startswith("the same"):
            who = next(reversed(found.values()))
        found |= dict.fromkeys(re.findall(r"`(\w+)`", codes), who)
    return found


class TestPython:
    def verified(self, *arguments: Any) -> Any:
        spec = importlib.util.spec_from_file_location("verify", EXAMPLES / "python" / "verify.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.verified(*arguments)

    def headers(self, body: bytes, secret: str = SECRET) -> dict[str, str]:
        now_s = int(datetime.now(UTC).timestamp())
        signature = signatures(parse_secrets(secret), "msg_1", now_s, body)
        return {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(now_s),
            "webhook-signature": signature,
        }

    def test_what_one_of_our_secrets_has_signed_is_let_in(self) -> None:
        body = '{"original_filename": "드럼 (1).wav"}'.encode()
        other = "whsec_" + "bmV3" * 8
        for secrets in ([SECRET], [other, SECRET], [SECRET, other]):
            found = self.verified(body, self.headers(body), secrets)
            assert found == {"original_filename": "드럼 (1).wav"}

    def test_everything_else_is_not(self) -> None:
        body = b'{"stemId": "s1"}'
        other = "whsec_" + "bmV3" * 8
        for altered, headers, secrets in (
            (b'{"stemId": "s2"}', self.headers(body), [SECRET]),
            (body, self.headers(body, other), [SECRET]),
            (body, self.headers(body), []),
            (body, {}, [SECRET]),
        ):
            with pytest.raises(WebhookVerificationError):
                self.verified(altered, headers, secrets)

    def test_the_library_signs_as_we_do(self) -> None:
        at = datetime.now(UTC)
        ours = signatures(parse_secrets(SECRET), "msg_1", int(at.timestamp()), b"{}")
        assert Webhook(SECRET).sign("msg_1", at, "{}") == ours


class TestPackages:
    def test_versions_are_exact_and_no_registry_is_named(self) -> None:
        for path in (EXAMPLES / "receiver", EXAMPLES / "browser"):
            package = json.loads((path / "package.json").read_text())
            versions = package.get("dependencies", {}) | package.get("devDependencies", {})
            assert all(re.fullmatch(r"\d+\.\d+\.\d+", each) for each in versions.values())
        lock = json.loads((EXAMPLES / "package-lock.json").read_text())
        for name, package in lock["packages"].items():
            if "node_modules/" in name and not package.get("link"):
                assert "resolved" not in package
                assert package["integrity"].startswith("sha512-")
