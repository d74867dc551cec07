"""The receiver of docs/integrating.md at work: a real worker, real queues, a real bucket."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import Factory, define
from playwright.sync_api import Browser
from standardwebhooks.webhooks import Webhook

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer, ministack_server, moto_server
from tests.support.http_exchange import Answer, ReceivedRequest, Replied
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess
from tests.web.browser import opened
from tests.web.example_page import draw, heights, served
from tests.web.node_tools import EXAMPLES, RECEIVER, bundle_page, compile_receiver, need_packages
from tests.web.receiver_process import ReceiverProcess

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
UNUSABLE = "WAVEFLOW_WEBHOOK_SECRET has to be whsec_ and the base64 of 24 to 64 bytes."
NEW_SECRET = "whsec_" + "bmV3" * 8
FOLDER = "users/user-1/projects/track-1/stems"
WITHIN_S = 60.0
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The only ones whose signed addresses ministack takes."""


@pytest.fixture(scope="module")
def ministack() -> Iterator[AwsServer]:
    need_packages()
    compile_receiver()
    with ministack_server() as server:
        yield server


@define
class Platform:
    """A receiver, and a gate before it, through which a worker's webhooks reach it.

    Attributes:
        lost: paths; the answer to the next webhook to each gets lost on its way.
    """

    deployment: Production
    receiver: ReceiverProcess
    lost: list[str] = Factory(list)

    def hand_on(self, request: ReceivedRequest) -> Answer:
        answer = self.receiver.deliver(request)
        if request.path in self.lost:
            self.lost.remove(request.path)
            return Answer(502)
        return answer

    def upload(self, files: dict[str, bytes]) -> str:
        """Store stems, tell the receiver of them as a front end does; returns the stage's id."""
        for name, content in files.items():
            self.deployment.upload(f"{FOLDER}/{name}", content)
        stems = [{"filepath": f"{FOLDER}/{name}", "originalFilename": name} for name in files]
        body = {"userId": "user-1", "trackId": "track-1", "stems": stems}
        stage_id: str = self.receiver.post("/stages", body)["stageId"]
        return stage_id

    def stage(self, stage_id: str) -> dict[str, Any]:
        stage: dict[str, Any] = self.receiver.get(f"/stages/{stage_id}")
        return stage

    def wait_for_mix(self, stage_id: str) -> dict[str, Any]:
        came = eventually(lambda: self.stage(stage_id)["step"] == "done", within_s=WITHIN_S)
        assert came, f"{self.stage(stage_id)}\n{self.receiver.text()}"
        return self.stage(stage_id)


@contextmanager
def platform(server: AwsServer, folder: Path, **settings: str) -> Iterator[Platform]:
    with ExitStack() as stack:
        deployment = stack.enter_context(
            production(server, folder, WAVEFLOW_WEBHOOK_SECRET=SECRET, **settings)
        )
        receiver = stack.enter_context(a_receiver(deployment, folder))
        one = Platform(deployment, receiver)
        deployment.receiver.behave(Replied(one.hand_on))
        deployment.settings["WEBHOOK_URL"] = f"{deployment.receiver.url}/webhooks"
        yield one


def a_receiver(deployment: Production, folder: Path, **settings: str) -> ReceiverProcess:
    environment = deployment.environment() | CREDENTIALS | {"WAVEFLOW_WEBHOOK_SECRET": SECRET}
    return ReceiverProcess(environment | settings, folder / "receiver.log")


def a_recording(folder: Path, kind: str = "wav-16", *, seed: int = 0) -> bytes:
    return write_audio(folder / f"{seed}", tone(22_050, seed=seed), kind=kind).read_bytes()


@define
class Outcome:
    """What came of a stage of four stems: one is a copy of another, one is no audio."""

    platform: Platform
    worker: WorkerProcess
    stage: dict[str, Any]

    @property
    def stems(self) -> dict[str, dict[str, Any]]:
        return {stem["originalFilename"]: stem for stem in self.stage["stems"]}

    @property
    def requests(self) -> list[ReceivedRequest]:
        return self.platform.deployment.receiver.requests()


