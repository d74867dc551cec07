"""The stack on moto's server: what it makes of the template is read back."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from tests.support.stack import Stack, template

pytestmark = pytest.mark.slow

MAKES_NOTHING_OF: Final = {
    "AlarmSubscription",
    "BacklogPolicy",
    "BucketPolicy",
    "DeadLetterQueuePolicy",
    "DeadLettersAlarm",
    "NetworkPolicy",
    "NobodyReceivesAlarm",
    "OldestMessageAlarm",
    "QueuePolicy",
}
"""Types of resources that moto's CloudFormation passes over."""


def test_it_makes_everything_but_what_is_listed(on_moto: Stack) -> None:
    # There is no alarm on missing workers where none is to run, nor an endpoint without routes,
    # nor an address for whoever collects no metrics.
    wanted = template()["Resources"].keys() - {"NoWorkerAlarm", "S3Endpoint", "HttpHostParameter"}
    assert wanted - on_moto.made == MAKES_NOTHING_OF


@pytest.mark.parametrize(
    "operation",
    [
        "get_bucket_cors",
        "get_bucket_lifecycle_configuration",
        "get_bucket_ownership_controls",
        "get_bucket_policy",
        "get_public_access_block",
    ],
)
def test_of_a_bucket_it_passes_over_these_properties(on_moto: Stack, operation: str) -> None:
    # They are looked at on the other server.
    with pytest.raises(ClientError):
        getattr(on_moto.client("s3"), operation)(Bucket="example-stems")


def test_of_a_bucket_it_passes_over_versioning(on_moto: Stack) -> None:
    assert "Status" not in on_moto.client("s3").get_bucket_versioning(Bucket="example-stems")


def test_of_other_resources_it_passes_over_these_properties(on_moto: Stack) -> None:
    queue = attributes(on_moto, "stems-dead")
    group = the_group(on_moto)
    hooks = on_moto.client("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName="waveflow-workers"
    )
    rules = egress(on_moto)
    assert "RedriveAllowPolicy" not in queue
    assert (group["EnabledMetrics"], group["CapacityRebalance"]) == ([], False)
    assert hooks["LifecycleHooks"] == []
    assert [rule["IpProtocol"] for rule in rules] == ["-1"]


def attributes(stack: Stack, name: str) -> dict[str, str]:
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
        "Attributes"
    ]
    return found


def the_group(stack: Stack) -> dict[str, Any]:
    groups: list[dict[str, Any]] = stack.client("autoscaling").describe_auto_scaling_groups()[
        "AutoScalingGroups"
    ]
    (group,) = groups
    return group


def egress(stack: Stack) -> list[dict[str, Any]]:
    groups = stack.client("ec2").describe_security_groups(
        GroupIds=[stack.outputs["WorkerSecurityGroupId"]]
    )
    rules: list[dict[str, Any]] = groups["SecurityGroups"][0]["IpPermissionsEgress"]
    return rules


def test_the_bucket_is_encrypted(on_moto: Stack) -> None:
    encryption = on_moto.client("s3").get_bucket_encryption(Bucket="example-stems")
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_both_queues_keep_messages_for_14_days_and_encrypt_them(on_moto: Stack) -> None:
    for name in ("stems", "stems-dead"):
        queue = attributes(on_moto, name)
        assert queue["MessageRetentionPeriod"] == str(14 * 24 * 3600)
        assert queue["SqsManagedSseEnabled"] == "true"


def test_after_ten_receives_sqs_gives_a_message_up(on_moto: Stack) -> None:
    policy = json.loads(attributes(on_moto, "stems")["RedrivePolicy"])
    assert policy["maxReceiveCount"] == 10
    assert policy["deadLetterTargetArn"].endswith(":stems-dead")
    assert "RedrivePolicy" not in attributes(on_moto, "stems-dead")


def launch_data(stack: Stack) -> dict[str, Any]:
    versions = stack.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=the_group(stack)["MixedInstancesPolicy"]["LaunchTemplate"][
            "LaunchTemplateSpecification"
        ]["LaunchTemplateId"],
        Versions=["$Latest"],
    )
    data: dict[str, Any] = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    return data


