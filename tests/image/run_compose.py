"""docker-compose.yml as `docker compose up --scale worker=2` has it: the whole system, by name.

Not collected by itself: `make image-test` builds the images and names this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from tests.support.audio_files import tone, write_audio
from tests.support.compose import Project, Service
from tests.support.processes import eventually

SONG = 6
"""The stems of the demo's song, one of them twice."""


def stems(main_server: Service) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(fetched(main_server, "/stems"))
    return state


def fetched(main_server: Service, path: str) -> bytes:
    with urlopen(f"http://{main_server.address}:8080{path}", timeout=30) as answer:
        content: bytes = answer.read()
        return content


def settled(main_server: Service, count: int) -> bool:
    """Whether so many stems are done, and a mix of all that are playable is there."""
    state = stems(main_server)
    return len(state["stems"]) == count and all(each["status"] for each in state["stems"])


def test_the_whole_system_comes_up_works_and_goes_down(tmp_path: Path) -> None:
    with Project(tmp_path, scale={"worker": 2}) as project:
        project.up()
        main_server = project.running["main-server"]
        assert eventually(lambda: settled(main_server, SONG), within_s=60)
        assert eventually(lambda: stems(main_server)["mix"], within_s=30)
        verdicts = sorted(each["verdict"] for each in stems(main_server)["stems"])
        assert verdicts == ["duplicate"] + ["new"] * (SONG - 1)

        take = write_audio(tmp_path / "노래 (최종).wav", tone(44_100, 2), kind="wav-16")
        first_mix = stems(main_server)["mix"]
        request = Request(
            f"http://{main_server.address}:8080/stems/{quote(take.name)}",
            data=take.read_bytes(),
            method="PUT",
        )
        with urlopen(request, timeout=30) as answer:
            assert answer.status == 201
        assert eventually(lambda: stems(main_server)["mix"] != first_mix, within_s=30)
        state = stems(main_server)
        last = state["stems"][-1]
        assert (last["name"], last["verdict"], last["duration"]) == (take.name, "new", 1.0)
        assert fetched(main_server, f"/objects/{quote(state['mix'])}")[:4] == b"RIFF"
        drawn = json.loads(fetched(main_server, f"/objects/{quote(last['waveform'])}"))
        assert len(drawn["peaks"]) == 4000

        workers = [project.running[name] for name in ("worker", "worker-2")]
        assert all(worker.healthy() for worker in workers)
        assert sum("task_ended" in worker.process.text() for worker in workers) >= 1
        assert [worker.stop() for worker in workers] == [0, 0]
        assert main_server.stop() == 0
