"""The template by itself: sound by its schemas, and right in what no server here carries out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file  # type: ignore[import-untyped]

from tests.support.stack import TEMPLATE, template

REPOSITORY = Path(__file__).parents[3]
RESOURCES = template()["Resources"]
PARAMETERS = template()["Parameters"]


def properties(name: str) -> Any:
    return RESOURCES[name]["Properties"]


def test_cfn_lint_finds_nothing() -> None:
    assert [str(match) for match in lint_file(TEMPLATE)] == []


def test_it_can_be_handed_over_without_a_bucket_to_put_it_in() -> None:
    # CloudFormation takes so many bytes with a request.
    assert TEMPLATE.stat().st_size < 51_200


@pytest.mark.slow
def test_cfn_lint_finds_a_property_that_does_not_exist(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEMPLATE.read_text().replace("VersioningConfiguration:", "Versioning:"))
    assert [match.rule.id for match in lint_file(wrong)] == ["E3002"]


@pytest.mark.parametrize("name", ["Bucket", "Queue", "DeadLetterQueue", "Repository", "LogGroup"])
def test_what_holds_anything_of_value_outlives_the_stack(name: str) -> None:
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_nothing_of_an_existing_bucket_or_queue_is_touched() -> None:
    conditions = {
        name: part.get("Condition")
        for name, part in RESOURCES.items()
        if part["Type"].startswith(("AWS::S3::", "AWS::SQS::"))
    }
    assert conditions == {
        "Bucket": "NewBucket",
        "BucketPolicy": "NewBucket",
        "Queue": "NewQueues",
        "DeadLetterQueue": "NewQueues",
        "QueuePolicy": "NewQueues",
        "DeadLetterQueuePolicy": "NewQueues",
    }


def test_only_what_may_go_expires_and_everything_can_be_had_back_for_30_days() -> None:
    assert {
        rule["Id"]: rule for rule in properties("Bucket")["LifecycleConfiguration"]["Rules"]
    } == {
        "undo-for-30-days": {
            "Id": "undo-for-30-days",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "ExpiredObjectDeleteMarker": True,
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        "outcomes": {
            "Id": "outcomes",
            "Status": "Enabled",
            "Prefix": "outcomes/",
            "ExpirationInDays": 15,
        },
        "removed": {
            "Id": "removed",
            "Status": "Enabled",
            "Prefix": "removed/",
            "ExpirationInDays": 30,
        },
    }


def test_the_page_on_aws_sets_the_same_rules_by_hand() -> None:
    page = (REPOSITORY / "docs" / "aws.md").read_text()
    (text,) = re.findall(r"lifecycle.json <<'JSON'\n(.*?)\nJSON\n", page, re.DOTALL)
    by_hand = {rule["ID"]: rule for rule in json.loads(text)["Rules"]}
    assert by_hand == {
        rule["Id"]: as_the_api_has_it(rule)
        for rule in properties("Bucket")["LifecycleConfiguration"]["Rules"]
    }


def as_the_api_has_it(rule: dict[str, Any]) -> dict[str, Any]:
    same = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
    expiration = {
        api: rule[ours]
        for ours, api in (
            ("ExpirationInDays", "Days"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        )
        if ours in rule
    }
    return {
        "ID": rule["Id"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
        "Expiration": expiration,
        **{name: rule[name] for name in same if name in rule},
    }


def test_no_secret_goes_through_the_template() -> None:
    assert not [name for name in PARAMETERS if "secret" in name.lower()]
    assert "WAVEFLOW_WEBHOOK_SECRET" not in TEMPLATE.read_text()


def test_an_instance_is_in_service_when_its_worker_is_ready_and_has_time_to_drain() -> None:
    hooks = {
        each["LifecycleHookName"]: each
        for each in properties("Workers")["LifecycleHookSpecificationList"]
    }
    assert hooks["launch"]["DefaultResult"] == "ABANDON"
    assert hooks["terminate"]["DefaultResult"] == "CONTINUE"
    # What docs/aws.md tells whatever starts a worker to wait, and some to notice.
    assert hooks["terminate"]["HeartbeatTimeout"] >= 150 + 60
    assert hooks.keys() == {"launch", "terminate"}


def test_the_metric_that_scaling_counts_by_is_collected() -> None:
    collected = properties("Workers")["MetricsCollection"][0]
    assert "GroupInServiceInstances" in collected["Metrics"]


def test_replacing_an_instance_starts_the_new_one_first() -> None:
    assert properties("Workers")["InstanceMaintenancePolicy"] == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 200,
    }


def evaluated(expression: str, **values: float | None) -> float:
    """What CloudWatch makes of an expression, for one point in time; None is a missing one."""

    def fill(value: float | None, instead: float) -> float:
        return instead if value is None else value

    def chosen(condition: bool, one: float, other: float) -> float:
        return one if condition else other

    # The expressions are the template's own.
    return float(
        eval(
            expression.replace(" AND ", " and "),
            {"FILL": fill, "IF": chosen, "__builtins__": {}},
            dict(values),
        )
    )


def expression_of(metrics: list[dict[str, Any]]) -> str:
    (result,) = [each for each in metrics if each["ReturnData"]]
    text: str = result["Expression"]
    known = {each["Id"] for each in metrics} | {"FILL", "IF", "AND"}
    assert set(re.findall(r"[A-Za-z]+", text)) <= known
    return text


@pytest.mark.parametrize(
    ("waiting", "instances", "backlog"),
    [
        (3000, 3, 1000),
        (3000, 1, 3000),
        (3000, 0, 3000),  # nobody is there: it must not divide by nothing
        (3000, None, 3000),  # nor miss what it can't see
        (None, 3, 0),  # a queue that nobody has touched for hours
        (0, 3, 0),
    ],
)
def test_the_backlog_is_what_waits_for_each_instance(
    waiting: float | None, instances: float | None, backlog: float
) -> None:
    tracking = properties("BacklogPolicy")["TargetTrackingConfiguration"]
    expression = expression_of(tracking["CustomizedMetricSpecification"]["Metrics"])
    assert evaluated(expression, waiting=waiting, instances=instances) == backlog


@pytest.mark.parametrize(
    ("waiting", "received", "is_alarm"),
    [
        (5, 0, True),
        (5, None, True),
        (5, 1, False),
        (0, 0, False),
        (None, None, False),
    ],
)
def test_the_alarm_is_for_messages_that_nobody_takes(
    waiting: float | None, received: float | None, is_alarm: bool
) -> None:
    alarm = properties("NobodyReceivesAlarm")
    value = evaluated(expression_of(alarm["Metrics"]), waiting=waiting, received=received)
    assert (value > alarm["Threshold"]) == is_alarm


def test_each_alarm_says_what_a_missing_figure_means() -> None:
    alarms = {
        name: part["Properties"]
        for name, part in RESOURCES.items()
        if part["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert {name: alarm["TreatMissingData"] for name, alarm in alarms.items()} == {
        "OldestMessageAlarm": "notBreaching",
        "DeadLettersAlarm": "notBreaching",
        "NobodyReceivesAlarm": "notBreaching",
        # A group that has no figures is gone.
        "NoWorkerAlarm": "breaching",
    }
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("BucketName", ["example-stems", "a.b-3"], ["Example", "ab", "x_y", "-ab", "ab-"]),
        ("QueueName", ["stems", "s_1-2"], ["stems.fifo", "", "x" * 76]),
        ("StemPrefix", ["users", "a/b"], ["/users", "users/", "users/*", ""]),
        ("MainServerRoleArn", ["", "arn:aws:iam::123456789012:role/x"], ["role/x", "*"]),
        (
            "GitHubSubject",
            ["repo:o/n:ref:refs/heads/main", "repo:o/n:environment:production"],
            ["repo:o/n:*", "repo:o/*:ref:refs/heads/main", "repo:o/n:pull_request", ""],
        ),
        (
            "WebhookUrl",
            ["", "https://api.example.com/webhooks"],
            ["ftp://x", "https://u:p@x/", "https://x/?token=1"],
        ),
        ("AlarmEmail", ["", "a@example.com"], ["a", "a b@example.com"]),
    ],
)
def test_parameters_take_what_is_right_only(name: str, good: list[str], bad: list[str]) -> None:
    pattern = PARAMETERS[name]["AllowedPattern"]
    assert [value for value in good if not re.search(pattern, value)] == []
    assert [value for value in bad if re.search(pattern, value)] == []


@pytest.mark.parametrize(
    ("image", "is_taken"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/waveflow:0.1.0", True),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/waveflow@sha256:0a", True),
        ('123456789012.dkr.ecr.eu-west-1.amazonaws.com/waveflow:1"; reboot; "', False),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/waveflow:$(reboot)", False),
        ("docker.io/somebody/waveflow:1", False),
        ("-x", False),
    ],
)
def test_a_deployment_can_name_an_image_and_run_nothing_else(image: str, is_taken: bool) -> None:
    content = properties("DeployDocument")["Content"]
    assert content["parameters"].keys() == {"Image"}
    pattern = content["parameters"]["Image"]["allowedPattern"]
    assert (re.search(pattern, image) is not None) == is_taken
