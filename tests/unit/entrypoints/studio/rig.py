"""A studio that is served to this process, over real HTTP, and what a page asks of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
from attrs import frozen

from tests.support.audio_files import write_audio
from waveflow.entrypoints.studio.opening import opened
from waveflow.entrypoints.studio.serve import StudioServer, listening
from waveflow.entrypoints.studio.studio import Studio

MOST_BYTES = 2 * 1024**2
ENDS = ("done", "duplicate", "failed")
LIBRARY = b"export default 1;\n"


@frozen
class Rig:
    """A studio, its server, and a browser that was let in."""

    studio: Studio
    server: StudioServer
    page: httpx.Client

    def put(self, name: str, content: bytes) -> httpx.Response:
        return self.page.put("/api/stems", params={"name": name}, content=content)

    def added(self, name: str, content: bytes) -> str:
        """The id of a new stem."""
        answer = self.put(name, content)
        assert answer.status_code == 201, answer.text
        stem_id: str = answer.json()["stem_id"]
        return stem_id

    def states(self) -> Iterator[Any]:
        """What the page is told, by and by."""
        with self.page.stream("GET", "/api/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def told(self, enough: Callable[[Any], bool]) -> Any:
        """The first state of which `enough` is true."""
        for state in self.states():
            if enough(state):
                return state
        raise AssertionError("the stream has ended")

    def ended(self, stem_id: str) -> Any:
        """The stem, once nothing more happens to it."""
        state = self.told(lambda state: stem_of(state, stem_id)["step"] in ENDS)
        return stem_of(state, stem_id)

    def mixed(self, mix_id: str) -> Any:
        """The mix, once nothing more happens to it."""

        def mix_of(state: Any) -> Any:
            return next(mix for mix in state["mixes"] if mix["mix_id"] == mix_id)

        return mix_of(self.told(lambda state: mix_of(state)["step"] in ENDS))


def stem_of(state: Any, stem_id: str) -> Any:
    return next(stem for stem in state["stems"] if stem["stem_id"] == stem_id)


@contextmanager
def served(folder: Path, *, most_bytes: int = MOST_BYTES) -> Iterator[Rig]:
    vendor = folder / "vendor"
    vendor.mkdir(parents=True, exist_ok=True)
    (vendor / "wavesurfer.esm.js").write_bytes(LIBRARY)
    listens = Event()
    with opened(folder, max_upload_bytes=most_bytes) as studio, listening(0, or_any=False) as at:
        server = StudioServer(studio, at, lambda _: listens.set(), vendor)
        thread = Thread(target=server.serve_until_ended)
        thread.start()
        try:
            assert listens.wait(20)
            base_url = f"http://127.0.0.1:{server.address.port}"
            headers = {"X-Waveflow": "1"}
            with httpx.Client(base_url=base_url, headers=headers, timeout=30) as page:
                assert page.get(server.address.url).status_code == 303
                yield Rig(studio, server, page)
        finally:
            server.should_exit = True
            thread.join(20)
    assert not thread.is_alive()


def tone(
    folder: Path,
    level: float = 0.25,
    *,
    seconds: float = 0.5,
    kind: str = "wav-16",
    channels: int = 1,
) -> bytes:
    """An audio file of constant level; each level is another recording."""
    samples = np.full((round(seconds * 44_100), channels), level, np.float32)
    return write_audio(folder / "tone", samples, kind=kind).read_bytes()