@pytest.fixture(scope="module")
def outcome(ministack: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    folder = tmp_path_factory.mktemp("integrating")
    files = {
        "드럼 (1).wav": a_recording(folder),
        "bass.flac": a_recording(folder, "flac-16", seed=1),
        "드럼 (1) copy.wav": a_recording(folder),
        "notes.mp3": b"Chorus twice, then the bridge.",
    }
    with platform(ministack, folder, WAVEFLOW_LEVELS="true", WAVEFLOW_DAT_BITS="8") as one:
        worker = one.deployment.worker()
        one.lost += ["/webhooks/hash-check", "/webhooks/completion", "/webhooks/mixing-complete"]
        stage_id = one.upload(files)
        stage = one.wait_for_mix(stage_id)
        one.deployment.wait_until_done()
        yield Outcome(one, worker, stage)


class TestWorkflow:
    def test_stems_are_drawn_and_measured(self, outcome: Outcome) -> None:
        drawn = [stem for stem in outcome.stage["stems"] if stem["step"] == "done"]
        assert len(drawn) == 2
        for stem in drawn:
            assert stem["durationS"] == 0.5
            assert stem["waveformPath"].startswith(f"waveforms/{stem['stemId']}_waveform_")
            assert stem["datPath"] == stem["waveformPath"].removesuffix(".json") + ".dat"
            assert -20 < stem["levels"]["integrated_lufs"] < -5
            assert len(stem["levels"]["channels"]) == 2

    def test_one_of_two_copies_is_removed(self, outcome: Outcome) -> None:
        copies = [outcome.stems["드럼 (1).wav"], outcome.stems["드럼 (1) copy.wav"]]
        [removed] = [stem for stem in copies if stem["step"] == "duplicate"]
        [kept] = [stem for stem in copies if stem["step"] == "done"]
        assert removed["duplicateOf"] == kept["filepath"]
        stored = outcome.platform.deployment.stored()
        assert kept["filepath"] in stored
        assert removed["filepath"] not in stored

    def test_what_is_no_audio_fails_with_a_sentence_for_the_musician(
        self, outcome: Outcome
    ) -> None:
        stem = outcome.stems["notes.mp3"]
        assert (stem["step"], stem["failure"]["code"]) == ("failed", "not_audio")
        assert stem["failure"]["error"].startswith("The file holds no audio")
        assert stem["waveformPath"] is None

    def test_the_rest_is_mixed(self, outcome: Outcome) -> None:
        stage = outcome.stage
        assert (stage["step"], stage["failure"]) == ("done", None)
        deployment = outcome.platform.deployment
        assert {stage["mixPath"], stage["waveformPath"], stage["datPath"]} <= deployment.stored()
        assert stage["levels"]["silent"] is False
        [mixed] = {tuple(sorted(body["stem_paths"])) for body in bodies(outcome, "mixing-complete")}
        done = sorted(s["filepath"] for s in stage["stems"] if s["step"] == "done")
        assert mixed == tuple(done)

    def test_a_webhook_whose_answer_got_lost_comes_again_and_changes_nothing(
        self, outcome: Outcome
    ) -> None:
        assert outcome.platform.lost == []
        ids = [request.headers["webhook-id"] for request in outcome.requests]
        assert len(ids) == 9 + 3
        assert len(set(ids)) == 9
        assert outcome.platform.receiver.text().count("was delivered again") == 3
        assert len(bodies(outcome, "mixing-complete")) == 2
        assert len(outcome.worker.logged("webhook_undelivered")) <= 3

    def test_the_addresses_that_a_browser_gets_lead_to_the_waveform(self, outcome: Outcome) -> None:
        [stem, _] = [stem for stem in outcome.stage["stems"] if stem["step"] == "done"]
        addresses = outcome.platform.receiver.get(f"/stems/{stem['stemId']}/waveform")
        document = json.loads(fetched(addresses["waveform"]))
        assert document["num_peaks"] == len(document["peaks"]) == 4000
        header = np.frombuffer(fetched(addresses["dat"])[:20], "<i4").tolist()
        assert header == [1, 1, 44_100, 512, 44]  # 22,050 frames are 44 pixels of 512
        assert fetched(addresses["audio"])[:4] in (b"RIFF", b"fLaC")

    def test_a_page_of_another_host_draws_what_lies_there(
        self, outcome: Outcome, browser: Browser, tmp_path: Path
    ) -> None:
        bundle_page()
        [stem, _] = [stem for stem in outcome.stage["stems"] if stem["step"] == "done"]
        addresses = outcome.platform.receiver.get(f"/stems/{stem['stemId']}/waveform")
        with served(tmp_path) as site, opened(browser) as one:
            draw(one, site, **addresses)
            for view in ("#wavesurfer", "#loud"):
                assert np.median(heights(one, view)[10:790]) > 10


def test_the_rules_of_the_bucket_name_who_may_read_what(tmp_path: Path) -> None:
    rules = json.loads((EXAMPLES / "bucket-cors.json").read_text())
    with moto_server() as server:
        bucket, s3 = server.new_bucket(), server.s3()
        s3.put_object(Bucket=bucket, Key="a.json", Body=b"{}")
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=rules)
        address = s3.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": "a.json"}
        )
        s3.close()

        def exposed(origin: str) -> str | None:
            asked = urllib.request.Request(address, headers={"Origin": origin})
            with urllib.request.urlopen(asked, timeout=WITHIN_S) as reply:
                headers: str | None = reply.headers["Access-Control-Expose-Headers"]
                return headers

        assert exposed("https://app.example.com") == "Content-Length, Content-Range, ETag"
        assert exposed("https://elsewhere.example.com") is None


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=WITHIN_S) as reply:
        content: bytes = reply.read()
        return content