def test_instances_ask_for_metadata_by_tokens_and_within_one_hop(on_moto: Stack) -> None:
    assert launch_data(on_moto)["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpPutResponseHopLimit": 1,
        "HttpTokens": "required",
    }


def test_instances_have_an_encrypted_disk(on_moto: Stack) -> None:
    (disk,) = launch_data(on_moto)["BlockDeviceMappings"]
    assert disk["Ebs"] == {
        "DeleteOnTermination": True,
        "Encrypted": True,
        "VolumeSize": 40,
        "VolumeType": "gp3",
    }


def test_what_an_instance_runs_first_is_a_sound_script(on_moto: Stack, tmp_path: Path) -> None:
    script = tmp_path / "user-data"
    script.write_bytes(base64.b64decode(launch_data(on_moto)["UserData"]))
    assert "${" not in script.read_text()
    assert "group-hooks@waveflow-workers.service" in script.read_text()
    subprocess.run([Path(sys.executable).with_name("shellcheck"), script], check=True)


def test_the_group_has_one_kind_of_machine_first_and_others_where_there_is_none(
    on_moto: Stack,
) -> None:
    group = the_group(on_moto)
    policy = group["MixedInstancesPolicy"]
    kinds = [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]]
    assert kinds[0] == "c7i.large"
    # All of them for x86-64, as the image is, and with two cores.
    assert all(kind.endswith(".large") and "g." not in kind for kind in kinds)
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    assert len(group["VPCZoneIdentifier"].split(",")) == 2


def test_what_a_deployment_goes_to_has_the_tag_that_its_role_asks_for(on_moto: Stack) -> None:
    tags = {each["Key"]: each for each in the_group(on_moto)["Tags"]}
    assert tags["waveflow-stack"]["Value"] == "waveflow"
    assert tags["waveflow-stack"]["PropagateAtLaunch"]


def test_workers_get_their_settings_from_parameters(on_moto: Stack) -> None:
    found = on_moto.client("ssm").get_parameters_by_path(Path="/waveflow", Recursive=True)
    assert {each["Name"]: each["Value"] for each in found["Parameters"]} == {
        "/waveflow/image": "none",
        "/waveflow/env/AWS_REGION": "us-east-1",
        "/waveflow/env/S3_BUCKET_NAME": "example-stems",
        "/waveflow/env/SQS_QUEUE_URL": on_moto.outputs["QueueUrl"],
        "/waveflow/env/LOG_FORMAT": "json",
        "/waveflow/env/WEBHOOK_URL": "https://api.example.com/webhooks",
    }


def test_a_tag_names_one_image_for_good(on_moto: Stack) -> None:
    (repository,) = on_moto.client("ecr").describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["repositoryUri"] == on_moto.outputs["RepositoryUri"]


def test_the_log_is_kept_for_a_month(on_moto: Stack) -> None:
    groups = on_moto.client("logs").describe_log_groups(logGroupNamePrefix="/waveflow")
    (group,) = groups["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("/waveflow/worker", 30)
    assert on_moto.outputs["LogGroupName"] == "/waveflow/worker"


def test_the_deployment_is_one_command_of_our_own(on_moto: Stack) -> None:
    documents = on_moto.client("ssm").list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])
    (document,) = documents["DocumentIdentifiers"]
    assert (document["Name"], document["DocumentType"]) == ("waveflow-deploy", "Command")
    assert on_moto.outputs["DeployDocumentName"] == "waveflow-deploy"


def test_the_alarm_on_an_expression_is_one_that_cloudwatch_takes(on_moto: Stack) -> None:
    alarm = json.loads(
        json.dumps(template()["Resources"]["NobodyReceivesAlarm"]["Properties"])
        .replace('{"Ref": "AlarmTopic"}', json.dumps(on_moto.outputs["AlarmTopicArn"]))
        .replace('{"Ref": "QueueName"}', '"stems"')
    )
    cloudwatch = on_moto.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="nobody-receives", **alarm)
    try:
        found = cloudwatch.describe_alarms(AlarmNames=["nobody-receives"])["MetricAlarms"]
        assert [each["Id"] for each in found[0]["Metrics"]] == ["waiting", "received", "idle"]
    finally:
        cloudwatch.delete_alarms(AlarmNames=["nobody-receives"])
