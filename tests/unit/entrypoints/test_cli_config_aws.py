"""What `waveflow config` says of AWS is what boto3 would do, read without boto3."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from waveflow.entrypoints.cli.config.aws import AwsSurroundings

KEYS = "aws_access_key_id = AKIAX\naws_secret_access_key = hush\n"
PROGRAM_SAYS = '{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b"}'
LOGIN = "[sso-session s]\nsso_start_url = https://x.example.com\nsso_region = eu-west-1\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and none of AWS's variables."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    return tmp_path


def surroundings(
    home: Path, environment: Mapping[str, str], *, keys: str = "", config: str = ""
) -> AwsSurroundings:
    (home / ".aws" / "credentials").write_text(keys)
    (home / ".aws" / "config").write_text(config)
    return AwsSurroundings.of({"HOME": str(home), **environment})


# environment, credentials, configuration, what is said, what botocore calls it
KINDS: list[tuple[dict[str, str], str, str, str, str]] = [
    (
        {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hush"},
        f"[default]\n{KEYS}",
        "",
        "keys in AWS_ACCESS_KEY_ID",
        "env",
    ),
    ({}, f"[default]\n{KEYS}", "", "keys in the file of credentials", "shared-credentials-file"),
    ({}, "", f"[default]\n{KEYS}", "keys in the file of configuration", "config-file"),
    (
        {"AWS_PROFILE": "other"},
        f"[default]\n{KEYS}[other]\n{KEYS}",
        "",
        "keys in the file of credentials (profile other)",
        "shared-credentials-file",
    ),
    (
        {"AWS_PROFILE": "roled"},
        f"[default]\n{KEYS}",
        "[profile roled]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n",
        "a role that is assumed (profile roled)",
        "assume-role",
    ),
    (
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"},
        f"[default]\n{KEYS}",
        "",
        "a role by web identity",
        "assume-role-with-web-identity",
    ),
    (
        {},
        f"[default]\n{KEYS}",
        "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n" + LOGIN,
        "single sign-on (profile default)",
        "sso",
    ),
    (
        {},
        "",
        f"[default]\ncredential_process = echo '{PROGRAM_SAYS}'\n",
        "a program that is asked",
        "custom-process",
    ),
]


@pytest.mark.parametrize(
    ("environment", "keys", "config", "said", "method"), KINDS, ids=[row[4] for row in KINDS]
)
def test_credentials_are_looked_for_where_boto3_looks(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    keys: str,
    config: str,
    said: str,
    method: str,
) -> None:
    aws = surroundings(home, environment, keys=keys, config=config)
    assert aws.credentials().startswith(said)
    assert aws.problems() == []
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    from botocore.session import Session

    resolver = Session().get_component("credential_provider")
    found = next(each for each in resolver.providers if each.load() is not None)
    assert method == found.METHOD


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "the instance's role, if it has one: known at the first request"),
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "none; boto3 finds nothing to use"),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/c"}, "the container's role"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://x"}, "the container's role"),
    ],
)
def test_without_keys_it_is_the_surroundings_that_have_a_role(
    home: Path, environment: dict[str, str], said: str
) -> None:
    assert surroundings(home, environment).credentials() == said


@pytest.mark.parametrize(
    ("environment", "config", "bucket", "queue"),
    [
        ({}, "", "not set; set AWS_REGION", "eu-west-1 (SQS_QUEUE_URL)"),
        (
            {},
            "[default]\nregion = us-east-2\n",
            "us-east-2 (profile default)",
            "eu-west-1 (SQS_QUEUE_URL)",
        ),
        (
            {"AWS_DEFAULT_REGION": "us-west-1"},
            "[default]\nregion = us-east-2\n",
            "us-west-1 (AWS_DEFAULT_REGION)",
            "eu-west-1 (SQS_QUEUE_URL)",
        ),
        (
            {"AWS_REGION": "ap-northeast-2", "AWS_DEFAULT_REGION": "us-west-1"},
            "",
            "ap-northeast-2 (AWS_REGION)",
            "ap-northeast-2 (AWS_REGION)",
        ),
    ],
)
def test_the_region_is_said_with_its_source(
    home: Path, environment: dict[str, str], config: str, bucket: str, queue: str
) -> None:
    facts = surroundings(home, environment, config=config).facts("eu-west-1")
    assert (facts["region of the bucket"], facts["region of the queue"]) == (bucket, queue)


@pytest.mark.parametrize(
    ("environment", "config", "s3", "sqs"),
    [
        ({}, "", "Amazon's own", "Amazon's own"),
        (
            {"AWS_ENDPOINT_URL": "http://here:4566", "AWS_ENDPOINT_URL_S3": "http://minio:9000"},
            "[default]\nendpoint_url = http://ignored\n",
            "http://minio:9000 (AWS_ENDPOINT_URL_S3)",
            "http://here:4566 (AWS_ENDPOINT_URL)",
        ),
        (
            {},
            "[default]\nendpoint_url = http://user:hush@here:4566\n",
            "http://here:4566 (login or query hidden) (profile default)",
            "http://here:4566 (login or query hidden) (profile default)",
        ),
        (
            {},
            "[default]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = http://minio\n",
            "as services 'mine' say (profile default)",
            "as services 'mine' say (profile default)",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://x", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"},
            "",
            "Amazon's own (AWS_IGNORE_CONFIGURED_ENDPOINT_URLS)",
            "Amazon's own (AWS_IGNORE_CONFIGURED_ENDPOINT_URLS)",
        ),
    ],
)
def test_the_endpoints_are_said_with_their_source(
    home: Path, environment: dict[str, str], config: str, s3: str, sqs: str
) -> None:
    facts = surroundings(home, environment, config=config).facts(None)
    assert (facts["endpoint of S3"], facts["endpoint of SQS"]) == (s3, sqs)


def test_profile_and_proxies_are_told_only_where_there_are_any(home: Path) -> None:
    assert list(surroundings(home, {}).facts(None))[5:] == []
    environment = {
        "AWS_PROFILE": "p",
        "https_proxy": "http://user:hush@proxy:3128",
        "NO_PROXY": "169.254.169.254",
    }
    facts = surroundings(home, environment, config="[profile p]\nregion = eu-west-1\n").facts(None)
    assert facts["profile"] == "p (AWS_PROFILE)"
    assert facts["HTTPS_PROXY"] == "http://proxy:3128 (login or query hidden)"
    assert facts["NO_PROXY"] == "169.254.169.254"


def test_a_file_that_is_none_of_awss_is_told(home: Path) -> None:
    aws = surroundings(home, {}, keys="no section here\n", config="[default\n")
    assert (aws.keys, aws.config) == (None, None)
    assert [problem.split()[0] for problem in aws.problems()] == [
        str(home / ".aws" / "credentials"),
        str(home / ".aws" / "config"),
    ]


def test_nothing_secret_is_in_its_repr(home: Path) -> None:
    assert "hush" not in repr(surroundings(home, {}, keys=f"[default]\n{KEYS}"))
