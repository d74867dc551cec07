"""Uploads: any name, any content, within limits; nothing is left of those that are refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from tests.support.processes import eventually
from tests.unit.entrypoints.studio.rig import MOST_BYTES, Rig
from waveflow.entrypoints.studio.records import Entry, MixRecord
from waveflow.entrypoints.studio.refusals import Refused
from waveflow.entrypoints.studio.studio import MOST_MIXES, MOST_STEMS
from waveflow.entrypoints.studio.uploads import KEPT_FREE_BYTES, Uploads


def incoming(rig: Rig) -> list[Path]:
    return list(rig.studio.incoming.iterdir())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("노래 (최종).wav", "노래 (최종).wav"),
        ("노래.wav", "노래.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\music\\take.wav", "take.wav"),
        ("..", "unnamed"),
        ("a\r\nb\0.wav", "ab.wav"),
        ("<img src=x onerror=alert(1)>.wav", "<img src=x onerror=alert(1)>.wav"),
        ("🎸.flac", "🎸.flac"),
        ("가" * 400 + ".wav", "가" * 196 + ".wav"),
    ],
)
def test_any_name_is_taken_and_none_leads_elsewhere(rig: Rig, name: str, shown: str) -> None:
    stem = rig.ended(rig.added(name, name.encode()))
    assert stem["name"] == shown
    key = rig.studio.board.stems[stem["stem_id"]].key
    assert key.startswith("users/studio-user/projects/studio-track/stems/")
    assert rig.studio.path_of(key).read_bytes() == name.encode()


@pytest.mark.parametrize("name", ["", "  "])
def test_an_upload_without_a_name_is_refused(rig: Rig, name: str) -> None:
    answer = rig.put(name, b"x")
    assert (answer.status_code, answer.json()["code"]) == (400, "no_name")


def test_an_empty_file_is_refused(rig: Rig) -> None:
    answer = rig.put("empty.wav", b"")
    assert answer.status_code == 400
    assert answer.json()["code"] == "empty_file"
    assert "export it and upload it again" in answer.json()["error"]
    assert incoming(rig) == []


def test_the_largest_file_is_taken_and_one_byte_more_is_not(rig: Rig) -> None:
    assert rig.put("largest.wav", b"\1" * MOST_BYTES).status_code == 201
    answer = rig.put("larger.wav", b"\1" * (MOST_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
    assert answer.json()["error"].startswith("The file is larger than 2 MB, which is the limit")
    assert incoming(rig) == []


def test_one_of_unknown_length_is_limited_as_well(rig: Rig) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(3 * MOST_BYTES // 65_536):
            yield b"\2" * 65_536

    answer = rig.page.put("/api/stems", params={"name": "chunks.wav"}, content=endless())
    assert answer.status_code == 413
    assert incoming(rig) == []
    assert "chunks.wav" not in rig.page.get("/api/state").text


def asked(rig: Rig, head: str) -> socket.socket:
    """A connection with the head of an upload on it, and none of its body."""
    connection = socket.create_connection(("127.0.0.1", rig.server.address.port), 10)
    cookie = f"waveflow_studio_{rig.server.address.port}={rig.server.address.token}"
    connection.sendall(
        f"PUT /api/stems?name=broken.wav HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{rig.server.address.port}\r\nCookie: {cookie}\r\n"
        f"X-Waveflow: 1\r\n{head}\r\n\r\n".encode()
    )
    return connection


def test_what_is_announced_as_too_long_is_refused_before_it_comes(rig: Rig) -> None:
    with asked(rig, "Content-Length: 99999999999") as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")


def test_an_upload_that_breaks_off_leaves_nothing(rig: Rig) -> None:
    before = len(rig.page.get("/api/state").json()["stems"])
    with asked(rig, "Content-Length: 100000") as connection:
        connection.sendall(b"x" * 50_000)
        assert eventually(lambda: incoming(rig))
    assert eventually(lambda: not incoming(rig))
    assert len(rig.page.get("/api/state").json()["stems"]) == before


def request_of(*messages: Message, length: str | None = None) -> Request:
    """A request that brings these messages, one after the other."""
    left = list(messages)

    async def receive() -> Message:
        return left.pop(0)

    headers = [(b"content-length", length.encode())] if length else []
    return Request({"type": "http", "method": "PUT", "headers": headers}, receive)


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


class TestRoom:
    def uploads(self, folder: Path, free_bytes: int) -> Uploads:
        return Uploads(folder / "incoming", MOST_BYTES, partial(int, free_bytes))

    def take(self, uploads: Uploads, request: Request) -> bytes:
        async def taken() -> bytes:
            async with uploads.taken(request) as file:
                return file.read_bytes()

        return asyncio.run(taken())

    def test_blocks_become_one_file(self, tmp_path: Path) -> None:
        blocks = [bytes([number]) * 600_000 for number in range(3)]
        request = request_of(
            body(blocks[0], more=True), body(blocks[1], more=True), body(blocks[2])
        )
        uploads = Uploads(tmp_path / "incoming", MOST_BYTES)
        assert self.take(uploads, request) == b"".join(blocks)
        assert list((tmp_path / "incoming").iterdir()) == []

    @pytest.mark.parametrize("length", ["1000", None])
    def test_a_disk_that_is_almost_full_takes_nothing(
        self, tmp_path: Path, length: str | None
    ) -> None:
        uploads = self.uploads(tmp_path, KEPT_FREE_BYTES - 1)
        with pytest.raises(Refused, match=r"is almost full. Make room there") as refused:
            self.take(uploads, request_of(body(b"x" * 1000), length=length))
        assert (refused.value.status, refused.value.code) == (507, "disk_full")

    def test_nor_one_that_this_upload_would_fill(self, tmp_path: Path) -> None:
        uploads = self.uploads(tmp_path, KEPT_FREE_BYTES + 1500)
        with pytest.raises(Refused, match="almost full"):
            self.take(uploads, request_of(body(b"x" * 1000), length="1000"))
        assert self.take(uploads, request_of(body(b"x" * 500), length="500")) == b"x" * 500

    def test_a_folder_that_can_not_be_written_is_no_defect(self, tmp_path: Path) -> None:
        (tmp_path / "incoming").write_text("in the way")
        uploads = self.uploads(tmp_path, 2**40)
        with pytest.raises(Refused, match=r"Nothing can be written to .*--folder") as refused:
            self.take(uploads, request_of(body(b"x")))
        assert (refused.value.status, refused.value.code) == (507, "disk_full")

    def test_a_browser_that_has_left_leaves_no_file(self, tmp_path: Path) -> None:
        uploads = self.uploads(tmp_path, 2**40)
        with pytest.raises(ClientDisconnect):
            self.take(uploads, request_of(body(b"x", more=True), {"type": "http.disconnect"}))
        assert list((tmp_path / "incoming").iterdir()) == []


class TestCounts:
    @pytest.fixture
    def full(self, rig: Rig) -> Iterator[Rig]:
        """With as many stems and mixes as one studio takes."""
        board = rig.studio.board
        stem = board.stems[rig.added("many.wav", b"many")]
        stems, mixes = dict(board.stems), dict(board.mixes)
        board.stems |= {f"stem-{1000 + n}": stem for n in range(MOST_STEMS)}
        board.stems["stem-9999"] = evolve(stem, history=[Entry("done", 0.0, "")])
        board.mixes |= {f"mix-{n}": MixRecord(f"mix-{n}", []) for n in range(MOST_MIXES)}
        yield rig
        for kept, now in ((stems, board.stems), (mixes, board.mixes)):
            for name in now.keys() - kept.keys():
                del now[name]

    def test_are_limited(self, full: Rig) -> None:
        for answer in (
            full.put("more.wav", b"more"),
            full.page.post("/api/song"),
            full.page.post("/api/mixes", json={"stem_ids": ["stem-9999"]}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (400, "full")
            assert "--folder" in answer.json()["error"]

    def test_and_limits_are_told(self, rig: Rig) -> None:
        limits = rig.page.get("/api/state").json()["limits"]
        assert limits == {"max_upload_bytes": MOST_BYTES}
