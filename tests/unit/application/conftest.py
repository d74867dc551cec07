"""A workshop for every test that needs one, and no log lines on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.workshop import Workshop


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    # Drawing the traceback of a defect takes longer than all else.
    with capture_logs():
        yield


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "work")
