"""`waveflow send` and `waveflow queue` on real servers."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.support.aws_servers import AwsServer, Queues
from tests.support.console_script import WAVEFLOW, run_waveflow
from tests.support.processes import eventually
from tests.unit.entrypoints.command_line import CommandLine
from waveflow.adapters.queue.sqs import SqsQueue

KOREAN = "스템을 처리하지 못했습니다\u202e: 다시 올려 주세요."
HASH_BODY = json.dumps(
    {"task": "app.tasks.generate_hash_and_webhook", "id": "t", "args": []}
    | {"kwargs": {"stemId": "s1", "filepath": "가.wav"}}
)
HEALTH_BODY = '{"task": "health_check"}'
CLEANUP_BODY = '{"task": "cleanup_temp_files"}'
MALFORMED = '{"task": "app.tasks.mix_stems_and_upload", "args": [], "kwargs": {"stageId": "g1"}}'


@pytest.fixture
def waveflow(
    moto: AwsServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[CommandLine]:
    """The command line on a queue of moto's, with a dead-letter queue behind it."""
    for name in [name for name in os.environ if name.startswith("WAVEFLOW_")]:
        monkeypatch.delenv(name)
    settings = moto.environment() | {"WAVEFLOW_WORK_DIR": str(tmp_path)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield CommandLine(capsys)
    structlog.reset_defaults()


@pytest.fixture
def queues(moto: AwsServer, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Queues:
    queues = moto.new_queues(max_receive_count=2)
    monkeypatch.setenv("SQS_QUEUE_URL", queues.url)
    return queues


def use(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Queues:
    """Point the command line at queues of another server."""
    queues = server.new_queues()
    for name, value in (server.environment() | {"SQS_QUEUE_URL": queues.url}).items():
        monkeypatch.setenv(name, value)
    return queues


def park(queues: Queues, *bodies: str) -> dict[str, str]:
    """Park messages with these bodies. Returns their ids on the queue."""
    queue = SqsQueue(queues.url)
    ids = {queue.send(body): body for body in bodies}
    for message in queue.receive(10, 0.0):
        queue.park(message, KOREAN)
    return {body: message_id for message_id, body in ids.items()}


def bodies_in(server: AwsServer, url: str) -> dict[str, str]:
    """The messages that can be received from a queue, by their ids."""
    reply = server.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return {message["MessageId"]: message["Body"] for message in reply.get("Messages", [])}


def dead_letters(waveflow: CommandLine, count: int) -> list[dict[str, Any]]:
    outcome = waveflow("queue", "dead-letters", "--limit", str(count), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found: list[dict[str, Any]] = outcome.json["dead_letters"]
    return found


class BotoHooks:
    """Requests of this process that fail, or are met by something else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def refuse(self, operation: str) -> None:
        def refuse(**_: object) -> None:
            raise OSError("the network is away")

        self.before(operation, refuse)

    def before(self, operation: str, hook: Callable[..., None]) -> None:
        """Call `hook` in place of each request of that kind, or before it if it returns."""
        import boto3

        class Session(boto3.Session):
            def client(self, *arguments: Any, **options: Any) -> Any:
                client = super().client(*arguments, **options)
                client.meta.events.register(f"before-call.sqs.{operation}", hook)
                return client

        self._monkeypatch.setattr("boto3.Session", Session)


@contextmanager
def interrupting(number: int) -> Iterator[object]:
    """Let that signal interrupt this process, as Ctrl-C does."""
    handler = signal.default_int_handler
    before = signal.signal(number, handler)
    try:
        yield handler
    finally:
        signal.signal(number, before)


@pytest.fixture
def boto(monkeypatch: pytest.MonkeyPatch) -> BotoHooks:
    return BotoHooks(monkeypatch)


class TestSend:
    def test_the_message_is_on_the_queue(
        self, waveflow: CommandLine, moto: AwsServer, queues: Queues
    ) -> None:
        fields = ("stageId=g1", "stem_paths=가 (1).wav")
        sent = waveflow("send", "mix", *fields, "--id", "mine", "--json")
        assert (sent.code, sent.err) == (0, "")
        [(message_id, body)] = bodies_in(moto, queues.url).items()
        assert sent.json == {
            "message_id": message_id,
            "task_id": "mine",
            "task": "app.tasks.mix_stems_and_upload",
        }
        assert json.loads(body)["kwargs"] == {"stageId": "g1", "stem_paths": ["가 (1).wav"]}
        assert waveflow("send", "health").facts.keys() == {"message_id", "task_id", "task"}

    def test_a_delay_keeps_it_back(self, waveflow: CommandLine, queues: Queues) -> None:
        assert waveflow("send", "health", "--delay-s", "900").code == 0
        queue = waveflow("queue", "status", "--json").json["queue"]
        assert (queue["visible"], queue["delayed"]) == (0, 1)

    def test_what_sqs_can_not_hold_is_a_mistake(
        self, waveflow: CommandLine, queues: Queues
    ) -> None:
        problem = waveflow.misused("send", "hash", "stemId=s1", "filepath=a\uffff")
        assert "control characters" in problem

    def test_a_queue_that_is_not_there_is_worth_another_try(
        self, waveflow: CommandLine, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SQS_QUEUE_URL", f"{queues.url}-gone")
        assert "knows no queue" in waveflow.complaint(3, "send", "health")
        assert "knows no queue" in waveflow.complaint(3, "queue", "status")


class TestStatus:
    def test_it_tells_of_both_queues_and_receives_nothing(
        self, aws: AwsServer, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queues = use(aws, monkeypatch)
        park(queues, "a")
        SqsQueue(queues.url).send("b")
        told = waveflow("queue", "status", "--json")
        assert (told.code, told.err) == (0, "")
        unknown = {
            "age_s": None,
            "measured_at": None,
            "why_unknown": "CloudWatch has no value of the last 15 minutes for it.",
        }
        assert told.json["queue"] == {
            "url": queues.url,
            "visible": 1,
            "in_flight": 0,
            "delayed": 0,
            "visibility_timeout_s": 30.0,
            "max_receive_count": 10,
            "oldest_message": unknown,
        }
        assert told.json["dead_letter_queue"]["url"] == queues.dead_letter_url
        assert told.json["dead_letter_queue"]["visible"] == 1
        [message] = SqsQueue(queues.url).receive(1, 0.0)
        assert message.receive_count == 1

    def test_people_read_the_age_that_cloudwatch_knows(
        self, waveflow: CommandLine, queues: Queues
    ) -> None:
        import boto3

        boto3.client("cloudwatch").put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[
                {
                    "MetricName": "ApproximateAgeOfOldestMessage",
                    "Dimensions": [{"Name": "QueueName", "Value": queues.url.rpartition("/")[2]}],
                    "Value": 7500.0,
                }
            ],
        )
        ages = [
            line.partition("  ")[2].strip()
            for line in waveflow("queue", "status").out.splitlines()
            if line.startswith("oldest message")
        ]
        assert ages[0].startswith("2 h 5 min (at 20")
        assert ages[1] == "unknown: CloudWatch has no value of the last 15 minutes for it."

    def test_a_queue_without_dead_letters_says_so(
        self, waveflow: CommandLine, moto: AwsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = moto.sqs().create_queue(QueueName=f"alone-{time.time_ns()}")["QueueUrl"]
        monkeypatch.setenv("SQS_QUEUE_URL", url)
        assert "dead-letter queue  none;" in waveflow("queue", "status").out
        assert waveflow("queue", "status", "--json").json["dead_letter_queue"] is None
        for command in (["dead-letters"], ["redrive", "--all", "--yes"]):
            problem = waveflow.complaint(2, "queue", *command)
            assert problem.startswith(f"There is nowhere to park messages of {url}")


class TestDeadLetters:
    def test_scripts_learn_everything(self, waveflow: CommandLine, queues: Queues) -> None:
        ids = park(queues, HASH_BODY, MALFORMED, "not JSON")
        found = waveflow("queue", "dead-letters", "--limit", "3", "--bodies", "--json").json
        assert found["limit_reached"] is True
        by_body = {letter["body"]: letter for letter in found["dead_letters"]}
        assert {body: letter["original_message_id"] for body, letter in by_body.items()} == ids
        letter = by_body[HASH_BODY]
        assert (letter["reason"], letter["receive_count"]) == (KOREAN, 1)
        assert (letter["stemId"], letter["stageId"]) == ("s1", None)
        assert letter["task"] == "app.tasks.generate_hash_and_webhook"
        assert letter["parked_at"].endswith("Z")
        assert letter["age_s"] < 60
        assert by_body[MALFORMED]["stageId"] == "g1"
        assert by_body["not JSON"]["task"] is None
        # All of them were given back.
        assert len(dead_letters(waveflow, 3)) == 3

    @pytest.mark.slow
    def test_people_read_what_no_terminal_acts_on(
        self, waveflow: CommandLine, moto: AwsServer, queues: Queues
    ) -> None:
        park(queues, HASH_BODY)
        aws = moto.sqs()
        aws.send_message(QueueUrl=queues.url, MessageBody="\x85[2J")
        for _ in range(4):
            aws.receive_message(QueueUrl=queues.url, VisibilityTimeout=0)
        told = waveflow("queue", "dead-letters", "--bodies").out
        assert "스템을 처리하지 못했습니다\\u202e: 다시 올려 주세요." in told
        assert "received too often" in told
        assert "\\x85[2J" in told
        assert told.endswith("\n2 dead letters.\n")
        assert "there may be more" in waveflow("queue", "dead-letters", "--limit", "1").out


class TestRedrive:
    def test_all_of_them(
        self, aws: AwsServer, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queues = use(aws, monkeypatch)
        ids = park(queues, HASH_BODY, HEALTH_BODY)
        done = waveflow("queue", "redrive", "--all", "--limit", "2", "--yes", "--json")
        assert done.code == 0
        assert done.err.startswith("To SQS a re-driven message is a new one")
        redriven, problems = done.json["redriven"], done.json["problems"]
        moved = {each["original_message_id"]: each["new_message_id"] for each in redriven}
        back = bodies_in(aws, queues.url)
        assert {ids[body]: message_id for message_id, body in back.items()} == moved
        assert problems == []
        assert bodies_in(aws, queues.dead_letter_url) == {}

    def test_those_that_are_named_by_either_id(
        self, waveflow: CommandLine, moto: AwsServer, queues: Queues
    ) -> None:
        ids = park(queues, HASH_BODY, HEALTH_BODY, CLEANUP_BODY)
        letters = {each["original_message_id"]: each for each in dead_letters(waveflow, 3)}
        first, second = ids[HASH_BODY], letters[ids[HEALTH_BODY]]["message_id"]
        done = waveflow("queue", "redrive", "--id", first, "--id", second, "--yes")
        assert done.code == 0
        *lines, total = done.out.splitlines()
        back = bodies_in(moto, queues.url)
        assert {line.split()[2] for line in lines} == set(back)
        assert total == "Re-driven: 2. Problems: 0."
        assert set(back.values()) == {HASH_BODY, HEALTH_BODY}
        assert list(bodies_in(moto, queues.dead_letter_url).values()) == [CLEANUP_BODY]

    def test_what_would_fail_again_is_refused_unless_it_is_forced(
        self, waveflow: CommandLine, moto: AwsServer, queues: Queues
    ) -> None:
        park(queues, MALFORMED, HEALTH_BODY)
        done = waveflow("queue", "redrive", "--all", "--limit", "2", "--yes", "--json")
        assert (done.code, len(done.json["redriven"])) == (1, 1)
        [problem] = done.json["problems"]
        assert problem["problem"] == (
            "It would fail again at once; send it anew, or re-drive it with --force."
            " app.tasks.mix_stems_and_upload: stem_paths is missing."
        )
        letter = problem["message_id"]
        told = waveflow("queue", "redrive", "--id", letter, "--yes")
        assert (told.code, told.out) == (1, "Re-driven: 0. Problems: 1.\n")
        assert f"waveflow: {letter}: It would fail again at once;" in told.err
        forced = waveflow("queue", "redrive", "--id", letter, "--yes", "--force")
        assert forced.code == 0
        assert MALFORMED in bodies_in(moto, queues.url).values()

    def test_a_letter_that_is_not_there_is_named(
        self, waveflow: CommandLine, queues: Queues
    ) -> None:
        done = waveflow("queue", "redrive", "--id", "nobody", "--yes", "--json")
        assert (done.code, done.json["redriven"]) == (1, [])
        [problem] = done.json["problems"]
        assert problem["message_id"] == "nobody"
        assert problem["problem"].startswith("It is not among the dead letters")

    def test_whoever_may_not_delete_them_copies_one_and_no_more(
        self, waveflow: CommandLine, moto: AwsServer, queues: Queues, boto: BotoHooks
    ) -> None:
        ids = park(queues, HASH_BODY, HEALTH_BODY)
        boto.refuse("DeleteMessageBatch")
        arguments = [word for each in ids.values() for word in ("--id", each)]
        done = waveflow("queue", "redrive", *arguments, "--yes", "--json")
        assert (done.code, len(done.json["redriven"])) == (1, 1)
        kept, untried = done.json["problems"]
        assert "still a dead letter too" in kept["problem"]
        assert untried["problem"] == "It was not tried any more."
        assert len(bodies_in(moto, queues.url)) == 1
        assert len(bodies_in(moto, queues.dead_letter_url)) == 2

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    @pytest.mark.parametrize("options", [(), ("--json",)])
    def test_whoever_is_interrupted_has_no_letter_twice(
        self,
        waveflow: CommandLine,
        moto: AwsServer,
        queues: Queues,
        boto: BotoHooks,
        number: int,
        options: tuple[str, ...],
    ) -> None:
        park(queues, HASH_BODY, HEALTH_BODY)
        boto.before("DeleteMessageBatch", lambda **_: signal.raise_signal(number))
        with interrupting(number) as handler:
            done = waveflow("queue", "redrive", "--all", "--yes", *options)
            assert signal.getsignal(number) is handler
        assert done.code == 130
        [(message_id, body)] = bodies_in(moto, queues.url).items()
        [other] = bodies_in(moto, queues.dead_letter_url).values()
        assert {body, other} == {HASH_BODY, HEALTH_BODY}
        if options:
            assert [each["new_message_id"] for each in done.json["redriven"]] == [message_id]
            assert done.json["problems"] == []
        else:
            line, total = done.out.splitlines()
            assert line.split()[2] == message_id
            assert total == "Re-driven: 1. Problems: 0."

    def test_an_interrupted_letter_that_can_not_be_deleted_is_told_as_such(
        self, waveflow: CommandLine, moto: AwsServer, queues: Queues, boto: BotoHooks
    ) -> None:
        def interrupt_and_refuse(**_: object) -> None:
            signal.raise_signal(signal.SIGINT)
            raise OSError("the network is away")

        park(queues, HASH_BODY)
        boto.before("DeleteMessageBatch", interrupt_and_refuse)
        with interrupting(signal.SIGINT):
            done = waveflow("queue", "redrive", "--all", "--yes", "--json")
        assert (done.code, len(done.json["redriven"])) == (130, 1)
        [kept] = done.json["problems"]
        assert "still a dead letter too" in kept["problem"]

    def test_after_three_failures_in_a_row_it_is_the_queue(
        self, waveflow: CommandLine, moto: AwsServer, queues: Queues, boto: BotoHooks
    ) -> None:
        park(queues, *(f'{{"task": "health_check", "number": {number}}}' for number in range(4)))
        boto.refuse("SendMessage")
        done = waveflow("queue", "redrive", "--all", "--yes", "--json")
        assert done.code == 3
        assert (done.json["redriven"], len(done.json["problems"])) == ([], 3)
        assert json.loads(done.err.splitlines()[-1])["code"] == "try_later"
        assert len(bodies_in(moto, queues.dead_letter_url)) == 4


@pytest.mark.slow
class TestProcess:
    """The commands as processes of their own."""

    def test_korean_reasons_without_a_locale(
        self, moto: AwsServer, queues: Queues, tmp_path: Path
    ) -> None:
        park(queues, HASH_BODY)
        settings = moto.environment() | {"SQS_QUEUE_URL": queues.url, "LC_ALL": "C"}
        done = run_waveflow(["queue", "dead-letters", "--limit", "1"], tmp_path, settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert "다시 올려 주세요." in done.stdout

    @pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 1)])
    def test_a_terminal_is_asked(
        self, moto: AwsServer, queues: Queues, tmp_path: Path, answer: str, code: int, left: int
    ) -> None:
        park(queues, HASH_BODY)
        ours, theirs = pty.openpty()
        try:
            os.write(ours, f"{answer}\n".encode())
            done = subprocess.run(
                [WAVEFLOW, "queue", "redrive", "--all", "--limit", "1"],
                cwd=tmp_path,
                stdin=theirs,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        assert done.returncode == code
        assert f"Re-drive up to 1 of the dead letters in {queues.dead_letter_url}" in done.stderr
        assert done.stderr.index("To SQS") < done.stderr.index("Re-drive up to 1")
        assert len(bodies_in(moto, queues.dead_letter_url)) == left

    def test_an_interrupted_listing_gives_the_letters_back(
        self, moto: AwsServer, queues: Queues, tmp_path: Path
    ) -> None:
        park(queues, HASH_BODY)
        process = subprocess.Popen(
            [WAVEFLOW, "queue", "dead-letters"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def is_borrowed() -> bool:
            reply = moto.sqs().get_queue_attributes(
                QueueUrl=queues.dead_letter_url,
                AttributeNames=["ApproximateNumberOfMessagesNotVisible"],
            )
            return reply["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"

        assert eventually(is_borrowed)
        # It waits now for more of them, for a second and another one.
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err.strip()) == (130, "", "waveflow: interrupted.")
        assert len(bodies_in(moto, queues.dead_letter_url)) == 1
