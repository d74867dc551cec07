"""The CloudFormation template: read, rendered by a server on loopback, and looked at there."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml
from attrs import frozen

from tests.support.aws_servers import REGION, AwsServer
from tests.support.processes import eventually

TEMPLATE = Path(__file__).parents[2] / "deploy" / "cloudformation" / "waveflow.yaml"
STACK = "waveflow"
MAIN_SERVER = "arn:aws:iam::123456789012:role/main-server"
PARAMETERS = {
    "BucketName": "example-stems",
    "WebhookUrl": "https://api.example.com/webhooks",
    "BrowserOrigins": "https://app.example.com",
    "MainServerRoleArn": MAIN_SERVER,
    "AlarmEmail": "night@example.com",
    "GitHubOidcProviderArn": (
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    ),
    "GitHubSubject": "repo:example/waveflow:environment:production",
    # These servers would otherwise start an instance, or say that they did.
    "MinWorkers": "0",
}
WITHIN_S = 60.0


class _Loader(yaml.SafeLoader):
    """Reads `!Ref x` as `{"Ref": "x"}`, and so on."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".")
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def template() -> dict[str, Any]:
    """The template, with its functions in their long form."""
    # It is our own file, and the loader makes nothing but strings, numbers, lists and dicts.
    content: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Loader)
    return content


def template_without(names: Collection[str]) -> str:
    """The template without some resources, and without the outputs that are about them."""
    content = template()
    for section in ("Resources", "Outputs"):
        content[section] = {
            name: part
            for name, part in content[section].items()
            if name not in names and not set(names) & set(_references(part))
        }
    return json.dumps(content)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "Ref" in part:
            yield part["Ref"]
        if "Fn::GetAtt" in part:
            yield part["Fn::GetAtt"][0]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


@frozen
class Stack:
    """A stack on a server."""

    server: AwsServer
    outputs: Mapping[str, str]
    made: frozenset[str]
    """Logical names of what the server made of it."""

    def client(self, service: str) -> Any:
        """A client for one of the server's services."""
        return client(self.server, service)


@cache
def client(server: AwsServer, service: str) -> Any:
    """A client for one of a server's services."""
    return boto3.Session().client(
        service,  # type: ignore[call-overload]
        endpoint_url=server.endpoint_url,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def parameters(server: AwsServer, more: Mapping[str, str]) -> list[dict[str, str]]:
    """Parameters for a stack in the server's own VPC."""
    ec2 = client(server, "ec2")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    network = {
        "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "SubnetIds": ",".join(subnets),
    }
    values = network | PARAMETERS | dict(more)
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def deploy(server: AwsServer, body: str, **more: str) -> Stack:
    """Create the stack. Raises AssertionError if that fails."""
    cloudformation = client(server, "cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=body,
        Parameters=parameters(server, more),
        Capabilities=["CAPABILITY_IAM"],
    )

    def stack() -> Any:
        return cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]

    assert eventually(lambda: "IN_PROGRESS" not in stack()["StackStatus"], within_s=WITHIN_S)
    assert stack()["StackStatus"] == "CREATE_COMPLETE", stack()
    made = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    return Stack(
        server,
        {each["OutputKey"]: each["OutputValue"] for each in stack().get("Outputs", [])},
        # moto lists what it has made nothing of as well, without a name.
        frozenset(each["LogicalResourceId"] for each in made if "LogicalResourceId" in each),
    )


def inline_policy(stack: Stack, role: str, name: str) -> dict[str, Any]:
    """A policy of the role whose ARN is an output, as the server has it."""
    found = stack.client("iam").get_role_policy(
        RoleName=stack.outputs[role].rpartition("/")[2], PolicyName=name
    )["PolicyDocument"]
    # moto hands out what CloudFormation gave it as Python would print it, and None where the
    # template has no value.
    document: dict[str, Any] = ast.literal_eval(found) if isinstance(found, str) else found
    return document | {"Statement": [each for each in document["Statement"] if each]}