def bodies(outcome: Outcome, endpoint: str) -> list[dict[str, Any]]:
    return outcome.platform.deployment.bodies(f"/webhooks/{endpoint}")


def test_a_receiver_that_hangs_for_a_while_loses_nothing_and_does_nothing_twice(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with platform(ministack, tmp_path, WAVEFLOW_WEBHOOK_TIMEOUT_S="1") as one:
        worker = one.deployment.worker()
        names = [f"take {number}.wav" for number in range(3)]
        files = {name: a_recording(tmp_path, seed=n) for n, name in enumerate(names)}
        stage_id = one.upload(files)
        one.receiver.freeze()
        worker.wait_for_log("server_is_away")
        one.receiver.thaw()
        stage = one.wait_for_mix(stage_id)
        one.deployment.wait_until_done()
        assert worker.logged("server_is_back")
        assert [stem["step"] for stem in stage["stems"]] == ["done"] * 3
        # What timed out is answered as well, once it goes on: those came twice.
        assert "was delivered again" in one.receiver.text()
        ids = {request.headers["webhook-id"] for request in one.deployment.receiver.requests()}
        assert len(ids) == 3 + 3 + 1
        assert one.deployment.dead_letters() == []


@define
class Alone:
    """A receiver without a worker: what it sends stays in the queue."""

    deployment: Production
    receiver: ReceiverProcess

    def webhook(
        self,
        body: object,
        *,
        event_id: str = "msg_1",
        path: str = "/webhooks/hash-check",
        secret: str = SECRET,
        age_s: float = 0.0,
    ) -> ReceivedRequest:
        text = json.dumps(body, ensure_ascii=False)
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        headers = {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(event_id, at, text),
        }
        return ReceivedRequest("POST", path, headers, text.encode(), 1, 0.0)

    def status(self, body: object, **webhook: Any) -> int:
        return self.receiver.deliver(self.webhook(body, **webhook)).status


@pytest.fixture
def alone(ministack: AwsServer, tmp_path: Path) -> Iterator[Alone]:
    with (
        production(ministack, tmp_path) as deployment,
        a_receiver(deployment, tmp_path) as receiver,
    ):
        yield Alone(deployment, receiver)


def example(name: str) -> dict[str, Any]:
    """A body that docs/integrating.md shows."""
    body: dict[str, Any] = json.loads((EXAMPLES / "webhooks" / f"{name}.json").read_text())
    return body


def hash_check_of(stem_id: str) -> dict[str, Any]:
    return example("hash-check") | {"stemId": stem_id}


class TestSignatures:
    def test_only_what_our_secret_has_signed_is_let_in(self, alone: Alone) -> None:
        genuine = alone.webhook(hash_check_of("elsewhere"))
        foreign = Webhook(NEW_SECRET).sign("msg_1", datetime.now(UTC), genuine.body.decode())
        deliver = alone.receiver.deliver
        assert deliver(genuine, webhook_signature="").status == 401
        assert deliver(genuine, webhook_signature="v1,AAAA").status == 401
        assert deliver(genuine, webhook_signature=foreign).status == 401
        assert deliver(genuine, webhook_id="msg_2").status == 401
        altered = genuine.body.replace(b"elsewhere", b"somewhere")
        forged = ReceivedRequest("POST", genuine.target, genuine.headers, altered, 1, 0.0)
        assert deliver(forged).status == 401
        assert deliver(genuine).status == 200

    def test_what_was_signed_long_ago_is_not_let_in(self, alone: Alone) -> None:
        assert alone.status(hash_check_of("elsewhere"), age_s=600) == 401
        assert alone.status(hash_check_of("elsewhere"), age_s=-600) == 401
        assert alone.status(hash_check_of("elsewhere"), age_s=60) == 200

    def test_while_secrets_change_both_count(self, ministack: AwsServer, tmp_path: Path) -> None:
        with (
            production(ministack, tmp_path) as deployment,
            a_receiver(
                deployment, tmp_path, WAVEFLOW_WEBHOOK_SECRET=f"{NEW_SECRET} {SECRET}"
            ) as receiver,
        ):
            both = Alone(deployment, receiver)
            assert both.status(hash_check_of("elsewhere"), secret=SECRET) == 200
            assert both.status(hash_check_of("elsewhere"), secret=NEW_SECRET) == 200


class TestAnswers:
    def test_several_deliveries_at_once_lead_to_one_message(self, alone: Alone) -> None:
        body = {
            "userId": "user-1",
            "trackId": "track-1",
            "stems": [{"filepath": "a.wav", "originalFilename": "a.wav"}],
        }
        [stem_id] = alone.receiver.post("/stages", body)["stemIds"]
        webhook = alone.webhook(hash_check_of(stem_id))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(alone.receiver.deliver, [webhook] * 8))
        assert [answer.status for answer in answers] == [200] * 8
        outcomes = sorted(json.loads(answer.body)["outcome"] for answer in answers)
        assert outcomes == ["repeated"] * 7 + ["taken"]
        assert alone.deployment.depth() == (2, 0)  # to hash it, and to analyse it

    def test_a_second_result_of_a_stem_leads_to_no_second_mix(self, alone: Alone) -> None:
        body = {"userId": "u", "trackId": "t", "stems": [{"filepath": "a.wav"}]}
        [stem_id] = alone.receiver.post("/stages", body)["stemIds"]
        for event_id in ("msg_1", "msg_2"):
            result = example("completion") | {"stemId": stem_id}
            assert alone.status(result, event_id=event_id, path="/webhooks/completion") == 200
        assert alone.deployment.depth() == (2, 0)  # to hash it, and to mix it once

    def test_a_copy_that_was_not_deleted_is_analysed(self, alone: Alone) -> None:
        body = {"userId": "u", "trackId": "t", "stems": [{"filepath": "a.wav"}]}
        [stem_id] = alone.receiver.post("/stages", body)["stemIds"]
        refused = example("completion-failed") | {
            "stemId": stem_id,
            "result": {"error": "It is the only copy.", "code": "last_copy"},
        }
        assert alone.status(refused, path="/webhooks/completion") == 200
        assert alone.deployment.depth() == (2, 0)  # to hash it, and to analyse it

    def test_what_nobody_can_read_is_refused(self, alone: Alone) -> None:
        assert alone.status(hash_check_of("s1") | {"status": "guessed"}) == 400
        assert alone.status({"stemId": "s1"}, path="/webhooks/completion") == 400
        assert alone.status([], path="/webhooks/mixing-complete") == 400

    def test_a_mix_of_hundreds_of_stems_fits(self, alone: Alone) -> None:
        paths = [f"{FOLDER}/{number:03} {'드' * 300}.wav" for number in range(1000)]
        body = {
            "stageId": "elsewhere",
            "upstreamId": None,
            "status": "SUCCESS",
            "task_id": "x",
            "mixed_file_path": "mixed/a.wav",
            "waveform_data_path": "waveforms/a.json",
            "stem_count": len(paths),
            "stem_paths": paths,
            "processed_at": "2026-11-22T01:00:00.123456Z",
        }
        assert alone.status(body, path="/webhooks/mixing-complete") == 200

    def test_what_fails_is_answered_with_500_until_it_succeeds(
        self, ministack: AwsServer, tmp_path: Path
    ) -> None:
        body = {"userId": "u", "trackId": "t", "stems": [{"filepath": "a.wav"}]}
        with (
            production(ministack, tmp_path) as deployment,
            a_receiver(deployment, tmp_path) as receiver,
        ):
            one = Alone(deployment, receiver)
            [stem_id] = receiver.post("/stages", body)["stemIds"]
            deployment.sqs.delete_queue(QueueUrl=deployment.queues.url)
            assert one.status(hash_check_of(stem_id)) == 500
            assert one.status(hash_check_of(stem_id)) == 500
            name = deployment.queues.url.rpartition("/")[2]
            deployment.sqs.create_queue(QueueName=name)
            assert one.status(hash_check_of(stem_id)) == 200
            assert deployment.depth() == (1, 0)

    @pytest.mark.parametrize("stems", [None, "a.wav", [{"path": "a.wav"}], [None]])
    def test_uploads_that_say_nothing_are_refused(self, alone: Alone, stems: object) -> None:
        body = {"userId": "u", "trackId": "t", "stems": stems}
        headers = {"Content-Type": "application/json"}
        answer = alone.receiver.ask("POST", "/stages", headers, json.dumps(body).encode())
        assert answer.status == 400
        assert b"stems has to be a list" in answer.body

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"userId": 7, "trackId": "t"}'])
    def test_uploads_of_nobody_are_refused(self, alone: Alone, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        answer = alone.receiver.ask("POST", "/stages", headers, body)
        assert answer.status == 400
        assert b"userId and trackId" in answer.body

    def test_it_ends_when_it_is_told_to(self, alone: Alone) -> None:
        assert alone.receiver.stop() in (0, -15)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "WAVEFLOW_WEBHOOK_SECRET is not set."),
        ({"WAVEFLOW_WEBHOOK_SECRET": SECRET}, "SQS_QUEUE_URL is not set."),
        ({"WAVEFLOW_WEBHOOK_SECRET": " "}, UNUSABLE),
        ({"WAVEFLOW_WEBHOOK_SECRET": "whsec_AAAA"}, UNUSABLE),
        ({"WAVEFLOW_WEBHOOK_SECRET": f"{SECRET} whsec_"}, UNUSABLE),
    ],
)
def test_a_receiver_that_lacks_a_setting_says_which(
    ministack: AwsServer, settings: dict[str, str], sentence: str
) -> None:
    done = subprocess.run(
        ["node", RECEIVER / "dist" / "main.js"],
        env={"PATH": os.environ["PATH"]} | settings,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (1, sentence + "\n")


def test_the_receivers_own_tests_pass(ministack: AwsServer) -> None:
    done = subprocess.run(
        ["node", "--test", "test/"], cwd=RECEIVER, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
