"""What holds for every run: the same examples from hypothesis, and botocore's files read once."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

# Every session of botocore parses its descriptions of S3 and SQS anew: 0.1 s for each of the
# hundreds of clients that tests make. The clients of one session share them as well.
_read_file = cache(JSONFileLoader().load_file)


def _load_file(loader: JSONFileLoader, file_path: str) -> Any:
    return _read_file(file_path)


JSONFileLoader.load_file = _load_file  # type: ignore[method-assign, assignment]
