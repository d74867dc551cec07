"""Settings from the environment, under the names that deployments already set.

One table: each field of `Settings` says its variable, its parser and its default. All mistakes
are reported at once, in sentences.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, field, fields, frozen

from waveflow.domain.audio import ALL_MIME_TYPES, MAX_PEAKS

_ENV = "variable"
_PARSE = "parse"


class SettingsError(Exception):
    """Raised when the environment holds settings that can't be used.

    Attributes:
        problems: one sentence for each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    wanted = f"a whole number of {minimum} or more"
    if maximum is not None:
        wanted = f"a whole number from {minimum} to {maximum}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"must be {wanted}") from None
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError(f"must be {wanted}")
        return number

    return parse


_LONGEST_S = 7 * 24 * 3600.0
"""Nothing here takes longer; waiting for more than 24 days overflows the system's timers."""


def _seconds(minimum: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not minimum <= seconds <= _LONGEST_S:
            raise ValueError(f"must be a number of seconds from {minimum:g} to {_LONGEST_S:g}")
        return seconds

    return parse


def _existing(text: str) -> Path:
    # Unlike Path.is_dir, this never raises, however long or unreachable the name.
    if not os.path.isdir(text):  # noqa: PTH112
        raise ValueError("must be a folder that exists; make it first")
    return Path(text)


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        choice = {"warn": "warning"}.get(text.lower(), text.lower())
        if choice not in choices:
            raise ValueError(f"must be one of: {', '.join(choices)}")
        return choice

    return parse


def _mime_types(text: str) -> frozenset[str]:
    # Names of formats that can't be decoded (yet) are left in: they do no harm.
    names = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
    if not names & ALL_MIME_TYPES:
        raise ValueError(
            f"must name at least one of, separated by commas: {', '.join(sorted(ALL_MIME_TYPES))}"
        )
    return names


def _from(variable: str, parse: Callable[[str], Any], default: Any) -> Any:
    return field(default=default, metadata={_ENV: variable, _PARSE: parse})


@frozen(kw_only=True)
class Settings:
    """Everything that a deployment can set; see the table in the README."""

    log_level: str = _from(
        "LOG_LEVEL", _one_of("debug", "info", "warning", "error", "critical"), "info"
    )
    log_format: str = _from("LOG_FORMAT", _one_of("json", "console"), "console")
    max_file_size_mb: int = _from("MAX_FILE_SIZE_MB", _whole(1), 100)
    allowed_mime_types: frozenset[str] = _from("ALLOWED_MIME_TYPES", _mime_types, ALL_MIME_TYPES)
    default_waveform_peaks: int = _from("DEFAULT_WAVEFORM_PEAKS", _whole(1, MAX_PEAKS), MAX_PEAKS)
    max_retries: int = _from("MAX_RETRIES", _whole(0), 3)
    retry_delay_s: float = _from("RETRY_DELAY", _seconds(0), 60.0)
    storage: str = _from("WAVEFLOW_STORAGE", _one_of("folder", "memory"), "folder")
    storage_folder: Path = _from("WAVEFLOW_STORAGE_FOLDER", _existing, Path("waveflow-storage"))
    queue: str = _from("WAVEFLOW_QUEUE", _one_of("memory"), "memory")
    notifier: str = _from("WAVEFLOW_NOTIFIER", _one_of("console", "memory"), "console")
    visibility_timeout_s: float = _from("WAVEFLOW_VISIBILITY_TIMEOUT_S", _seconds(1), 60.0)
    compute_processes: int = _from("WAVEFLOW_COMPUTE_PROCESSES", _whole(1, 64), 2)
    compute_tasks_per_process: int = _from("WAVEFLOW_COMPUTE_TASKS_PER_PROCESS", _whole(1), 100)
    compute_memory_mb: int = _from("WAVEFLOW_COMPUTE_MEMORY_MB", _whole(768), 1024)
    task_timeout_s: float = _from("WAVEFLOW_TASK_TIMEOUT_S", _seconds(1), 600.0)
    max_duration_s: float = _from("WAVEFLOW_MAX_DURATION_S", _seconds(1), 6 * 3600.0)
    work_dir: Path = _from(
        "WAVEFLOW_WORK_DIR", Path, Factory(lambda: Path(tempfile.gettempdir()) / "waveflow")
    )


def load_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`; an empty variable counts as absent.

    Raises:
        SettingsError: naming every variable that can't be used, and every `WAVEFLOW_` one that
            doesn't exist (a typing mistake, most likely).
    """
    values: dict[str, Any] = {}
    known = {attribute.metadata[_ENV] for attribute in fields(Settings)}
    problems = [
        f"{name} is set, but there is no such setting."
        for name in sorted(environment)
        if name.startswith("WAVEFLOW_") and name not in known
    ]
    for attribute in fields(Settings):
        variable = attribute.metadata[_ENV]
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            values[attribute.name] = attribute.metadata[_PARSE](text)
        except ValueError as error:
            problems.append(f"{variable} is {text!r}; it {error}.")
    if problems:
        raise SettingsError(problems)
    return Settings(**values)
