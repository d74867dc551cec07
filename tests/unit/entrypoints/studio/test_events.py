"""The stream of news: at once, after each change, in silence, for many tabs, and to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.types import Message

from waveflow.entrypoints.studio.board import Board
from waveflow.entrypoints.studio.events import MOST_STREAMS, Streams
from waveflow.entrypoints.studio.records import MixRecord


class Tab:
    """A browser's tab that reads one stream."""

    def __init__(self, streams: Streams, method: str = "GET") -> None:
        self.sent: list[Message] = []
        self._came = asyncio.Event()
        self._left = asyncio.Event()
        scope = {"type": "http", "method": method}
        self.task = asyncio.create_task(streams(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._came.set()

    def leave(self) -> None:
        self._left.set()

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    @property
    def states(self) -> list[Any]:
        lines = self.text.splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not enough():
                await self._came.wait()
                self._came.clear()


def run(tmp_path: Path, play: Callable[[Board, Streams], Awaitable[None]]) -> None:
    board = Board(tmp_path / "studio.json", 1000)
    asyncio.run(asyncio.wait_for(_finished(play(board, Streams(board, silence_s=0.05))), 20))


async def _finished(play: Awaitable[None]) -> None:
    await play


def add_mix(board: Board, mix_id: str) -> None:
    with board.changing():
        board.mixes[mix_id] = MixRecord(mix_id, [])


def test_the_state_comes_at_once_and_after_each_change(tmp_path: Path) -> None:
    async def play(board: Board, streams: Streams) -> None:
        tab = Tab(streams)
        await tab.until(lambda: len(tab.states) == 1)
        assert tab.states == [{"limits": {"max_upload_bytes": 1000}, "stems": [], "mixes": []}]
        assert (b"content-type", b"text/event-stream; charset=utf-8") in tab.sent[0]["headers"]
        await asyncio.to_thread(add_mix, board, "mix-1")
        await tab.until(lambda: len(tab.states) == 2)
        assert [mix["mix_id"] for mix in tab.states[1]["mixes"]] == ["mix-1"]
        tab.leave()
        await tab.task

    run(tmp_path, play)


def test_changes_in_a_burst_are_told_together(tmp_path: Path) -> None:
    async def play(board: Board, streams: Streams) -> None:
        tab = Tab(streams)
        await tab.until(lambda: len(tab.states) == 1)
        for number in range(50):
            add_mix(board, f"mix-{number}")
        await tab.until(lambda: bool(tab.states[-1]["mixes"]))
        assert len(tab.states[-1]["mixes"]) == 50
        assert len(tab.states) == 2
        tab.leave()
        await tab.task

    run(tmp_path, play)


def test_in_silence_a_comment_keeps_the_connection(tmp_path: Path) -> None:
    async def play(_: Board, streams: Streams) -> None:
        tab = Tab(streams)
        await tab.until(lambda: tab.text.count(": still here\n\n") == 2)
        assert len(tab.states) == 1
        tab.leave()
        await tab.task

    run(tmp_path, play)


def test_a_tab_that_is_closed_frees_its_stream(tmp_path: Path) -> None:
    async def play(_: Board, streams: Streams) -> None:
        tab = Tab(streams)
        await tab.until(lambda: len(tab.states) == 1)
        assert streams.count == 1
        tab.leave()
        await tab.task
        assert streams.count == 0

    run(tmp_path, play)


def test_of_many_tabs_the_oldest_gives_way_and_is_asked_to_come_back(tmp_path: Path) -> None:
    async def play(_: Board, streams: Streams) -> None:
        tabs = [Tab(streams) for _ in range(MOST_STREAMS + 1)]
        await tabs[0].task
        assert tabs[0].sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
        assert tabs[0].text.startswith("retry: 3000\n\n")
        for tab in tabs[1:]:
            await tab.until(lambda tab=tab: len(tab.states) == 1)  # type: ignore[misc]
        assert streams.count == MOST_STREAMS
        streams.end()
        await asyncio.gather(*(tab.task for tab in tabs))

    run(tmp_path, play)


def test_at_the_end_all_streams_end_and_later_ones_at_once(tmp_path: Path) -> None:
    async def play(_: Board, streams: Streams) -> None:
        tab = Tab(streams)
        await tab.until(lambda: len(tab.states) == 1)
        streams.end()
        await tab.task
        late = Tab(streams)
        await late.task
        assert late.states == []
        assert streams.count == 0

    run(tmp_path, play)


def test_a_look_at_the_head_ends(tmp_path: Path) -> None:
    async def play(_: Board, streams: Streams) -> None:
        tab = Tab(streams, "HEAD")
        await tab.task
        assert tab.text == ""

    run(tmp_path, play)
