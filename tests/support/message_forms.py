"""The five forms in which the main server's messages reach the queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.celery_client import celery_message

HASH = "app.tasks.generate_hash_and_webhook"
DUPLICATE = "app.tasks.process_duplicate_file"
ANALYSIS = "app.tasks.process_audio_analysis"
MIX = "app.tasks.mix_stems_and_upload"

Form = Callable[[str, str, Mapping[str, Any]], str]
"""Task name, task id and fields → the body of the SQS message."""


def bare(_: str, __: str, fields: Mapping[str, Any]) -> str:
    """The fields of a hash request alone."""
    return json.dumps(fields, ensure_ascii=False)


def flat(task: str, _: str, fields: Mapping[str, Any]) -> str:
    """The task beside the fields."""
    return json.dumps({"task": task} | dict(fields), ensure_ascii=False)


def nested(task: str, task_id: str, fields: Mapping[str, Any]) -> str:
    """What the main server sends today."""
    return json.dumps(
        {"task": task, "id": task_id, "args": [], "kwargs": dict(fields)}, ensure_ascii=False
    )


def celery_1(task: str, task_id: str, fields: Mapping[str, Any]) -> str:
    """Protocol 1, with the SQS body as it is."""
    return celery_message(task, task_id, fields, protocol=1, base64=False)


def celery_2(task: str, task_id: str, fields: Mapping[str, Any]) -> str:
    """Protocol 2, with the SQS body in base64."""
    return celery_message(task, task_id, fields, protocol=2, base64=True)


FORMS_WITH_ID: tuple[Form, ...] = (nested, celery_1, celery_2)
FORMS: tuple[Form, ...] = (flat, *FORMS_WITH_ID)
FORMS_OF_A_HASH_REQUEST: tuple[Form, ...] = (bare, *FORMS)
