"""kill -9 between telling a hash and acknowledging it; meanwhile the stem goes, as a duplicate."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.aws_servers import AwsServer
from tests.support.http_exchange import Stall
from tests.support.processes import eventually
from tests.support.production import production
from waveflow.domain.keys import removal_key

pytestmark = pytest.mark.slow

A, B = "users/u1/a.wav", "users/u1/b.wav"
CONTENT = b"any recording will do: a hash request decodes nothing"


def test_the_hash_request_of_a_removed_stem_ends_without_a_word_and_without_a_dead_letter(
    ministack: AwsServer, tmp_path: Path
) -> None:
    # The answer to the hash is still being waited for when the worker is killed.
    with production(ministack, tmp_path, WAVEFLOW_WEBHOOK_TIMEOUT_S="300") as deployment:
        deployment.upload(A, CONTENT)
        deployment.upload(B, CONTENT)
        first = deployment.worker().wait_until_ready()
        deployment.task("generate_hash_and_webhook", stemId="a", trackId="t1", filepath=A)
        deployment.receiver.wait_for(1, 30)
        deployment.wait_until_done()
        deployment.receiver.next(Stall())
        hash_b = deployment.task("generate_hash_and_webhook", stemId="b", trackId="t1", filepath=B)
        deployment.receiver.wait_for(2, 30)
        deployment.task(
            "process_duplicate_file",
            stemId="b",
            trackId="t1",
            filepath=B,
            audio_hash=hashlib.sha256(CONTENT).hexdigest(),
        )
        deployment.receiver.wait_for(3, 30)
        assert eventually(lambda: deployment.depth() == (0, 1))
        assert B not in deployment.stored()
        first.kill()
        second = deployment.worker().wait_until_ready()
        deployment.wait_until_done()
        assert [line["message_id"] for line in second.logged("stem_was_removed")] == [hash_b]
        assert [each.path for each in deployment.receiver.requests()] == [
            "/hash-check",
            "/hash-check",
            "/completion",
        ]
        assert deployment.bodies("/completion")[0]["status"] == "SUCCESS"
        assert deployment.dead_letters() == []
        assert {A, removal_key("b", B)} <= deployment.stored()
        assert second.stop() == 0
