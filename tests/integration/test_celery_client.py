"""What a real Celery client sends to a real SQS server, read from its queue as WaveFlow does."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws_servers import AwsServer
from tests.support.celery_client import (
    QUEUE,
    Protocol,
    broker_url,
    celery_app,
    connection_to,
    send,
    transport_options,
)
from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
)
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage
from waveflow.entrypoints.messages import (
    ANALYSIS_TASK,
    DUPLICATE_TASK,
    HASH_TASK,
    MIX_TASK,
    MessageParser,
)

PARSER = MessageParser(default_num_peaks=4000)
STEM = {"stemId": "stem-1", "filepath": "a/드럼 (1).wav", "userId": None, "trackId": "트랙"}
ATTRIBUTES = {"stem_id": "stem-1", "filepath": "a/드럼 (1).wav", "track_id": "트랙"}
CALLS: list[tuple[str, dict[str, Any], Command]] = [
    (HASH_TASK, STEM | {"timestamp": 1.5}, HashRequest(**ATTRIBUTES, timestamp=1.5)),
    (DUPLICATE_TASK, STEM | {"audio_hash": "ab"}, DuplicateRequest(**ATTRIBUTES, audio_hash="ab")),
    (ANALYSIS_TASK, STEM | {"num_peaks": 800}, AnalysisRequest(**ATTRIBUTES, num_peaks=800)),
    (
        MIX_TASK,
        {"stageId": "stage-1", "stem_paths": ["a.wav", "나.wav"]},
        MixRequest(stage_id="stage-1", stem_paths=("a.wav", "나.wav")),
    ),
    ("health_check", {}, HealthRequest()),
    ("app.tasks.health_check", {}, HealthRequest()),
    ("cleanup_temp_files", {}, CleanupRequest()),
    ("app.tasks.cleanup_temp_files", {}, CleanupRequest()),
]
PROTOCOLS: tuple[Protocol, ...] = (1, 2)


class Sender:
    """A Celery app and a queue of its own to send to."""

    def __init__(self, server: AwsServer, app: Any) -> None:
        self.server = server
        self.app = app
        self.queue_url = server.new_queues().url

    @contextmanager
    def connection(self, **encoding: Any) -> Iterator[Any]:
        with connection_to(self.server.endpoint_url, self.queue_url, **encoding) as connection:
            yield connection

    def received(self) -> list[str]:
        """The bodies of all messages in the queue, which is empty afterwards."""
        bodies = []
        with closing(self.server.sqs()) as sqs:
            while messages := sqs.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages"):
                for message in messages:
                    bodies.append(message["Body"])
                    sqs.delete_message(
                        QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"]
                    )
        return bodies


@pytest.fixture(params=PROTOCOLS, ids=["protocol 1", "protocol 2"])
def sender(request: pytest.FixtureRequest, aws: AwsServer) -> Iterator[Sender]:
    with celery_app(request.param) as app:
        yield Sender(aws, app)


def test_every_task_arrives_as_it_was_sent_however_it_is_encoded(sender: Sender) -> None:
    sent: dict[str | None, Command] = {}
    for base64, body_encoding in itertools.product((True, False), ("base64", "utf-8")):
        with sender.connection(base64=base64, body_encoding=body_encoding) as connection:
            for task, fields, command in CALLS:
                sent[send(sender.app, connection, task, None, fields)] = command
    bodies = sender.received()
    assert len(bodies) == len(sent) == 4 * len(CALLS)
    assert sum(body.startswith("{") for body in bodies) == 2 * len(CALLS)
    parsed = [PARSER.parse(body) for body in bodies]
    assert {message.task_id: message.command for message in parsed} == sent


def test_schedules_arrive_as_they_were_sent(sender: Sender) -> None:
    due = datetime.now(UTC) + timedelta(minutes=1)
    options: dict[str, dict[str, Any]] = {
        "at": {"eta": due, "expires": due + timedelta(hours=1), "retries": 2},
        "in": {"countdown": 60, "expires": 3660},
        # kombu sends these in the SQS message beside its body, and limits nothing by them.
        "now": {"message_attributes": {"mine": {"StringValue": "x", "DataType": "String"}}},
    }
    with sender.connection() as connection:
        for task_id, wanted in options.items():
            send(sender.app, connection, "health_check", task_id, {}, **wanted)
    parsed = {message.task_id: message for message in map(PARSER.parse, sender.received())}
    times = {"not_before_s": due.timestamp(), "expires_s": due.timestamp() + 3600}
    assert parsed["at"] == ParsedMessage(HealthRequest(), "at", **times, earlier_tries=2)
    assert parsed["in"].not_before_s == pytest.approx(times["not_before_s"], abs=20)
    assert parsed["in"].expires_s == pytest.approx(times["expires_s"], abs=20)
    assert parsed["now"] == ParsedMessage(HealthRequest(), "now")


def test_what_would_be_lost_is_refused(sender: Sender) -> None:
    with sender.connection() as connection:
        following = sender.app.signature(MIX_TASK)
        send(sender.app, connection, HASH_TASK, "linked", STEM, link=following)
        send(sender.app, connection, HASH_TASK, "placed", STEM, args=["a.wav"])
    reasons = {}
    for body in sender.received():
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(body)
        reasons[error.value.task_id] = str(error.value)
    assert "callbacks can't be carried out" in reasons["linked"]
    assert "args must be empty" in reasons["placed"]


@pytest.mark.slow
@pytest.mark.parametrize("base64", [True, False], ids=["base64", "plain"])
def test_the_command_line_client_can_ask_for_a_health_check(
    aws: AwsServer, base64: bool, tmp_path: Path
) -> None:
    sender = Sender(aws, None)
    settings = transport_options(sender.queue_url, base64=base64)
    (tmp_path / "celeryconfig.py").write_text(
        f"broker_transport_options = {settings!r}\ntask_default_queue = {QUEUE!r}\n"
    )
    called = subprocess.run(
        [
            sys.executable,
            "-m",
            "celery",
            "-b",
            broker_url(aws.endpoint_url),
            "call",
            "health_check",
        ],
        cwd=tmp_path,
        env=aws.environment() | {"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert called.returncode == 0, called.stderr
    (body,) = sender.received()
    assert body.startswith("{") is not base64
    assert PARSER.parse(body) == ParsedMessage(HealthRequest(), called.stdout.strip())


def test_kombus_own_envelope_is_what_is_read(sender: Sender) -> None:
    """Should a new version wrap its messages differently, this says so first."""
    with sender.connection(base64=False) as connection:
        send(sender.app, connection, "health_check", "sent-1", {})
    (body,) = sender.received()
    envelope = json.loads(body)
    assert {"body", "content-type", "content-encoding", "headers", "properties"} <= set(envelope)
    assert envelope["properties"]["body_encoding"] == "base64"
    assert ("task" in envelope["headers"]) is (sender.app.conf.task_protocol == 2)
