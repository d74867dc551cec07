"""Nothing that is built from the settings shows a secret of theirs when it is printed."""

from __future__ import annotations

import base64
import pprint
from pathlib import Path

import pytest
from dependency_injector import providers

from waveflow.entrypoints.container import container_for
from waveflow.entrypoints.settings import Settings, SettingsError, load_settings

PASSWORD, TOKEN = "CanaryPassword0001", "CanaryQueryToken0001"
SECRETS = (b"canary signing secret nr. one...", b"canary signing secret nr. two...")
WRITTEN = [base64.b64encode(secret).decode() for secret in SECRETS]
CANARIES = [PASSWORD, TOKEN, *WRITTEN, *(secret.decode() for secret in SECRETS)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "WEBHOOK_URL": f"https://user:{PASSWORD}@api.example.com/hooks?token={TOKEN}",
            "WAVEFLOW_WEBHOOK_SECRET": " ".join(f"whsec_{text}" for text in WRITTEN),
            "S3_BUCKET_NAME": "stems",
            "SQS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/stems",
            "AWS_REGION": "eu-west-1",
            "WAVEFLOW_WORK_DIR": str(tmp_path / "work"),
        }
    )


def shown(thing: object) -> list[str]:
    """The secrets in any of the ways in which something is printed."""
    texts = (repr(thing), str(thing), f"{thing}", pprint.pformat(thing))
    return [canary for canary in CANARIES if any(canary in text for text in texts)]


def parts_of(thing: object, depth: int = 2) -> list[object]:
    """Whatever hangs on something, as a debugger or a careless log line would find it."""
    if depth == 0 or not type(thing).__module__.startswith("waveflow"):
        return []
    names = [name for name in dir(thing) if not name.startswith("__")]
    found = []
    for name in names:
        try:
            found.append(getattr(thing, name))
        except Exception:
            continue
    return found + [part for each in found for part in parts_of(each, depth - 1)]


def test_the_settings_show_no_secret(settings: Settings) -> None:
    assert shown(settings) == []
    assert [shown(secret) for secret in settings.webhook_secrets] == [[], []]


def test_nothing_that_is_wired_shows_a_secret(settings: Settings) -> None:
    container = container_for(settings)
    # The codec would start processes. It is given no settings that are secret.
    container.codec.override(providers.Object(None))
    try:
        made = {
            name: provider()
            for name, provider in container.providers.items()
            if not isinstance(provider, providers.Configuration | providers.Callable)
        }
        assert len(made) > 20
        assert {name: shown(each) for name, each in made.items() if shown(each)} == {}
        objects = [
            part
            for each in made.values()
            for part in parts_of(each)
            if not isinstance(part, str | bytes)
        ]
        assert len(objects) > 100
        assert {type(part).__qualname__ for part in objects if shown(part)} <= set()
    finally:
        container.shutdown_resources()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_URL", f"ftp://user:{PASSWORD}@x/?token={TOKEN}"),
        ("WEBHOOK_URL", f"user:{PASSWORD}"),
        ("WAVEFLOW_WEBHOOK_SECRET", f"whsec_!!{WRITTEN[0]}"),
        ("WAVEFLOW_WEBHOOK_SECRET", f"{PASSWORD} short"),
        ("SQS_QUEUE_URL", f"https://user:{PASSWORD}@sqs.example.com/1/stems"),
        ("SQS_QUEUE_URL", f"https://sqs.example.com/1/stems?token={TOKEN}"),
        ("SQS_QUEUE_URL", f"https://sqs.example.com/1/stems#{TOKEN}"),
        ("WAVEFLOW_DEAD_LETTER_QUEUE_URL", f"https://user:{PASSWORD}@sqs.example.com/1/dead"),
        ("WAVEFLOW_SLOTS", f"https://x/?token={TOKEN}"),
        ("S3_BUCKET_NAME", f"https://user:{PASSWORD}@s3.example.com/stems"),
    ],
)
def test_a_setting_that_can_not_be_used_is_complained_of_without_its_secret(
    name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})
    assert name in str(caught.value)
    assert shown(caught.value) == []
    assert shown(caught.value.problems) == []
