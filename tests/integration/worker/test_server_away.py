"""The main server is down, restarts in the middle of a request, or knows no good answer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.http_exchange import Answer, Reset
from tests.support.processes import eventually
from tests.support.production import Production, production

AUDIO = "users/u1/take.wav"
SLOTS = 4

pytestmark = pytest.mark.slow


def with_audio(deployment: Production) -> None:
    path = write_audio(deployment.folder / "take.wav", tone(22_050))
    deployment.upload(AUDIO, path)


def send_analyses(deployment: Production, count: int) -> None:
    for number in range(count):
        deployment.task("process_audio_analysis", stemId=f"s{number}", filepath=AUDIO)


@pytest.mark.parametrize("server", ["ministack", "moto"])
def test_an_outage_longer_than_all_retries_costs_nothing(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    aws: AwsServer = request.getfixturevalue(server)
    settings = {
        "WAVEFLOW_SLOTS": str(SLOTS),
        "WAVEFLOW_WAITING_MESSAGES": "2",
        "RETRY_DELAY": "0.5",
    }
    with production(aws, tmp_path, **settings) as deployment:
        with_audio(deployment)
        deployment.receiver.go_away()
        send_analyses(deployment, 20)
        worker = deployment.worker().wait_until_ready()
        worker.wait_for_log("server_is_away")
        # A receive that was under way may still bring some.
        eventually(lambda: False, within_s=2)
        held = deployment.depth()[1]
        assert held >= 3
        # Nothing more is received, and what is held stays held, for longer than all retries
        # (0.5 + 1 + 2 s) and longer than a visibility timeout.
        assert not eventually(lambda: deployment.depth() != (20 - held, held), within_s=10)
        assert held <= SLOTS + 2
        deployment.receiver.come_back()
        deployment.receiver.wait_for(20, 60)
        deployment.wait_until_done()
        ids = Counter(each.headers["webhook-id"] for each in deployment.receiver.requests())
        assert len(ids) == 20
        assert set(ids.values()) == {1}
        assert {body["status"] for body in deployment.bodies("/completion")} == {"SUCCESS"}
        assert deployment.dead_letters() == []
        # But for those that had used up their quick tries before the server counted as away.
        attempts = [line["attempt"] for line in worker.logged("task_started")]
        assert len(attempts) <= 22
        assert max(attempts) <= 2
        assert worker.stop() == 0


def test_a_restart_in_the_middle_of_a_request_repeats_the_same_event(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with production(ministack, tmp_path) as deployment:
        with_audio(deployment)
        worker = deployment.worker().wait_until_ready()
        deployment.receiver.next(Reset(), Reset(politely=True), Answer(502))
        deployment.task("process_audio_analysis", stemId="s1", filepath=AUDIO)
        deployment.task("generate_hash_and_webhook", stemId="s1", filepath=AUDIO)
        deployment.wait_until_done()
        requests = deployment.receiver.requests()
        assert len(requests) == 5
        by_id: dict[str, list[Any]] = {}
        for each in requests:
            by_id.setdefault(each.headers["webhook-id"], []).append(each.json())
        assert len(by_id) == 2
        assert all(bodies == [bodies[0]] * len(bodies) for bodies in by_id.values())
        assert worker.stop() == 0


def test_an_event_that_the_server_never_takes_does_not_keep_others_from_it(
    ministack: AwsServer, tmp_path: Path
) -> None:
    def decide(_: str, body: dict[str, Any]) -> tuple[int, Any]:
        return (500 if body["stemId"] == "poison" else 200), None

    with production(ministack, tmp_path, WAVEFLOW_SLOTS="1", RETRY_DELAY="2") as deployment:
        with_audio(deployment)
        deployment.receiver.decide(decide)
        worker = deployment.worker().wait_until_ready()
        for stem_id in ("poison", "s1", "s2"):
            deployment.task("generate_hash_and_webhook", stemId=stem_id, filepath=AUDIO)
        deployment.receiver.wait_until(
            lambda requests: {each.json()["stemId"] for each in requests} >= {"s1", "s2"}, 30
        )
        # It is kept, and told again without hashing again.
        worker.wait_for_log("webhook_undelivered", times=2)
        kept = [key for key in deployment.stored() if key.startswith("outcomes/")]
        assert len(kept) == 1
        deployment.receiver.answer(200)
        deployment.wait_until_done()
        assert eventually(lambda: not {k for k in deployment.stored() if k.startswith("outcomes/")})
        told = [body for body in deployment.bodies("/hash-check") if body["stemId"] == "poison"]
        assert told == [told[0]] * len(told)
        assert deployment.dead_letters() == []
        assert worker.stop() == 0


def test_ending_while_the_server_is_away_gives_everything_back(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with production(ministack, tmp_path, WAVEFLOW_SLOTS="4", RETRY_DELAY="0.1") as deployment:
        with_audio(deployment)
        deployment.receiver.go_away()
        send_analyses(deployment, 6)
        worker = deployment.worker().wait_until_ready()
        worker.wait_for_log("server_is_away")
        assert worker.stop() == 0
        deployment.receiver.come_back()
        second = deployment.worker().wait_until_ready()
        deployment.receiver.wait_for(6, 60)
        deployment.wait_until_done()
        assert len({each.headers["webhook-id"] for each in deployment.receiver.requests()}) == 6
        assert len(deployment.receiver.requests()) == 6
        assert second.stop() == 0
        assert deployment.stored() >= {AUDIO}
        assert not [key for key in deployment.stored() if key.startswith("outcomes/")]
