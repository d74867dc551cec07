"""The stack in an account that has a bucket and queues already, and what is left without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.integration.infrastructure.conftest import MINISTACK_REFUSES
from tests.support.aws_servers import AwsServer, ministack_server, moto_server
from tests.support.iam_policy import Call, Policy
from tests.support.processes import eventually
from tests.support.stack import (
    STACK,
    TEMPLATE,
    Stack,
    client,
    deploy,
    inline_policy,
    template_without,
)

pytestmark = pytest.mark.slow

KEY = "arn:aws:kms:us-east-1:000000000000:key/0a1b2c3d"


@pytest.fixture
def account() -> Iterator[AwsServer]:
    with ministack_server() as server:
        yield server


def deleted(stack: Stack) -> None:
    cloudformation = stack.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)

    def is_gone() -> bool:
        try:
            (found,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        except ClientError:
            return True
        return bool(found["StackStatus"] == "DELETE_COMPLETE")

    assert eventually(is_gone)


def test_a_bucket_and_queues_that_exist_are_left_as_they_are(account: AwsServer) -> None:
    s3, sqs = client(account, "s3"), client(account, "sqs")
    s3.create_bucket(Bucket="in-use")
    s3.put_object(Bucket="in-use", Key="users/a.wav", Body=b"a recording")
    before = {
        name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("celery", "celery-dead")
    }

    def seen() -> list[dict[str, str]]:
        return [
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            for url in before.values()
        ]

    attributes = seen()
    choice = {"CreateBucket": "false", "CreateQueues": "false"}
    stack = deploy(
        account,
        template_without(MINISTACK_REFUSES),
        BucketName="in-use",
        QueueName="celery",
        **choice,
    )
    assert not stack.made & {"Bucket", "BucketPolicy", "Queue", "QueuePolicy", "DeadLetterQueue"}
    assert stack.outputs["QueueArn"].endswith(":celery")
    deleted(stack)
    assert seen() == attributes
    assert "Status" not in s3.get_bucket_versioning(Bucket="in-use")
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="in-use")
    assert s3.head_object(Bucket="in-use", Key="users/a.wav")["ContentLength"] == 11


def test_bucket_queues_images_and_log_outlive_the_stack(account: AwsServer) -> None:
    stack = deploy(account, template_without(MINISTACK_REFUSES))
    s3 = stack.client("s3")
    s3.put_object(Bucket="example-stems", Key="users/a.wav", Body=b"a recording")
    stack.client("sqs").send_message(QueueUrl=stack.outputs["QueueUrl"], MessageBody="{}")
    deleted(stack)
    assert s3.head_object(Bucket="example-stems", Key="users/a.wav")["ContentLength"] == 11
    assert s3.get_bucket_versioning(Bucket="example-stems")["Status"] == "Enabled"
    urls = client(account, "sqs").list_queues()["QueueUrls"]
    assert sorted(url.rpartition("/")[2] for url in urls) == ["stems", "stems-dead"]
    assert client(account, "ecr").describe_repositories()["repositories"]
    assert client(account, "logs").describe_log_groups()["logGroups"]
    assert client(account, "autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_a_key_of_ones_own_is_used_everywhere_and_the_role_may_use_it() -> None:
    # ministack doesn't look at a bucket's encryption.
    with moto_server() as account:
        stack = deploy(account, TEMPLATE.read_text(), KmsKeyArn=KEY)
        encryption = stack.client("s3").get_bucket_encryption(Bucket="example-stems")
        (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY
        for name in ("stems", "stems-dead"):
            url = stack.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
            found = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            assert found["Attributes"]["KmsMasterKeyId"] == KEY
        policy = Policy.of(inline_policy(stack, "WorkerRoleArn", "machine"))
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            assert policy.allows(Call(action, KEY))
            assert not policy.allows(Call(action, KEY + "2"))


def test_another_port_of_the_main_server_is_let_through(account: AwsServer) -> None:
    stack = deploy(account, template_without(MINISTACK_REFUSES), WebhookPort="8443")
    groups = stack.client("ec2").describe_security_groups(
        GroupIds=[stack.outputs["WorkerSecurityGroupId"]]
    )
    rules = groups["SecurityGroups"][0]["IpPermissionsEgress"]
    assert {rule["FromPort"] for rule in rules} == {443, 8443}


def test_whoever_collects_metrics_may_connect_and_nobody_else(account: AwsServer) -> None:
    vpc = client(account, "ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    prometheus = client(account, "ec2").create_security_group(
        GroupName="prometheus", Description="prometheus", VpcId=vpc
    )["GroupId"]
    stack = deploy(
        account, template_without(MINISTACK_REFUSES), MonitoringSecurityGroupId=prometheus
    )
    groups = stack.client("ec2").describe_security_groups(
        GroupIds=[stack.outputs["WorkerSecurityGroupId"]]
    )
    (rule,) = groups["SecurityGroups"][0]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (9464, 9465)
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [prometheus]
    # And there is something to connect to: otherwise ports are the machine's own.
    host = stack.client("ssm").get_parameter(Name="/waveflow/env/WAVEFLOW_HTTP_HOST")
    assert host["Parameter"]["Value"] == "0.0.0.0"


def test_s3_is_reached_without_a_nat_where_route_tables_are_named(account: AwsServer) -> None:
    ec2 = client(account, "ec2")
    (table, *_) = ec2.describe_route_tables()["RouteTables"]
    stack = deploy(
        account, template_without(MINISTACK_REFUSES), RouteTableIds=table["RouteTableId"]
    )
    (endpoint,) = stack.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["ServiceName"] == "com.amazonaws.us-east-1.s3"
    assert endpoint["RouteTableIds"] == [table["RouteTableId"]]


def test_without_github_there_is_no_role_to_deploy_with(account: AwsServer) -> None:
    stack = deploy(account, template_without(MINISTACK_REFUSES), GitHubOidcProviderArn="")
    assert "DeploymentRole" not in stack.made
    assert "DeploymentRoleArn" not in stack.outputs
