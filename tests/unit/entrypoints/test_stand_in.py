"""The stand-in main server over HTTP: uploads in, webhooks in, results out, nothing unsigned."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define
from standardwebhooks.webhooks import Webhook

from tests.support.processes import eventually
from waveflow.adapters.notifier.signing import SigningSecret
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.clock import Clock
from waveflow.entrypoints.demo.http_server import http_server
from waveflow.entrypoints.demo.main_server import StandInServer
from waveflow.entrypoints.demo.site import TOLERANCE_S, Site
from waveflow.entrypoints.messages import ANALYSIS_TASK, MIX_TASK

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HASH = "11" * 32


@define
class Rig:
    """A stand-in that listens on loopback, and what it put on the queue."""

    site: Site
    port: int
    sent: list[dict[str, Any]]
    now_s: list[float] = Factory(lambda: [1_800_000_000.0])

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def put(self, name: str, content: bytes = b"audio") -> tuple[int, Any]:
        status, answer = self.ask("PUT", f"/stems/{name}", content)
        return status, json.loads(answer)

    def webhook(
        self, endpoint: str, event: dict[str, Any], event_id: str = "e1"
    ) -> tuple[int, Any]:
        body = json.dumps(event).encode()
        status, answer = self.ask("POST", f"/webhooks{endpoint}", body, {"webhook-id": event_id})
        return status, json.loads(answer)

    def state(self) -> Any:
        return json.loads(self.ask("GET", "/stems")[1])


def rig_with(*secrets: str) -> Iterator[Rig]:
    sent: list[dict[str, Any]] = []
    server = StandInServer(lambda body: sent.append(json.loads(body)), "u1", "t1", "g1")
    now_s = [1_800_000_000.0]
    site = Site(
        server,
        InMemoryAudioStorage(),
        [SigningSecret.parse(secret) for secret in secrets],
        Clock(unix_s=lambda: now_s[0]),
    )
    with http_server(site, "127.0.0.1", 0) as http:
        thread = threading.Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        yield Rig(site, http.server_port, sent, now_s)
        http.shutdown()
        thread.join()


@pytest.fixture
def rig() -> Iterator[Rig]:
    yield from rig_with()


@pytest.fixture
def signed_rig() -> Iterator[Rig]:
    yield from rig_with(SECRET)


def test_an_upload_is_stored_and_its_hash_asked_for(rig: Rig) -> None:
    assert rig.put("%EB%85%B8%EB%9E%98%20(1).wav") == (201, {"stemId": "stem-1"})
    [message] = rig.sent
    fields = message.get("kwargs", message)
    assert fields["stemId"] == "stem-1"
    assert fields["original_filename"] == "노래 (1).wav"
    assert fields["filepath"].startswith("users/u1/projects/t1/stems/")
    with rig.site.storage.read(fields["filepath"]) as stream:
        assert b"".join(stream) == b"audio"


def test_stems_of_one_batch_are_announced_once_all_are_stored(rig: Rig, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"audio")
    stored_then: list[int] = []
    send = rig.site.server.send

    def look_and_send(body: str) -> None:
        stored_then.append(len(list(rig.site.storage.list("users/"))))
        send(body)

    rig.site.server.send = look_and_send
    rig.site.upload_all({name: tmp_path / name for name in ("a.wav", "b.wav")})
    assert stored_then == [2, 2]


def test_webhooks_are_answered_as_the_main_server_does(rig: Rig) -> None:
    rig.put("a.wav")
    rig.sent.clear()
    assert rig.webhook("/hash-check", {"stemId": "stem-1", "audio_hash": HASH}) == (
        201,
        {"success": True},
    )
    done = {
        "stemId": "stem-1",
        "status": "SUCCESS",
        "result": {"duration": 2.5},
        "audio_wave_path": "waveforms/a.json",
    }
    rig.webhook("/completion", done, "e2")
    assert [message["task"] for message in rig.sent] == [ANALYSIS_TASK, MIX_TASK]
    mixed = {
        "stageId": "g1",
        "status": "SUCCESS",
        "mixed_file_path": "mixed/g1.wav",
        "waveform_data_path": "waveforms/g1.json",
    }
    rig.webhook("/mixing-complete", mixed, "e3")
    [stem] = rig.state().pop("stems")
    assert (stem["verdict"], stem["duration"], stem["waveform"]) == ("new", 2.5, "waveforms/a.json")
    assert rig.state()["mix"] == "mixed/g1.wav"


@pytest.mark.parametrize(
    ("wanted", "status", "content", "range_sent"),
    [
        ("bytes=0-1", 206, b"RI", "bytes 0-1/8"),
        ("bytes=3-", 206, b"F1234", "bytes 3-7/8"),
        ("bytes=-3", 206, b"234", "bytes 5-7/8"),
        ("bytes=6-99", 206, b"34", "bytes 6-7/8"),
        ("bytes=-", 200, b"RIFF1234", None),
        ("bytes=0-1,3-4", 200, b"RIFF1234", None),
    ],
)
def test_a_browser_gets_the_part_of_a_sound_it_asks_for(
    rig: Rig, wanted: str, status: int, content: bytes, range_sent: str | None
) -> None:
    rig.site.storage.write("mixed/g1.wav", b"RIFF1234", content_type="audio/wav")
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=10)
    with closing(connection):
        connection.request("GET", "/objects/mixed/g1.wav", headers={"Range": wanted})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, content)
        assert answer.headers["Content-Range"] == range_sent
        assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_part_behind_the_end_is_refused(rig: Rig) -> None:
    rig.site.storage.write("mixed/g1.wav", b"RIFF", content_type="audio/wav")
    status, answer = rig.ask("GET", "/objects/mixed/g1.wav", headers={"Range": "bytes=4-"})
    assert (status, json.loads(answer)) == (416, {"error": "There are 4 bytes."})


def test_a_browser_that_leaves_in_the_middle_is_nothing_to_speak_of(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    rig.site.storage.write("mixed/g1.wav", bytes(64 * 1024**2), content_type="audio/wav")
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", rig.port), timeout=10) as browser:
        browser.sendall(b"GET /objects/mixed/g1.wav HTTP/1.1\r\nHost: here\r\n\r\n")
        assert browser.recv(15) == b"HTTP/1.1 200 OK"
    assert eventually(lambda: threading.active_count() <= before)
    assert capfd.readouterr().err == ""


def test_results_come_out_of_the_storage(rig: Rig) -> None:
    rig.site.storage.write("mixed/g1 (1).wav", b"RIFF", content_type="audio/wav")
    assert rig.ask("GET", "/objects/mixed/g1%20(1).wav") == (200, b"RIFF")
    status, answer = rig.ask("GET", "/objects/mixed/none.wav")
    assert status == 404
    assert "mixed/none.wav" in json.loads(answer)["error"]


def test_there_are_a_page_and_a_health_check(rig: Rig) -> None:
    status, page = rig.ask("GET", "/")
    assert status == 200
    assert page.startswith(b"<!doctype html>")
    assert rig.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/stems/", {}, 404),
        ("PUT", "/stems/a/b.wav", {}, 404),
        ("PUT", "/elsewhere/a.wav", {}, 404),
        ("PUT", "/stems/a%00.wav", {}, 400),
        ("PUT", "/stems/a.wav", {"Content-Length": "many"}, 411),
        ("PUT", "/stems/a.wav", {"Content-Length": str(2**40)}, 413),
        ("POST", "/webhooks/unheard-of", {}, 404),
        ("POST", "/hash-check", {}, 404),
    ],
)
def test_what_it_does_not_take_is_refused_in_a_sentence(
    rig: Rig, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answered, answer = rig.ask(method, path, b"{}", headers)
    assert answered == status
    assert json.loads(answer)["error"].endswith(".")
    assert rig.sent == []


@pytest.mark.parametrize("body", [b"", b"la la", b"[1]", b"\xff"])
def test_a_webhook_that_is_no_json_object_is_refused(rig: Rig, body: bytes) -> None:
    status, answer = rig.ask("POST", "/webhooks/completion", body)
    assert status == 400
    assert json.loads(answer)["error"].startswith("The webhook is no JSON")


class TestSignatures:
    BODY = json.dumps({"stemId": "x", "audio_hash": HASH}).encode()

    def headers(self, rig: Rig, made_s: float) -> dict[str, str]:
        from datetime import UTC, datetime

        moment = datetime.fromtimestamp(made_s, UTC)
        return {
            "webhook-id": "e1",
            "webhook-timestamp": str(int(made_s)),
            "webhook-signature": Webhook(SECRET).sign("e1", moment, self.BODY.decode()),
        }

    def test_a_signed_webhook_is_taken(self, signed_rig: Rig) -> None:
        headers = self.headers(signed_rig, signed_rig.now_s[0])
        assert signed_rig.ask("POST", "/webhooks/hash-check", self.BODY, headers)[0] == 200

    @pytest.mark.parametrize(
        "change",
        [
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": ""},
            {"webhook-id": "e2"},
            {"webhook-timestamp": "soon"},
        ],
    )
    def test_one_that_is_not_is_refused(self, signed_rig: Rig, change: dict[str, str]) -> None:
        headers = self.headers(signed_rig, signed_rig.now_s[0]) | change
        assert signed_rig.ask("POST", "/webhooks/hash-check", self.BODY, headers)[0] == 401
        assert signed_rig.site.server.deliveries == {}

    @pytest.mark.parametrize("late_s", [TOLERANCE_S + 1, -TOLERANCE_S - 1])
    def test_nor_is_an_old_one_taken(self, signed_rig: Rig, late_s: float) -> None:
        headers = self.headers(signed_rig, signed_rig.now_s[0] - late_s)
        assert signed_rig.ask("POST", "/webhooks/hash-check", self.BODY, headers)[0] == 401
