"""Settings of the backends of production: what follows from what, and what is kept quiet."""

from __future__ import annotations

import base64

import pytest

from waveflow.entrypoints.settings import (
    Settings,
    SettingsError,
    load_settings,
    unchosen_backends,
)

QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/stems"
SECRET = base64.b64encode(bytes(range(32))).decode()
PRODUCTION = {
    "SQS_QUEUE_URL": QUEUE_URL,
    "S3_BUCKET_NAME": "stems",
    "WEBHOOK_URL": "https://main/hooks",
}


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load_settings(environment)
    return error.value.problems


def chosen(settings: Settings) -> tuple[str, str, str]:
    return settings.storage, settings.queue, settings.notifier


class TestChoosing:
    def test_the_parts_for_development_are_the_default(self) -> None:
        assert chosen(load_settings({})) == ("folder", "memory", "console")

    def test_naming_a_bucket_a_queue_and_a_server_chooses_them(self) -> None:
        assert chosen(load_settings(PRODUCTION)) == ("s3", "sqs", "webhook")

    def test_what_is_chosen_by_name_is_chosen(self) -> None:
        by_name = {
            "WAVEFLOW_STORAGE": "memory",
            "WAVEFLOW_QUEUE": "memory",
            "WAVEFLOW_NOTIFIER": "console",
        }
        assert chosen(load_settings(PRODUCTION | by_name)) == ("memory", "memory", "console")

    @pytest.mark.parametrize(
        ("choice", "backend", "variable"),
        [
            ("WAVEFLOW_STORAGE", "s3", "S3_BUCKET_NAME"),
            ("WAVEFLOW_QUEUE", "sqs", "SQS_QUEUE_URL"),
            ("WAVEFLOW_NOTIFIER", "webhook", "WEBHOOK_URL"),
        ],
    )
    @pytest.mark.parametrize("text", ["", " "])
    def test_a_choice_without_what_it_needs_is_a_mistake(
        self, choice: str, backend: str, variable: str, text: str
    ) -> None:
        assert problems({choice: backend, variable: text}) == [
            f"{choice} is {backend}, which needs {variable}; it is not set."
        ]

    def test_a_worker_that_nothing_was_chosen_for_lacks_everything(self) -> None:
        assert unchosen_backends({"SQS_QUEUE_URL": " "}) == [
            f"{variable} is not set. A worker needs it; to run one on other parts, set {choice}."
            for variable, choice in [
                ("S3_BUCKET_NAME", "WAVEFLOW_STORAGE"),
                ("SQS_QUEUE_URL", "WAVEFLOW_QUEUE"),
                ("WEBHOOK_URL", "WAVEFLOW_NOTIFIER"),
            ]
        ]

    def test_a_worker_lacks_nothing_that_is_set_up_or_chosen(self) -> None:
        assert unchosen_backends(PRODUCTION) == []
        by_name = {"WAVEFLOW_STORAGE": "folder", "WAVEFLOW_NOTIFIER": "memory"}
        assert unchosen_backends(by_name | {"SQS_QUEUE_URL": QUEUE_URL}) == []


class TestContradictions:
    def test_a_queue_is_not_its_own_dead_letter_queue(self) -> None:
        assert problems(PRODUCTION | {"WAVEFLOW_DEAD_LETTER_QUEUE_URL": QUEUE_URL}) == [
            "WAVEFLOW_DEAD_LETTER_QUEUE_URL is the same as SQS_QUEUE_URL; it must be another queue."
        ]

    def test_a_queue_is_not_silent_before_an_empty_receive_ends(self) -> None:
        [problem] = problems({"WAVEFLOW_WATCHDOG_S": "20"})
        assert problem.startswith(
            "WAVEFLOW_WATCHDOG_S is 20; it must be more than WAVEFLOW_POLL_WAIT_S, which is 20:"
        )
        load_settings({"WAVEFLOW_WATCHDOG_S": "20", "WAVEFLOW_POLL_WAIT_S": "10"})

    def test_a_slot_is_not_stuck_while_a_decode_may_still_end(self) -> None:
        [problem] = problems({"WAVEFLOW_STUCK_AFTER_S": "600"})
        assert problem.startswith(
            "WAVEFLOW_STUCK_AFTER_S is 600; it must be 0, or more than WAVEFLOW_TASK_TIMEOUT_S,"
            " which is 600:"
        )
        load_settings({"WAVEFLOW_STUCK_AFTER_S": "600", "WAVEFLOW_TASK_TIMEOUT_S": "599"})
        load_settings({"WAVEFLOW_STUCK_AFTER_S": "0"})

    def test_a_slot_is_not_stuck_while_a_webhook_may_still_be_answered(self) -> None:
        environment = {"WAVEFLOW_STUCK_AFTER_S": "30", "WAVEFLOW_TASK_TIMEOUT_S": "29"}
        [problem] = problems(environment)
        assert problem.startswith(
            "WAVEFLOW_STUCK_AFTER_S is 30; it must be 0, or more than WAVEFLOW_WEBHOOK_TIMEOUT_S,"
            " which is 30:"
        )
        load_settings(environment | {"WAVEFLOW_WEBHOOK_TIMEOUT_S": "29"})

    def test_they_are_told_with_all_other_mistakes(self) -> None:
        assert [
            problem.split()[0]
            for problem in problems(
                {
                    "LOG_LEVEL": "loud",
                    "WAVEFLOW_QUEUE": "sqs",
                    "WAVEFLOW_WATCHDOG_S": "2",
                }
            )
        ] == ["LOG_LEVEL", "WAVEFLOW_QUEUE", "WAVEFLOW_WATCHDOG_S"]


class TestSecrets:
    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("WAVEFLOW_WEBHOOK_SECRET", "whsec_c2hvcnQ="),
            ("WAVEFLOW_WEBHOOK_SECRET", "not base64!"),
            ("WAVEFLOW_WEBHOOK_SECRET", ","),
            ("WEBHOOK_URL", "ftp://login:password@main"),
            ("WEBHOOK_URL", "https://main/hooks#token"),
        ],
    )
    def test_what_may_be_secret_is_quoted_in_no_mistake(self, variable: str, text: str) -> None:
        [problem] = problems({variable: text})
        assert problem.startswith(f"{variable} is set; it must ")
        assert problem.endswith(".")
        for part in ("c2hvcnQ", "not base64", "password", "token"):
            assert part not in problem.replace("base64", "")

    def test_no_secret_shows_where_settings_are_printed(self) -> None:
        settings = load_settings(
            {
                "WAVEFLOW_WEBHOOK_SECRET": SECRET,
                "WEBHOOK_URL": "https://login:password@main/hooks?token=quiet",
            }
        )
        assert settings.webhook_secrets
        for shown in (repr(settings), str(settings), f"{settings.webhook_secrets}"):
            for part in (SECRET, repr(bytes(range(32))), "password", "quiet"):
                assert part not in shown
