"""Settings: every variable, its default, and the sentence for each mistake."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

from waveflow.adapters.notifier.signing import SigningSecret
from waveflow.domain.audio import ALL_MIME_TYPES
from waveflow.entrypoints.settings import Settings, SettingsError, load_settings

README = Path(__file__).parents[3] / "README.md"
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/stems"
SECRET = base64.b64encode(bytes(range(32))).decode()

# variable, attribute, default, a text that can be set, what it means
VARIABLES: list[tuple[str, str, Any, str, Any]] = [
    ("LOG_LEVEL", "log_level", "info", "WARNING", "warning"),
    ("LOG_FORMAT", "log_format", "console", "JSON", "json"),
    ("MAX_FILE_SIZE_MB", "max_file_size_mb", 100, "1", 1),
    (
        "ALLOWED_MIME_TYPES",
        "allowed_mime_types",
        ALL_MIME_TYPES,
        "audio/WAV, audio/flac,,audio/mp4",
        frozenset({"audio/wav", "audio/flac", "audio/mp4"}),
    ),
    ("DEFAULT_WAVEFORM_PEAKS", "default_waveform_peaks", 4000, "800", 800),
    ("WAVEFLOW_LEVELS", "levels", False, "True", True),
    ("WAVEFLOW_DAT_BITS", "dat_bits", 0, "16", 16),
    ("MAX_RETRIES", "max_retries", 3, "0", 0),
    ("RETRY_DELAY", "retry_delay_s", 60.0, "0.5", 0.5),
    ("WAVEFLOW_MAX_RECEIVES", "max_receives", 10, "20", 20),
    ("AWS_REGION", "aws_region", None, "eu-west-1", "eu-west-1"),
    ("S3_BUCKET_NAME", "s3_bucket_name", None, "stems", "stems"),
    ("SQS_QUEUE_URL", "sqs_queue_url", None, QUEUE_URL, QUEUE_URL),
    ("WAVEFLOW_DEAD_LETTER_QUEUE_URL", "dead_letter_queue_url", None, QUEUE_URL, QUEUE_URL),
    ("WEBHOOK_URL", "webhook_url", None, "http://main/hooks", "http://main/hooks"),
    (
        "WAVEFLOW_WEBHOOK_SECRET",
        "webhook_secrets",
        (),
        f"{SECRET}, whsec_{SECRET}",
        (SigningSecret.parse(SECRET), SigningSecret.parse(SECRET)),
    ),
    ("WAVEFLOW_WEBHOOK_TIMEOUT_S", "webhook_timeout_s", 30.0, "1", 1.0),
    ("WAVEFLOW_WEBHOOK_PATIENCE_S", "webhook_patience_s", 3600.0, "0", 0.0),
    ("WAVEFLOW_STORAGE", "storage", "folder", "Memory", "memory"),
    (
        "WAVEFLOW_STORAGE_FOLDER",
        "storage_folder",
        Path("waveflow-storage"),
        "/dev/shm",
        Path("/dev/shm"),
    ),
    ("WAVEFLOW_QUEUE", "queue", "memory", "MEMORY", "memory"),
    ("WAVEFLOW_NOTIFIER", "notifier", "console", "memory", "memory"),
    ("WAVEFLOW_SLOTS", "slots", 8, "128", 128),
    ("WAVEFLOW_WAITING_MESSAGES", "waiting_messages", 64, "0", 0),
    ("WAVEFLOW_POLL_WAIT_S", "poll_wait_s", 20.0, "1", 1.0),
    ("WAVEFLOW_VISIBILITY_TIMEOUT_S", "visibility_timeout_s", 60.0, "3", 3.0),
    ("WAVEFLOW_DRAIN_TIMEOUT_S", "drain_timeout_s", 90.0, "0", 0.0),
    ("WAVEFLOW_WATCHDOG_S", "watchdog_s", 90.0, "20.5", 20.5),
    ("WAVEFLOW_STUCK_AFTER_S", "stuck_after_s", 3600.0, "0", 0.0),
    ("WAVEFLOW_SWEEP_INTERVAL_S", "sweep_interval_s", 600.0, "1", 1.0),
    ("WAVEFLOW_QUEUE_LOOK_S", "queue_look_s", 60.0, "5", 5.0),
    ("WAVEFLOW_COMPUTE_PROCESSES", "compute_processes", 2, "64", 64),
    ("WAVEFLOW_COMPUTE_TASKS_PER_PROCESS", "compute_tasks_per_process", 100, "1", 1),
    ("WAVEFLOW_COMPUTE_MEMORY_MB", "compute_memory_mb", 1024, "768", 768),
    ("WAVEFLOW_TASK_TIMEOUT_S", "task_timeout_s", 600.0, "1.5", 1.5),
    ("WAVEFLOW_MAX_DURATION_S", "max_duration_s", 21600.0, " 3600 ", 3600.0),
    ("WAVEFLOW_HTTP_PORT", "http_port", 0, "9464", 9464),
    ("WAVEFLOW_HTTP_HOST", "http_host", "127.0.0.1", "::", "::"),
    ("WAVEFLOW_WORK_DIR", "work_dir", Path(tempfile.gettempdir()) / "waveflow", "/w", Path("/w")),
]
NAMES = [variable for variable, *_ in VARIABLES]
UNSET = [variable for variable, _, default, *_ in VARIABLES if default in (None, ())]
each_variable = pytest.mark.parametrize(
    ("variable", "attribute", "default", "text", "value"), VARIABLES, ids=NAMES
)
WHOLE = "a whole number of 1 or more"
SECONDS = "a number of seconds from 1 to 604800"
ADDRESS = "an address that begins with http:// or https://"


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load_settings(environment)
    assert str(error.value) == "\n".join(error.value.problems)
    return error.value.problems


def test_these_are_all_the_variables_there_are() -> None:
    assert [attribute.metadata["variable"] for attribute in fields(Settings)] == NAMES
    assert [attribute.name for attribute in fields(Settings)] == [row[1] for row in VARIABLES]


@each_variable
def test_a_variable_has_a_default_and_can_be_set(
    variable: str, attribute: str, default: Any, text: str, value: Any
) -> None:
    assert getattr(load_settings({}), attribute) == default
    assert getattr(load_settings({variable: text}), attribute) == value


@each_variable
def test_an_empty_variable_counts_as_absent(
    variable: str, attribute: str, default: Any, text: str, value: Any
) -> None:
    for empty in ("", "  ", "\n"):
        assert getattr(load_settings({variable: empty}), attribute) == default


@pytest.mark.parametrize(
    ("variable", "text", "wanted"),
    [
        ("LOG_LEVEL", "loud", "one of: debug, info, warning, error, critical"),
        ("LOG_FORMAT", "xml", "one of: json, console"),
        ("MAX_FILE_SIZE_MB", "0", WHOLE),
        ("MAX_FILE_SIZE_MB", "100 MB", WHOLE),
        ("MAX_FILE_SIZE_MB", "1.5", WHOLE),
        ("MAX_FILE_SIZE_MB", "9" * 5000, WHOLE),
        ("DEFAULT_WAVEFORM_PEAKS", "4001", "a whole number from 1 to 4000"),
        ("DEFAULT_WAVEFORM_PEAKS", "0", "a whole number from 1 to 4000"),
        ("WAVEFLOW_LEVELS", "yes", "true or false"),
        ("WAVEFLOW_DAT_BITS", "12", "one of: 0, 8, 16"),
        ("WAVEFLOW_DAT_BITS", "many", "one of: 0, 8, 16"),
        ("MAX_RETRIES", "-1", "a whole number of 0 or more"),
        ("RETRY_DELAY", "nan", "a number of seconds from 0 to 604800"),
        ("RETRY_DELAY", "inf", "a number of seconds from 0 to 604800"),
        ("RETRY_DELAY", "1e9", "a number of seconds from 0 to 604800"),
        ("RETRY_DELAY", "soon", "a number of seconds from 0 to 604800"),
        ("SQS_QUEUE_URL", "stems", ADDRESS),
        ("SQS_QUEUE_URL", "sqs://queue", ADDRESS),
        ("SQS_QUEUE_URL", "http://queue:99999/stems", ADDRESS),
        ("SQS_QUEUE_URL", "http://[queue/stems", ADDRESS),
        ("WAVEFLOW_DEAD_LETTER_QUEUE_URL", "https://", ADDRESS),
        ("WAVEFLOW_WEBHOOK_TIMEOUT_S", "0", SECONDS),
        ("WAVEFLOW_WEBHOOK_PATIENCE_S", "-1", "a number of seconds from 0 to 604800"),
        (
            "SQS_QUEUE_URL",
            "https://queue.example/1/stems.fifo",
            "a standard queue; this one is FIFO",
        ),
        (
            "S3_BUCKET_NAME",
            "My Stems",
            "the name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-'",
        ),
        ("WAVEFLOW_STORAGE", "tape", "one of: s3, folder, memory"),
        ("WAVEFLOW_QUEUE", "kafka", "one of: sqs, memory"),
        ("WAVEFLOW_NOTIFIER", "post", "one of: webhook, console, memory"),
        ("WAVEFLOW_SLOTS", "0", "a whole number from 1 to 128"),
        ("WAVEFLOW_SLOTS", "129", "a whole number from 1 to 128"),
        ("WAVEFLOW_WAITING_MESSAGES", "1001", "a whole number from 0 to 1000"),
        ("WAVEFLOW_POLL_WAIT_S", "0", "a number of seconds from 1 to 20"),
        ("WAVEFLOW_POLL_WAIT_S", "21", "a number of seconds from 1 to 20"),
        ("WAVEFLOW_VISIBILITY_TIMEOUT_S", "2.9", "a number of seconds from 3 to 43000"),
        ("WAVEFLOW_VISIBILITY_TIMEOUT_S", "43001", "a number of seconds from 3 to 43000"),
        ("WAVEFLOW_DRAIN_TIMEOUT_S", "-1", "a number of seconds from 0 to 604800"),
        ("WAVEFLOW_WATCHDOG_S", "0.5", SECONDS),
        ("WAVEFLOW_SWEEP_INTERVAL_S", "0", SECONDS),
        ("WAVEFLOW_COMPUTE_PROCESSES", "65", "a whole number from 1 to 64"),
        ("WAVEFLOW_HTTP_PORT", "65536", "a whole number from 0 to 65535"),
        ("WAVEFLOW_COMPUTE_TASKS_PER_PROCESS", "0", WHOLE),
        ("WAVEFLOW_COMPUTE_MEMORY_MB", "767", "a whole number of 768 or more"),
        ("WAVEFLOW_TASK_TIMEOUT_S", "10 min", SECONDS),
        ("WAVEFLOW_MAX_DURATION_S", "0", SECONDS),
    ],
    ids=lambda text: str(text)[:40],
)
def test_a_mistake_is_a_sentence_with_name_value_and_remedy(
    variable: str, text: str, wanted: str
) -> None:
    assert problems({variable: text}) == [f"{variable} is {text!r}; it must be {wanted}."]


def test_mime_types_that_include_nothing_decodable_are_a_mistake() -> None:
    [problem] = problems({"ALLOWED_MIME_TYPES": "audio/webm, video/mp4"})
    assert problem.startswith(
        "ALLOWED_MIME_TYPES is 'audio/webm, video/mp4'; it must name at least"
    )
    assert problem.endswith(", audio/x-wav.")


def test_an_unknown_variable_of_ours_is_a_mistake_and_others_are_not() -> None:
    environment = {"WAVEFLOW_STORGE": "x", "PATH": "/bin", "WAVEFLOW": "x", "waveflow_x": "x"}
    assert problems(environment) == [
        "WAVEFLOW_STORGE is set, but there is no such setting; did you mean WAVEFLOW_STORAGE?"
    ]


def test_an_unknown_variable_is_a_mistake_also_when_it_is_empty() -> None:
    assert problems({"WAVEFLOW_X": ""}) == ["WAVEFLOW_X is set, but there is no such setting."]


def test_all_mistakes_are_reported_at_once() -> None:
    environment = {
        "WAVEFLOW_STORGE": "x",
        "LOG_LEVEL": "loud",
        "MAX_RETRIES": "-1",
        "LOG_FORMAT": "",
    }
    assert problems(environment) == [
        "WAVEFLOW_STORGE is set, but there is no such setting; did you mean WAVEFLOW_STORAGE?",
        "LOG_LEVEL is 'loud'; it must be one of: debug, info, warning, error, critical.",
        "MAX_RETRIES is '-1'; it must be a whole number of 0 or more.",
    ]


def test_the_readme_lists_exactly_these_variables_with_their_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "waveflow-storage").mkdir()
    monkeypatch.chdir(tmp_path)
    rows = re.findall(
        r"^\| `([A-Z0-9_]+)` \| ([^|]*) \| [^|]+ \|$", README.read_text(), re.MULTILINE
    )
    listed = {name: default.strip(" `") for name, default in rows}
    assert sorted(name for name, _ in rows) == sorted(NAMES)
    # These are described: a long list, one that depends on the machine, and what follows.
    assert re.search(r"all|audio/wav", listed.pop("ALLOWED_MIME_TYPES"))
    assert listed.pop("WAVEFLOW_WORK_DIR").endswith("/waveflow")
    for choice, variable in (
        ("WAVEFLOW_STORAGE", "S3_BUCKET_NAME"),
        ("WAVEFLOW_QUEUE", "SQS_QUEUE_URL"),
        ("WAVEFLOW_NOTIFIER", "WEBHOOK_URL"),
    ):
        described = re.fullmatch(r"(\w+) when (\w+) is set, else (\w+)", listed[choice])
        assert described
        then, condition, listed[choice] = described.groups()
        assert condition == variable
        text = "stems" if variable == "S3_BUCKET_NAME" else "http://there"
        assert load_settings({variable: text}) == load_settings({variable: text, choice: then})
    assert [name for name, default in listed.items() if default == "–"] == UNSET
    assert load_settings({name: "" if name in UNSET else listed[name] for name in listed}) == (
        Settings()
    )
