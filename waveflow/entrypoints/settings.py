"""Settings from the environment, under the names that deployments already set.

One table: each field of `Settings` says its variable, its parser and its default. All mistakes
are reported at once, in sentences.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, field, fields, frozen

from waveflow.adapters.notifier.signing import SigningSecret, parse_secrets
from waveflow.adapters.notifier.webhook_url import validate_webhook_url
from waveflow.domain.audio import ALL_MIME_TYPES, MAX_PEAKS
from waveflow.entrypoints.setting_values import (
    bucket,
    did_you_mean,
    existing,
    mime_types,
    one_of,
    queue_url,
    seconds,
    true_or_false,
    whole,
    whole_of,
)

_ENV = "variable"
_PARSE = "parse"
_SECRET = "secret"


class SettingsError(Exception):
    """Raised when the environment holds settings that can't be used.

    Attributes:
        problems: one sentence for each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _from(variable: str, parse: Callable[[str], Any], default: Any, *, secret: bool = False) -> Any:
    metadata = {_ENV: variable, _PARSE: parse, _SECRET: secret}
    return field(default=default, metadata=metadata, repr=not secret)


def _if_set(attribute: str, then: str, otherwise: str) -> Any:
    """The default of a setting that follows from whether another one is set."""
    return Factory(
        lambda self: otherwise if getattr(self, attribute) is None else then, takes_self=True
    )


@frozen(kw_only=True)
class Settings:
    """Everything that a deployment can set; see the table in the README."""

    log_level: str = _from(
        "LOG_LEVEL", one_of("debug", "info", "warning", "error", "critical"), "info"
    )
    log_format: str = _from("LOG_FORMAT", one_of("json", "console"), "console")
    max_file_size_mb: int = _from("MAX_FILE_SIZE_MB", whole(1), 100)
    allowed_mime_types: frozenset[str] = _from("ALLOWED_MIME_TYPES", mime_types, ALL_MIME_TYPES)
    default_waveform_peaks: int = _from("DEFAULT_WAVEFORM_PEAKS", whole(1, MAX_PEAKS), MAX_PEAKS)
    levels: bool = _from("WAVEFLOW_LEVELS", true_or_false, False)
    dat_bits: int = _from("WAVEFLOW_DAT_BITS", whole_of(0, 8, 16), 0)
    max_retries: int = _from("MAX_RETRIES", whole(0), 3)
    retry_delay_s: float = _from("RETRY_DELAY", seconds(0), 60.0)
    max_receives: int = _from("WAVEFLOW_MAX_RECEIVES", whole(2), 10)
    aws_region: str | None = _from("AWS_REGION", str, None)
    s3_bucket_name: str | None = _from("S3_BUCKET_NAME", bucket, None)
    sqs_queue_url: str | None = _from("SQS_QUEUE_URL", queue_url, None)
    dead_letter_queue_url: str | None = _from("WAVEFLOW_DEAD_LETTER_QUEUE_URL", queue_url, None)
    webhook_url: str | None = _from("WEBHOOK_URL", validate_webhook_url, None, secret=True)
    webhook_secrets: tuple[SigningSecret, ...] = _from(
        "WAVEFLOW_WEBHOOK_SECRET", parse_secrets, (), secret=True
    )
    webhook_timeout_s: float = _from("WAVEFLOW_WEBHOOK_TIMEOUT_S", seconds(1), 30.0)
    webhook_patience_s: float = _from("WAVEFLOW_WEBHOOK_PATIENCE_S", seconds(0), 3600.0)
    storage: str = _from(
        "WAVEFLOW_STORAGE",
        one_of("s3", "folder", "memory"),
        _if_set("s3_bucket_name", "s3", "folder"),
    )
    storage_folder: Path = _from("WAVEFLOW_STORAGE_FOLDER", existing, Path("waveflow-storage"))
    queue: str = _from(
        "WAVEFLOW_QUEUE", one_of("sqs", "memory"), _if_set("sqs_queue_url", "sqs", "memory")
    )
    notifier: str = _from(
        "WAVEFLOW_NOTIFIER",
        one_of("webhook", "console", "memory"),
        _if_set("webhook_url", "webhook", "console"),
    )
    slots: int = _from("WAVEFLOW_SLOTS", whole(1, 128), 8)
    waiting_messages: int = _from("WAVEFLOW_WAITING_MESSAGES", whole(0, 1000), 64)
    poll_wait_s: float = _from("WAVEFLOW_POLL_WAIT_S", seconds(1, 20), 20.0)
    visibility_timeout_s: float = _from("WAVEFLOW_VISIBILITY_TIMEOUT_S", seconds(3, 43_000), 60.0)
    drain_timeout_s: float = _from("WAVEFLOW_DRAIN_TIMEOUT_S", seconds(0), 90.0)
    watchdog_s: float = _from("WAVEFLOW_WATCHDOG_S", seconds(1), 90.0)
    stuck_after_s: float = _from("WAVEFLOW_STUCK_AFTER_S", seconds(0), 3600.0)
    sweep_interval_s: float = _from("WAVEFLOW_SWEEP_INTERVAL_S", seconds(1), 600.0)
    queue_look_s: float = _from("WAVEFLOW_QUEUE_LOOK_S", seconds(1), 60.0)
    compute_processes: int = _from("WAVEFLOW_COMPUTE_PROCESSES", whole(1, 64), 2)
    compute_tasks_per_process: int = _from("WAVEFLOW_COMPUTE_TASKS_PER_PROCESS", whole(1), 100)
    compute_memory_mb: int = _from("WAVEFLOW_COMPUTE_MEMORY_MB", whole(768), 1024)
    task_timeout_s: float = _from("WAVEFLOW_TASK_TIMEOUT_S", seconds(1), 600.0)
    max_duration_s: float = _from("WAVEFLOW_MAX_DURATION_S", seconds(1), 6 * 3600.0)
    http_port: int = _from("WAVEFLOW_HTTP_PORT", whole(0, 65_535), 0)
    http_host: str = _from("WAVEFLOW_HTTP_HOST", str, "127.0.0.1")
    work_dir: Path = _from(
        "WAVEFLOW_WORK_DIR", Path, Factory(lambda: Path(tempfile.gettempdir()) / "waveflow")
    )


