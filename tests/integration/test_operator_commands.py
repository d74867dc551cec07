"""`waveflow again`, `resend` and `explain` on real servers, with Korean keys."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from attrs import frozen

from tests.support.aws_servers import AwsServer, Queues
from tests.support.contracts.notifier_events import EXAMPLES
from tests.support.http_receiver import HttpReceiver
from tests.support.waveform_documents import stem_document, store_stem
from tests.unit.entrypoints.command_line import CommandLine
from waveflow.adapters.notifier.signing import SigningSecret, signatures
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.adapters.storage.s3_history import S3History
from waveflow.domain.errors import QueueUnavailable, StorageUnavailable
from waveflow.entrypoints.cli.again.report import Report

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
STEMS = "users/u1/projects/t1/stems"
KEYS = {f"s{number}": f"{STEMS}/드럼 ({number}).wav" for number in range(4)}


@frozen
class Place:
    """A bucket with versioning, queues, and what speaks to them."""

    server: AwsServer
    bucket: str
    queues: Queues
    s3: S3Client

    @property
    def storage(self) -> S3AudioStorage:
        """The bucket as the product sees it."""
        return S3AudioStorage(self.bucket)

    def upload(self, key: str, content: bytes = b"drums") -> None:
        """Store an upload."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def bodies_left(self) -> int:
        """How many messages are on the queue."""
        return SqsQueue(self.queues.url).facts().visible

    def bodies(self) -> list[dict[str, Any]]:
        """What is on the queue, which is taken off it, by stem."""
        queue, found = SqsQueue(self.queues.url), list[dict[str, Any]]()
        while messages := queue.receive(10, 0.0):
            for message in messages:
                found.append(json.loads(message.body))
                queue.delete(message)
        return sorted(found, key=lambda body: str(body["kwargs"]["stemId"]))


