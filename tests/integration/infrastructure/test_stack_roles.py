"""The stack's roles: the worker's is docs/iam/worker.json, the deployment's does one thing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.aws_servers import REGION
from tests.support.iam_policy import Call, Policy
from tests.support.stack import Stack, inline_policy

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]
ACCOUNT = "123456789012"
HERE = f"{REGION}:{ACCOUNT}"
IMAGE_PARAMETER = f"arn:aws:ssm:{HERE}:parameter/waveflow/image"
INSTANCE = f"arn:aws:ec2:{HERE}:instance/i-0123456789abcdef0"
REPOSITORY_ARN = f"arn:aws:ecr:{HERE}:repository/waveflow"


def test_the_worker_may_do_what_the_tested_policy_says(on_moto: Stack) -> None:
    rendered = json.dumps(inline_policy(on_moto, "WorkerRoleArn", "worker"))
    tested = json.loads((REPOSITORY / "docs" / "iam" / "worker.json").read_text())
    assert json.loads(rendered.replace(REGION, "eu-west-1")) == tested


def test_nothing_else_is_attached_to_the_worker(on_moto: Stack) -> None:
    iam, name = on_moto.client("iam"), on_moto.outputs["WorkerRoleArn"].rpartition("/")[2]
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == [
        *("worker", "metrics", "machine")
    ]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    (profile,) = iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]
    assert [each["RoleName"] for each in profile["Roles"]] == [name]


def test_the_worker_may_see_what_two_of_its_metrics_need(on_moto: Stack) -> None:
    policy = Policy.of(inline_policy(on_moto, "WorkerRoleArn", "metrics"))
    queue = f"arn:aws:sqs:{HERE}:stems"
    assert policy.allows(Call("sqs:GetQueueAttributes", f"{queue}-dead"))
    assert policy.allows(Call("cloudwatch:GetMetricData", "*"))
    assert not policy.allows(Call("sqs:ReceiveMessage", f"{queue}-dead"))
    assert not policy.allows(Call("cloudwatch:PutMetricData", "*"))
    assert len(policy.permissions) == 2


@pytest.mark.parametrize(
    ("action", "resource", "is_allowed"),
    [
        ("ecr:GetAuthorizationToken", "*", True),
        ("ecr:BatchGetImage", REPOSITORY_ARN, True),
        ("ecr:PutImage", REPOSITORY_ARN, False),
        ("ecr:BatchGetImage", REPOSITORY_ARN + "-2", False),
        ("ssm:GetParameter", IMAGE_PARAMETER, True),
        ("ssm:PutParameter", IMAGE_PARAMETER, False),
        ("ssm:GetParametersByPath", f"arn:aws:ssm:{HERE}:parameter/waveflow/env", True),
        ("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/waveflow/env/WEBHOOK_URL", True),
        ("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/somebody/elses", False),
        ("ssm:SendCommand", INSTANCE, False),
        (
            "logs:PutLogEvents",
            f"arn:aws:logs:{HERE}:log-group:/waveflow/worker:log-stream:i-0",
            True,
        ),
        ("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/other:log-stream:i-0", False),
        (
            "autoscaling:CompleteLifecycleAction",
            f"arn:aws:autoscaling:{HERE}:autoScalingGroup:0a:autoScalingGroupName/waveflow-workers",
            True,
        ),
        (
            "autoscaling:CompleteLifecycleAction",
            f"arn:aws:autoscaling:{HERE}:autoScalingGroup:0a:autoScalingGroupName/other",
            False,
        ),
        ("iam:PassRole", "*", False),
        ("kms:Decrypt", f"arn:aws:kms:{HERE}:key/0a", False),
    ],
)
def test_the_machine_gets_its_image_and_settings_and_no_more(
    on_moto: Stack, action: str, resource: str, is_allowed: bool
) -> None:
    policy = Policy.of(inline_policy(on_moto, "WorkerRoleArn", "machine"))
    assert policy.allows(Call(action, resource)) == is_allowed


TAGGED = (("ssm:resourceTag/waveflow-stack", "waveflow"),)
OTHER = (("ssm:resourceTag/waveflow-stack", "other"),)


@pytest.mark.parametrize(
    ("action", "resource", "context", "is_allowed"),
    [
        ("ecr:PutImage", REPOSITORY_ARN, (), True),
        ("ecr:DeleteRepository", REPOSITORY_ARN, (), False),
        ("ecr:BatchDeleteImage", REPOSITORY_ARN, (), False),
        ("ssm:PutParameter", IMAGE_PARAMETER, (), True),
        ("ssm:PutParameter", f"arn:aws:ssm:{HERE}:parameter/waveflow/env/WEBHOOK_URL", (), False),
        (
            "ssm:GetParameter",
            f"arn:aws:ssm:{HERE}:parameter/waveflow/env/WAVEFLOW_WEBHOOK_SECRET",
            (),
            False,
        ),
        ("ssm:SendCommand", f"arn:aws:ssm:{HERE}:document/waveflow-deploy", (), True),
        ("ssm:SendCommand", f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript", (), False),
        ("ssm:SendCommand", INSTANCE, TAGGED, True),
        ("ssm:SendCommand", INSTANCE, OTHER, False),
        ("ssm:SendCommand", INSTANCE, (), False),
        ("ssm:GetCommandInvocation", "*", (), True),
        ("ssm:CancelCommand", "*", (), True),
        ("s3:GetObject", "arn:aws:s3:::example-stems/users/a.wav", (), False),
        ("sqs:ReceiveMessage", f"arn:aws:sqs:{HERE}:stems", (), False),
    ],
)
def test_a_deployment_names_an_image_and_has_workers_take_it(
    on_moto: Stack,
    action: str,
    resource: str,
    context: tuple[tuple[str, str], ...],
    is_allowed: bool,
) -> None:
    policy = Policy.of(inline_policy(on_moto, "DeploymentRoleArn", "deploy"))
    assert policy.allows(Call(action, resource, context)) == is_allowed


GITHUB = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
AUD = ("token.actions.githubusercontent.com:aud", "sts.amazonaws.com")
SUB = "token.actions.githubusercontent.com:sub"


@pytest.mark.parametrize(
    ("context", "principal", "is_allowed"),
    [
        ((AUD, (SUB, "repo:example/waveflow:environment:production")), GITHUB, True),
        ((AUD, (SUB, "repo:example/waveflow:ref:refs/heads/main")), GITHUB, False),
        ((AUD, (SUB, "repo:example/waveflow:pull_request")), GITHUB, False),
        ((AUD, (SUB, "repo:somebody/waveflow:environment:production")), GITHUB, False),
        (((SUB, "repo:example/waveflow:environment:production"),), GITHUB, False),
        ((AUD,), GITHUB, False),
        ((AUD, (SUB, "repo:example/waveflow:environment:production")), "somebody", False),
    ],
)
def test_only_one_repositorys_one_environment_may_deploy(
    on_moto: Stack, context: tuple[tuple[str, str], ...], principal: str, is_allowed: bool
) -> None:
    name = on_moto.outputs["DeploymentRoleArn"].rpartition("/")[2]
    trust = on_moto.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    call = Call("sts:AssumeRoleWithWebIdentity", "this role", context, principal)
    assert Policy.of(trust).allows(call) == is_allowed