@frozen
class Reading:
    """What an environment says, mistakes included.

    Attributes:
        settings: with the default where a variable can't be used.
        problems: one sentence for each mistake.
        refused: the variables whose values can't be used.
    """

    settings: Settings
    problems: list[str]
    refused: frozenset[str]


def load_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`; an empty variable counts as absent.

    Raises:
        SettingsError: naming every variable that can't be used, and every `WAVEFLOW_` one that
            doesn't exist (a typing mistake, most likely).
    """
    reading = read_settings(environment)
    if reading.problems:
        raise SettingsError(reading.problems)
    return reading.settings


def read_settings(environment: Mapping[str, str]) -> Reading:
    """The settings in `environment`, and everything that is wrong with them."""
    values: dict[str, Any] = {}
    problems = _unknown(environment)
    refused = set()
    for attribute in fields(Settings):
        variable = attribute.metadata[_ENV]
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            values[attribute.name] = attribute.metadata[_PARSE](text)
        except ValueError as error:
            # An address may hold a login, or a token in its query.
            is_secret = attribute.metadata[_SECRET] or not {"@", "?", "#"}.isdisjoint(text)
            shown = "set" if is_secret else repr(text)
            problems.append(f"{variable} is {shown}; it {error}.")
            refused.add(variable)
    settings = Settings(**values)
    problems += _missing(settings, environment) + _contradictions(settings)
    return Reading(settings, problems, frozenset(refused))


def _unknown(environment: Mapping[str, str]) -> list[str]:
    known = [attribute.metadata[_ENV] for attribute in fields(Settings)]
    unknown = sorted(name for name in environment if name.startswith("WAVEFLOW_"))
    return [
        f"{name} is set, but there is no such setting{did_you_mean(name, known) or '.'}"
        for name in unknown
        if name not in known
    ]


BACKENDS = (
    ("storage", "s3", "S3_BUCKET_NAME", "WAVEFLOW_STORAGE"),
    ("queue", "sqs", "SQS_QUEUE_URL", "WAVEFLOW_QUEUE"),
    ("notifier", "webhook", "WEBHOOK_URL", "WAVEFLOW_NOTIFIER"),
)
"""A choice of backend, and the variable that it can't do without."""


def _missing(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    return [
        f"{choice} is {backend}, which needs {variable}; it is not set."
        for attribute, backend, variable, choice in BACKENDS
        if getattr(settings, attribute) == backend and not environment.get(variable, "").strip()
    ]


def _contradictions(settings: Settings) -> list[str]:
    """What is right for itself, but not together."""
    problems = []
    if settings.sqs_queue_url and settings.dead_letter_queue_url == settings.sqs_queue_url:
        problems.append(
            "WAVEFLOW_DEAD_LETTER_QUEUE_URL is the same as SQS_QUEUE_URL; it must be another queue."
        )
    if settings.watchdog_s <= settings.poll_wait_s:
        problems.append(
            f"WAVEFLOW_WATCHDOG_S is {settings.watchdog_s:g}; it must be more than"
            f" WAVEFLOW_POLL_WAIT_S, which is {settings.poll_wait_s:g}: for so long an empty queue"
            " is silent."
        )
    problems += [
        f"WAVEFLOW_STUCK_AFTER_S is {settings.stuck_after_s:g}; it must be 0, or more than"
        f" {variable}, which is {timeout_s:g}: so long a single {step} may take."
        for variable, timeout_s, step in (
            ("WAVEFLOW_TASK_TIMEOUT_S", settings.task_timeout_s, "decode"),
            ("WAVEFLOW_WEBHOOK_TIMEOUT_S", settings.webhook_timeout_s, "webhook"),
        )
        if 0 < settings.stuck_after_s <= timeout_s
    ]
    return problems


def unchosen_backends(environment: Mapping[str, str]) -> list[str]:
    """What a worker in production lacks: it must never fall back to parts for development.

    Returns:
        A sentence for each backend that is neither set up nor chosen by name.
    """
    return [
        f"{variable} is not set. A worker needs it; to run one on other parts, set {choice}."
        for _, _, variable, choice in BACKENDS
        if not environment.get(variable, "").strip() and not environment.get(choice, "").strip()
    ]
