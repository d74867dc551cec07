"""The world of one cell, bucket and queues of its own, and what is found in it afterwards."""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import define, frozen

from tests.campaigns.fault_matrix_faults import message_of_any, pattern_of
from tests.campaigns.fault_matrix_scenarios import OWNER_TOKEN, SONG, TRACK, Scenario, hash_of
from tests.campaigns.fault_matrix_server import PlainServer, md5_of
from tests.support.aws_servers import Queues

_OF_THE_MOMENT: Final = (
    "created_at",
    "processing_time",
    "timestamp",
    "processed_at",
    "asked_at_ms",
)
"""What may differ from one try at the same work to the next."""


@define
class World:
    """Bucket and queues, and the one message that is sent."""

    server: PlainServer
    scenario: Scenario
    bucket: str
    queues: Queues
    message_id: str = ""

    def send(self) -> None:
        """Send the scenario's message."""
        self.message_id = self.server.send(self.queues.url, self.scenario.body)

    def depth(self) -> tuple[int, int]:
        """How many messages are visible, and how many are lent out."""
        return self.server.depth(self.queues.url)

    def make_visible(self, receipt: str) -> None:
        """Let the message come again at once."""
        self.server.ask(
            "ChangeMessageVisibility",
            QueueUrl=self.queues.url,
            ReceiptHandle=receipt,
            VisibilityTimeout=0,
        )

    def objects(self) -> Objects:
        """Everything in the bucket, in a form that is the same for every message."""
        stored = self.server.stored(self.bucket)
        found: dict[str, str] = {}
        for each in stored:
            name = pattern_of(each.key)
            if name in found:
                name = f"another {name}"  # A second result of one message.
            content = each.etag
            if each.key.endswith(".json") or each.key.startswith("ledger/"):
                content = self._comparable(self.server.content(self.bucket, each.key))
            found[name] = content
        return Objects(found)

    def letters(self) -> list[tuple[str, str | None]]:
        """Body and reason of what lies in the dead-letter queue."""
        url = self.queues.dead_letter_url
        return self.server.letters(url) if url else []

    def _comparable(self, content: bytes) -> str:
        return comparable(json.loads(content))


@frozen
class Objects:
    """Keys, in general terms, and what is under each: an MD5, or JSON without its moments."""

    by_key: dict[str, str]

    def without(self, key: str) -> Objects:
        """All but one of them."""
        return Objects({each: text for each, text in self.by_key.items() if each != key})

    def beside(self, other: Objects) -> str:
        """In which they differ from others, in words; empty when in nothing."""
        ours, theirs = self.by_key, other.by_key
        words = [f"{key} is there" for key in sorted(ours.keys() - theirs.keys())]
        words += [f"{key} is missing" for key in sorted(theirs.keys() - ours.keys())]
        for key in sorted(ours.keys() & theirs.keys()):
            if ours[key] != theirs[key]:
                words.append(f"{key} is {ours[key][:400]}, not {theirs[key][:400]}")
        return "; ".join(words)


def comparable(value: Any) -> str:
    """JSON as text, without what differs from one try at the same work to the next."""
    if isinstance(value, dict):
        value = {name: part for name, part in value.items() if name not in _OF_THE_MOMENT}
    return message_of_any(json.dumps(value, sort_keys=True))


def build(server: PlainServer, scenario: Scenario) -> World:
    """The world as the scenario's message finds it."""
    bucket = server.new_bucket()
    for key, content in scenario.uploads.items():
        server.put(bucket, key, content)
    if scenario.owner is not None:
        server.put(bucket, f"ledger/{TRACK}/{hash_of(SONG)}", ledger_line(scenario.owner))
    return World(server, scenario, bucket, server.new_queues(dead_letters=scenario.dead_letters))


def ledger_line(owner: str, token: str = OWNER_TOKEN, condemned: tuple[str, ...] = ()) -> bytes:
    """A line of the ledger, as the contract has it, that makes `owner` the owner of SONG."""
    return json.dumps(
        {
            "condemned": list(condemned),
            "etag": md5_of(SONG),
            "path": owner,
            "size_bytes": len(SONG),
            "token": token,
            "user_id": None,
        }
    ).encode()
