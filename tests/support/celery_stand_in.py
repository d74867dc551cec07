"""A Celery app with the task names of the worker that WaveFlow replaces, for a process of its own.

`python -m celery -A tests.support.celery_stand_in worker` runs it. Its tasks do no more than tell
the main server that they ran. Settings come from the environment: GATE names a file that each
task waits for, after it has made one beside it to say that it has begun.
"""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

from celery import Celery  # type: ignore[import-untyped]

from tests.support.celery_client import QUEUE, STAND_IN, broker_url, transport_options
from tests.support.processes import eventually

app = Celery("stand-in", broker=broker_url(os.environ["AWS_ENDPOINT_URL"]))
app.conf.update(
    broker_transport_options=transport_options(os.environ["SQS_QUEUE_URL"])
    | {"wait_time_seconds": 1, "polling_interval": 0.1},
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=os.environ.get("ACKS_LATE") == "1",
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
)


def _tell(path: str, body: dict[str, Any]) -> None:
    if gate := os.environ.get("GATE"):
        Path(f"{gate}.begun").touch()
        assert eventually(Path(gate).exists, within_s=60)
    request = urllib.request.Request(
        os.environ["WEBHOOK_URL"] + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "User-Agent": STAND_IN},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@app.task(name="app.tasks.generate_hash_and_webhook")  # type: ignore[untyped-decorator]
def generate_hash(**fields: Any) -> None:
    """Tells that it was asked for a hash."""
    _tell("/hash-check", fields | {"status": "hash_generated"})


@app.task(name="app.tasks.process_audio_analysis")  # type: ignore[untyped-decorator]
def analyse(**fields: Any) -> None:
    """Tells that it was asked for a waveform."""
    _tell("/completion", fields | {"status": "SUCCESS"})
