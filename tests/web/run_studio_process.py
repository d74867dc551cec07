"""`waveflow studio` as people run it: a process, its page's requests, and its end."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support.console_script import WAVEFLOW, coverage_settings
from tests.support.processes import descendants, eventually, running
from waveflow.entrypoints.studio.front_end import LIBRARY

ENDS = ("done", "duplicate", "failed")


@contextmanager
def studio(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A studio that has told its address, and a browser that was let in."""
    assert LIBRARY.is_file(), "make web-test fetches the page's library"
    process = subprocess.Popen(
        [WAVEFLOW, "studio", "--port", "0", "--folder", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin"} | coverage_settings(),
    )
    try:
        assert process.stdout
        where, kept, _ = (process.stdout.readline() for _ in range(3))
        assert kept == f"It is kept:   {folder}\n"
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", where)
        assert found
        url = httpx.URL(found[0])
        with httpx.Client(
            base_url=url.copy_with(path="/", query=None), headers={"X-Waveflow": "1"}, timeout=60
        ) as page:
            assert page.get(url).status_code == 303
            yield process, page
    finally:
        process.kill()
        process.communicate()


def told(page: httpx.Client, enough: Callable[[Any], bool]) -> Any:
    with page.stream("GET", "/api/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and enough(state := json.loads(line[6:])):
                return state
    raise AssertionError("the stream has ended")


def all_ended(records: Any) -> bool:
    return bool(records) and all(record["step"] in ENDS for record in records)


def test_a_song_is_uploaded_watched_mixed_and_downloaded(tmp_path: Path) -> None:
    with studio(tmp_path / "studio") as (process, page):
        assert page.post("/api/song").status_code == 202
        stems = told(page, lambda state: all_ended(state["stems"]))["stems"]
        steps = [stem["step"] for stem in stems]
        assert [steps.count(step) for step in ENDS] == [5, 1, 1]
        chosen = [stem["stem_id"] for stem in stems if stem["step"] == "done"]
        assert page.post("/api/mixes", json={"stem_ids": chosen}).status_code == 202
        [mix] = told(page, lambda state: all_ended(state["mixes"]))["mixes"]
        assert (mix["step"], mix["duration_s"]) == ("done", 24.0)
        with zipfile.ZipFile(io.BytesIO(page.get("/api/everything.zip").content)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 6 + 5 * 2 + 3
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_soon_beside_open_streams_and_running_work_and_leaves_nothing(
    tmp_path: Path, number: int
) -> None:
    with studio(tmp_path / "studio") as (process, page):
        page.post("/api/song")
        stems = told(page, lambda state: all_ended(state["stems"]))["stems"]
        ended: list[str] = []

        def watch() -> None:
            try:
                told(page, lambda _: False)
            except AssertionError as error:
                ended.append(str(error))

        tabs = [Thread(target=watch) for _ in range(3)]
        for tab in tabs:
            tab.start()
        chosen = [stem["stem_id"] for stem in stems if stem["step"] == "done"]
        for _ in range(3):
            page.post("/api/mixes", json={"stem_ids": chosen})
        children = descendants(process.pid)
        assert children
        begun_s = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - begun_s < 8
        for tab in tabs:
            tab.join(10)
    assert (process.returncode, ended) == (0, ["the stream has ended"] * 3)
    assert "Traceback" not in errors
    assert eventually(lambda: not running(children))
    assert list((tmp_path / "studio" / "work").iterdir()) == []
