"""The stack on ministack's server, which knows what moto's doesn't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.infrastructure.conftest import MINISTACK_REFUSES
from tests.support.iam_policy import Call, Policy
from tests.support.processes import eventually
from tests.support.stack import (
    MAIN_SERVER,
    PARAMETERS,
    Stack,
    inline_policy,
    template,
)

pytestmark = pytest.mark.slow

BUCKET = "arn:aws:s3:::example-stems"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:stems"
PLAIN = (("aws:SecureTransport", "false"),)
BY_TLS = (("aws:SecureTransport", "true"),)


def test_it_makes_everything_but_what_is_listed(on_ministack: Stack) -> None:
    wanted = template()["Resources"].keys() - {"NoWorkerAlarm", "S3Endpoint", "HttpHostParameter"}
    assert wanted - on_ministack.made == MINISTACK_REFUSES


def outcome(stack: Stack, name: str, resource: dict[str, Any]) -> str:
    """What becomes of a stack of one resource: the refusal, or its status."""
    cloudformation = stack.client("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps({"Resources": {"It": resource}})
        )
    except ClientError as error:
        return str(error)

    def status() -> str:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return str(found["StackStatus"])

    assert eventually(lambda: not status().endswith("IN_PROGRESS"))
    return status()


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("DeployDocument", "Unrecognized resource types: [AWS::SSM::Document]"),
        ("NobodyReceivesAlarm", "ROLLBACK_COMPLETE"),
    ],
)
def test_it_refuses_what_is_listed(on_ministack: Stack, name: str, refusal: str) -> None:
    assert name in MINISTACK_REFUSES
    resource = json.dumps(template()["Resources"][name])
    for reference, value in (("AlarmTopic", "arn:aws:sns:us-east-1:0:x"), ("QueueName", "stems")):
        resource = resource.replace(f'{{"Ref": "{reference}"}}', f'"{value}"')
    assert refusal in outcome(on_ministack, f"only-{name}", json.loads(resource))


def test_deleted_and_overwritten_objects_can_be_had_back(on_ministack: Stack) -> None:
    s3 = on_ministack.client("s3")
    assert s3.get_bucket_versioning(Bucket="example-stems")["Status"] == "Enabled"


def test_of_a_bucket_it_passes_over_the_lifecycle(on_ministack: Stack) -> None:
    # test_template.py looks at it.
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        on_ministack.client("s3").get_bucket_lifecycle_configuration(Bucket="example-stems")


def test_of_a_bucket_it_passes_over_the_encryption(on_ministack: Stack) -> None:
    # Everything here is encrypted by its own key: test_stack_choices.py looks at another server.
    key = "arn:aws:kms:us-east-1:000000000000:key/0a1b2c3d"
    rule = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketName": "with-a-key",
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]},
        },
    }
    assert outcome(on_ministack, "with-a-key", bucket) == "CREATE_COMPLETE"
    encryption = on_ministack.client("s3").get_bucket_encryption(Bucket="with-a-key")
    assert key not in json.dumps(encryption["ServerSideEncryptionConfiguration"])


def test_of_a_group_it_passes_over_the_hooks(on_ministack: Stack) -> None:
    hooks = on_ministack.client("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName="waveflow-workers"
    )
    assert hooks["LifecycleHooks"] == []


def test_the_bucket_is_nobody_elses_business(on_ministack: Stack) -> None:
    s3 = on_ministack.client("s3")
    access = s3.get_public_access_block(Bucket="example-stems")
    assert access["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    (rule,) = s3.get_bucket_ownership_controls(Bucket="example-stems")["OwnershipControls"]["Rules"]
    assert rule["ObjectOwnership"] == "BucketOwnerEnforced"


def test_pages_of_the_named_origin_may_read_and_not_write(on_ministack: Stack) -> None:
    (rule,) = on_ministack.client("s3").get_bucket_cors(Bucket="example-stems")["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://app.example.com"]
    assert sorted(rule["AllowedMethods"]) == ["GET", "HEAD"]


def bucket_policy(stack: Stack) -> dict[str, Any]:
    text = stack.client("s3").get_bucket_policy(Bucket="example-stems")["Policy"]
    policy: dict[str, Any] = json.loads(text)
    return policy


def queue_attributes(stack: Stack, name: str) -> dict[str, str]:
    sqs = stack.client("sqs")
    found: dict[str, str] = sqs.get_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    return found


ETAG = (("s3:if-match", '"9f86d081884c7d659a2feaa0c55ad015"'),)
ANY = (("s3:if-match", "*"),)


@pytest.mark.parametrize(
    ("action", "resource", "context", "is_allowed"),
    [
        ("s3:GetObject", f"{BUCKET}/users/a.wav", (), True),
        ("s3:DeleteObject", f"{BUCKET}/users/a.wav", ETAG, True),
        ("s3:DeleteObject", f"{BUCKET}/users/a.wav", (), False),
        ("s3:DeleteObject", f"{BUCKET}/users/a.wav", ANY, False),
        ("s3:DeleteObjectVersion", f"{BUCKET}/users/a.wav", ETAG, False),
        ("s3:DeleteBucket", BUCKET, (), False),
        ("s3:PutBucketVersioning", BUCKET, (), False),
        ("s3:PutLifecycleConfiguration", BUCKET, (), False),
        ("s3:PutObject", f"{BUCKET}/users/a.wav", (), False),
        ("s3:GetObject", f"{BUCKET}/elsewhere/a.wav", (), False),
    ],
)
def test_role_and_bucket_let_a_worker_do_what_it_does_and_no_more(
    on_ministack: Stack,
    action: str,
    resource: str,
    context: tuple[tuple[str, str], ...],
    is_allowed: bool,
) -> None:
    policy = Policy.of(
        inline_policy(on_ministack, "WorkerRoleArn", "worker"),
        inline_policy(on_ministack, "WorkerRoleArn", "machine"),
        bucket_policy(on_ministack),
    )
    assert policy.allows(Call(action, resource, context + BY_TLS)) == is_allowed
    # Whatever it is, never in plain HTTP.
    assert not policy.allows(Call(action, resource, context + PLAIN))


def test_the_main_server_may_send_and_nobody_else(on_ministack: Stack) -> None:
    policy = Policy.of(json.loads(queue_attributes(on_ministack, "stems")["Policy"]))
    sends = Call("sqs:SendMessage", QUEUE, BY_TLS, MAIN_SERVER)
    assert policy.allows(sends)
    assert not policy.allows(Call("sqs:SendMessage", QUEUE, PLAIN, MAIN_SERVER))
    assert not policy.allows(Call("sqs:SendMessage", QUEUE, BY_TLS, MAIN_SERVER + "-2"))
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue"):
        assert not policy.allows(Call(action, QUEUE, BY_TLS, MAIN_SERVER))


def test_the_dead_letter_queue_takes_from_the_one_queue_and_by_tls_only(
    on_ministack: Stack,
) -> None:
    attributes = queue_attributes(on_ministack, "stems-dead")
    assert json.loads(attributes["RedriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [QUEUE],
    }
    policy = Policy.of(
        json.loads(attributes["Policy"]), inline_policy(on_ministack, "WorkerRoleArn", "worker")
    )
    assert policy.allows(Call("sqs:SendMessage", f"{QUEUE}-dead", BY_TLS))
    assert not policy.allows(Call("sqs:SendMessage", f"{QUEUE}-dead", PLAIN))


def test_workers_connect_to_https_only(on_ministack: Stack) -> None:
    groups = on_ministack.client("ec2").describe_security_groups(
        GroupIds=[on_ministack.outputs["WorkerSecurityGroupId"]]
    )
    (group,) = groups["SecurityGroups"]
    assert group["IpPermissions"] == []
    assert {(rule["FromPort"], rule["ToPort"]) for rule in group["IpPermissionsEgress"]} == {
        (443, 443)
    }


def tracking(stack: Stack) -> list[dict[str, Any]]:
    policies = stack.client("autoscaling").describe_policies()["ScalingPolicies"]
    group = stack.outputs["WorkersGroupName"]
    assert {policy["AutoScalingGroupName"] for policy in policies} == {group}
    return [policy["TargetTrackingConfiguration"] for policy in policies]


def test_the_group_keeps_to_the_backlog(on_ministack: Stack) -> None:
    (found,) = [each for each in tracking(on_ministack) if "CustomizedMetricSpecification" in each]
    assert found["TargetValue"] == 100
    metrics = found["CustomizedMetricSpecification"]["Metrics"]
    named = {
        each["Id"]: (
            each["MetricStat"]["Metric"]["MetricName"],
            each["MetricStat"]["Metric"]["Dimensions"][0]["Value"],
        )
        for each in metrics
        if "MetricStat" in each
    }
    assert named == {
        "waiting": ("ApproximateNumberOfMessagesVisible", "stems"),
        "instances": ("GroupInServiceInstances", "waveflow-workers"),
    }


def test_the_group_keeps_to_what_the_network_can_bear(on_ministack: Stack) -> None:
    (found,) = [each for each in tracking(on_ministack) if "PredefinedMetricSpecification" in each]
    assert found["PredefinedMetricSpecification"]["PredefinedMetricType"] == "ASGAverageNetworkIn"
    gbit_per_s = found["TargetValue"] / 60 * 8 / 1e9
    assert gbit_per_s == pytest.approx(0.75 * 0.781, rel=0.01)


def test_alarms_look_at_our_queues_and_tell_whoever_is_on_duty(on_ministack: Stack) -> None:
    # Target tracking has alarms of its own.
    alarms = [
        alarm
        for alarm in on_ministack.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if alarm["AlarmName"].startswith("waveflow-")
    ]
    seen = {
        (each["MetricName"], each["Dimensions"][0]["Value"], each["Threshold"]) for each in alarms
    }
    assert seen == {
        ("ApproximateAgeOfOldestMessage", "stems", 900.0),
        ("ApproximateNumberOfMessagesVisible", "stems-dead", 0.0),
    }
    topic = on_ministack.outputs["AlarmTopicArn"]
    assert all(each["AlarmActions"] == [topic] for each in alarms)
    (subscription,) = on_ministack.client("sns").list_subscriptions()["Subscriptions"]
    assert subscription["TopicArn"] == topic
    assert subscription["Endpoint"] == PARAMETERS["AlarmEmail"]


def test_images_are_scanned_and_old_ones_go(on_ministack: Stack) -> None:
    ecr = on_ministack.client("ecr")
    (repository,) = ecr.describe_repositories()["repositories"]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    text = ecr.get_lifecycle_policy(repositoryName="waveflow")["lifecyclePolicyText"]
    assert json.loads(text)["rules"][0]["selection"]["countNumber"] == 30