@pytest.fixture
def place(aws: AwsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """Four stems that were analysed; the settings of a deployment are in the environment."""
    for name in [name for name in os.environ if name.startswith("WAVEFLOW_")]:
        monkeypatch.delenv(name)
    s3, bucket, queues = aws.s3(), aws.new_bucket(), aws.new_queues()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    settings = {"S3_BUCKET_NAME": bucket, "SQS_QUEUE_URL": queues.url}
    for name, value in (settings | {"WAVEFLOW_WORK_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    place = Place(aws, bucket, queues, s3)
    for stem_id, key in KEYS.items():
        place.upload(key)
        store_stem(place.storage, stem_id, stem_document(key))
    yield place
    s3.close()


@pytest.fixture
def waveflow(place: Place, capsys: pytest.CaptureFixture[str]) -> Iterator[CommandLine]:
    yield CommandLine(capsys)
    structlog.reset_defaults()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        monkeypatch.setenv("WEBHOOK_URL", receiver.url)
        monkeypatch.setenv("WAVEFLOW_WEBHOOK_SECRET", SECRET)
        yield receiver


FAST = ("--per-second", "1000", "--yes")
on_both = pytest.mark.parametrize(
    "aws", ["moto", pytest.param("ministack", marks=pytest.mark.slow)], indirect=True
)


@on_both
class TestAgain:
    def test_messages_are_those_that_the_main_server_sends(
        self, waveflow: CommandLine, place: Place
    ) -> None:
        place.upload("users/u1/never.wav")
        outcome = waveflow("again", "users/u1/", *FAST)
        assert outcome.code == 1
        assert "users/u1/never.wav: no known stem" in outcome.err
        assert "a second /completion" in outcome.err
        bodies = place.bodies()
        assert [body["kwargs"]["filepath"] for body in bodies] == list(KEYS.values())
        first = bodies[0]
        assert first.keys() == {"task", "id", "args", "kwargs"}
        assert (first["task"], first["args"]) == ("app.tasks.process_audio_analysis", [])
        assert first["id"].startswith("analysis-s0-")
        moment = first["kwargs"].pop("timestamp")
        assert moment.endswith("Z")
        assert first["kwargs"] == {
            "stemId": "s0",
            "filepath": KEYS["s0"],
            "audio_hash": "ab" * 32,
            "userId": "u1",
            "trackId": "t1",
            "original_filename": "드럼 (0).wav",
            "num_peaks": 2,
        }

    @pytest.mark.slow
    def test_a_run_that_was_broken_off_goes_on_where_it_was(
        self,
        waveflow: CommandLine,
        place: Place,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        state, sent = tmp_path / "again.json", list[str]()
        send = SqsQueue.send

        def fail_after_two(queue: SqsQueue, body: str) -> str:
            if len(sent) == 2:
                raise QueueUnavailable("SQS is away.")
            sent.append(body)
            return send(queue, body)

        with monkeypatch.context() as patched:
            patched.setattr(SqsQueue, "send", fail_after_two)
            outcome = waveflow("again", "users/", "--state", state, *FAST)
        assert outcome.code == 3
        assert "sent  2" in outcome.out
        other = waveflow("again", "users/u1/", "--state", state, *FAST)
        assert (other.code, place.bodies_left()) == (2, 2)
        assert f"--state: {state} belongs to another run" in other.err
        # What was analysed again meanwhile is no reason to do it once more.
        newer = "2026-11-22T02:00:00.123456Z"
        store_stem(place.storage, "s0", stem_document(KEYS["s0"]), newer)
        outcome = waveflow("again", "users/", "--state", state, *FAST, "--json")
        assert outcome.code == 0
        assert outcome.lines[-1] == {"sums": {"sent_before": 2, "sent": 2}}
        assert [body["kwargs"]["stemId"] for body in place.bodies()] == list(KEYS)
        assert not state.exists()

    def test_one_stem_needs_no_leave(self, waveflow: CommandLine, place: Place) -> None:
        assert waveflow("again", "--stem-id", "s1", "--num-peaks", "800").code == 0
        [body] = place.bodies()
        assert (body["kwargs"]["filepath"], body["kwargs"]["num_peaks"]) == (KEYS["s1"], 800)

    @pytest.mark.slow
    def test_more_than_a_handful_is_not_sent_unasked(
        self, waveflow: CommandLine, place: Place
    ) -> None:
        for number in range(2):
            place.upload(f"users/u1/{number}.wav")
        outcome = waveflow("again", "users/u1/")
        assert outcome.code == 2
        assert "Have up to 6 stems analysed again? There is no terminal" in outcome.err
        assert place.bodies() == []


@pytest.mark.parametrize("aws", ["moto"], indirect=True)
class TestResend:
    def test_it_arrives_signed_anew_with_its_old_id(
        self, waveflow: CommandLine, receiver: HttpReceiver
    ) -> None:
        assert waveflow("resend", "--stem-id", "s2").code == 0
        [request] = receiver.wait_for(1)
        assert request.path == "/completion"
        assert request.headers["webhook-id"] == "msg_m1.completion.success"
        assert request.json()["original_filename"] == "드럼 (2).wav"
        signed_s = int(request.headers["webhook-timestamp"])
        assert request.headers["webhook-signature"] == signatures(
            [SigningSecret.parse(SECRET)], "msg_m1.completion.success", signed_s, request.body
        )

    @pytest.mark.slow
    def test_a_server_that_is_away_ends_it_and_says_where_to_go_on(
        self, waveflow: CommandLine, receiver: HttpReceiver, tmp_path: Path
    ) -> None:
        receiver.go_away()
        outcome = waveflow("resend", "--log", completions(tmp_path, 5), *FAST, "--json")
        assert outcome.code == 3
        assert outcome.json["sent"] == []
        problems = [each["problem"] for each in outcome.json["problems"]]
        assert problems[3:] == ["It was not tried any more."] * 2
        # The first that was not taken, not the first that was not tried.
        assert "Go on with --since 2026-11-22T01:00:00Z." in outcome.err

    @pytest.mark.slow
    def test_one_that_is_refused_keeps_no_other_from_being_sent(
        self, waveflow: CommandLine, receiver: HttpReceiver, tmp_path: Path
    ) -> None:
        receiver.decide(
            lambda _, body: (422 if body["processing_time"] == 1 else 200, {"success": True})
        )
        outcome = waveflow("resend", "--log", completions(tmp_path, 3), *FAST, "--json")
        assert outcome.code == 1
        assert len(outcome.json["sent"]) == 2
        assert "status 422" in outcome.json["problems"][0]["problem"]

    @pytest.mark.slow
    def test_a_handler_that_fails_is_a_problem(
        self, waveflow: CommandLine, receiver: HttpReceiver
    ) -> None:
        receiver.decide(lambda _, __: (200, {"success": False}))
        outcome = waveflow("resend", "--stem-id", "s2")
        assert outcome.code == 1
        assert "its handler failed" in outcome.err
        assert len(receiver.requests()) == 1


def completions(folder: Path, count: int) -> Path:
    """A log of so many /completion, a minute after another."""
    body = EXAMPLES["stem analysed"].arrives.body
    lines = [
        {
            "event": "webhook_delivered",
            "timestamp": f"2026-11-22T01:{number:02d}:00Z",
            "endpoint": "/completion",
            "webhook_id": f"msg_{number}.completion.success",
            "body": body | {"processing_time": float(number)},
        }
        for number in range(count)
    ]
    log = folder / "worker.log"
    log.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return log


@on_both
class TestExplain:
    @pytest.mark.slow
    def test_it_tells_of_versions_dead_letters_and_what_waits(
        self, waveflow: CommandLine, place: Place
    ) -> None:
        queue = SqsQueue(place.queues.url)
        fields = {"stemId": "s0", "filepath": KEYS["s0"], "num_peaks": "many"}
        task = {"task": "app.tasks.process_audio_analysis", "args": [], "kwargs": fields}
        others = [
            "nonsense",
            json.dumps(task | {"kwargs": {"stageId": "g1", "stem_paths": [KEYS["s0"]]}}),
            json.dumps(task | {"kwargs": {"stemId": "s9", "filepath": "a.wav"}}),
            '{"task": "health_check"}',
        ]
        for body in (json.dumps(task), *others):
            queue.send(body)
        for message in queue.receive(10, 0.0):
            queue.park(message, "num_peaks is text.")
        queue.send('{"task": "health_check"}')
        place.upload(f"{KEYS['s0']}x")
        place.upload(KEYS["s0"], b"other drums")
        place.s3.delete_object(Bucket=place.bucket, Key=KEYS["s0"])
        outcome = waveflow("explain", "s0", "--json")
        assert (outcome.code, outcome.err) == (0, "")
        said = outcome.json
        assert said["state"] == "given_up"
        assert said["unknown"].keys() == {"log"}
        [letter] = [each for each in said["timeline"] if each["source"] == "dead letters"]
        assert said["commands"] == [f"waveflow queue redrive --id {letter['facts']['message_id']}"]
        versions = [each for each in said["timeline"] if each["source"] == "versions"]
        assert sorted(each["facts"]["is_deletion"] for each in versions) == [False, False, True]
        [waits] = [each for each in said["timeline"] if each["source"] == "queue"]
        assert waits["facts"] == {"waiting": 1}
        # Looked at, and given back.
        assert SqsQueue(place.queues.dead_letter_url).receive(1, 0.0)

    def test_what_may_not_be_asked_is_unknown(
        self, waveflow: CommandLine, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: S3History, key: str) -> None:
            raise StorageUnavailable("The right s3:ListBucketVersions is missing.")

        monkeypatch.setattr(S3History, "versions", refuse)
        monkeypatch.setenv("SQS_QUEUE_URL", f"{place.queues.url}-gone")
        said = waveflow("explain", "s1", "--json").json
        assert said["state"] == "analysed"
        assert said["sentence"].endswith("This may be wrong: dead letters could not be asked.")
        unknown = {"log", "dead letters", "queue", f"versions of {KEYS['s1']}"}
        assert said["unknown"].keys() == unknown


@pytest.mark.slow
@on_both
def test_the_versions_of_an_object_are_its_own_and_the_newest_comes_first(place: Place) -> None:
    key = f"{STEMS}/노래 (최종).wav"
    history = S3History(place.bucket)
    assert history.versions(key) == []
    place.upload(key, b"first")
    place.upload(f"{key}.bak")
    place.upload(key, b"second!")
    assert next(each.size_bytes for each in history.versions(key)) == 7
    place.s3.delete_object(Bucket=place.bucket, Key=key)
    versions = history.versions(key)
    assert sorted(each.size_bytes or 0 for each in versions) == [0, 5, 7]
    assert (versions[0].size_bytes, versions[0].is_current) == (None, True)


@on_both
def test_versions_of_a_bucket_that_is_not_there_are_not_to_be_had(aws: AwsServer) -> None:
    with pytest.raises(StorageUnavailable, match="doesn't exist"):
        S3History("no-such-bucket-here").versions("a.wav")


def test_a_thousand_stems_on_a_terminal_show_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report = Report(as_json=True, dry_run=True)
    for _ in range(2000):
        report.looked_at()
    assert capsys.readouterr().err.splitlines() == [
        "1000 stems looked at, messages for 0",
        "2000 stems looked at, messages for 0",
    ]
