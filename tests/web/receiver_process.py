"""`examples/receiver` as a process, and what stands between it and a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.aws_servers import free_port
from tests.support.http_exchange import Answer, ReceivedRequest
from tests.support.processes import eventually
from tests.web.node_tools import RECEIVER

START_S = 30.0
REQUEST_S = 20.0


class ReceiverProcess:
    """The compiled receiver, listening. At the end of a `with` it is killed."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """Start it, with its words in the file `log`, and wait until it answers."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                ["node", RECEIVER / "dist" / "main.js"],
                env={"PATH": os.environ["PATH"], "PORT": str(port), "NO_COLOR": "1"}
                | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        assert eventually(self._answers_or_has_ended, within_s=START_S), self.text()
        assert self._process.poll() is None, self.text()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def text(self) -> str:
        """Everything that it printed so far."""
        return self.log.read_text(errors="replace")

    def freeze(self) -> None:
        """From here on it answers nothing, though connections to it are made."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on, with what came meanwhile first."""
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> int:
        """Tell it to end, and wait. Returns its exit code."""
        self._process.terminate()
        return self._process.wait(REQUEST_S)

    def get(self, path: str) -> Any:
        """What it answers to a GET, as JSON."""
        return json.loads(self.ask("GET", path).body)

    def post(self, path: str, body: Any) -> Any:
        """What it answers to a POST of JSON. Raises `AssertionError` unless that is 2xx."""
        headers = {"Content-Type": "application/json"}
        answer = self.ask("POST", path, headers, json.dumps(body).encode())
        assert 200 <= answer.status < 300, answer
        return json.loads(answer.body)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request, and its answer whatever the status."""
        request = urllib.request.Request(self.url + path, body, dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_S) as reply:
                return Answer(reply.status, reply.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, refusal.read())

    def deliver(self, request: ReceivedRequest, **headers: str) -> Answer:
        """Hand a webhook on, byte for byte, with some `headers` (`webhook_id` …) altered."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}
        named = {name: value for name, value in request.headers.items() if name in kept}
        return self.ask("POST", request.path, named | changed, request.body)

    def _answers_or_has_ended(self) -> bool:
        if self._process.poll() is not None:
            return True
        try:
            return self.ask("GET", "/health").status == 200
        except OSError:
            return False
