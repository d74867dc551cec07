"""The command line in this process, in an empty folder and without settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.unit.entrypoints.command_line import CommandLine, WriteSong

DEPLOYMENT = ("LOG_LEVEL", "LOG_FORMAT", "S3_BUCKET_NAME", "SQS_QUEUE_URL", "WEBHOOK_URL")


@pytest.fixture
def waveflow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[CommandLine]:
    """Runs commands in `folder`; WAVEFLOW_WORK_DIR is the folder `work` beside it."""
    for name in list(os.environ):
        if name.startswith(("WAVEFLOW_", "AWS_")) or name in DEPLOYMENT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("WAVEFLOW_WORK_DIR", str(folder.with_name("work")))
    yield CommandLine(capsys)
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def song(folder: Path) -> WriteSong:
    """Writes audio files into `folder`."""
    return WriteSong(folder)


@pytest.fixture
def folder_storage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage in a folder, empty and configured; webhooks go to standard error."""
    storage = folder / "storage"
    monkeypatch.setenv("WAVEFLOW_STORAGE", "folder")
    monkeypatch.setenv("WAVEFLOW_STORAGE_FOLDER", str(storage))
    monkeypatch.setenv("WAVEFLOW_NOTIFIER", "console")
    return storage
