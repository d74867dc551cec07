"""What is committed for ECS and Kubernetes names only what exists, and fits the image."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
import yaml
from attrs import fields
from botocore.validate import ParamValidator

from tests.support.stack import template
from waveflow.entrypoints.cli.main import waveflow
from waveflow.entrypoints.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[3]
DEPLOY = REPOSITORY / "deploy"
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
SECRET = "whsec_" + base64.b64encode(b"x" * 32).decode()


def read(path: str) -> Any:
    return json.loads((DEPLOY / path).read_text())


def documents(path: str) -> dict[str, dict[str, Any]]:
    """The documents of a file, by their kind."""
    found = list(yaml.safe_load_all((DEPLOY / path).read_text()))
    return {each["kind"]: each for each in found}


def last(instruction: str) -> str:
    """What the image says by an instruction of its Dockerfile."""
    values: list[str] = re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)
    return values[-1]


WORKER = next(
    each
    for each in read("ecs/task-definition.json")["containerDefinitions"]
    if each["name"] == "worker"
)
KUBERNETES = documents("kubernetes/worker.yaml")
SCALING = documents("kubernetes/scaling.yaml")
POD = KUBERNETES["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def environment_on_ecs() -> dict[str, str]:
    secrets = {each["name"] for each in WORKER["secrets"]}
    assert secrets == {"WAVEFLOW_WEBHOOK_SECRET"}
    plain = {each["name"]: each["value"] for each in WORKER["environment"]}
    return plain | dict.fromkeys(secrets, SECRET)


def environment_on_kubernetes() -> dict[str, str]:
    values: dict[str, str] = KUBERNETES["ConfigMap"]["data"]
    assert [*CONTAINER["envFrom"]] == [
        {"configMapRef": {"name": KUBERNETES["ConfigMap"]["metadata"]["name"]}},
        {"secretRef": {"name": "waveflow"}},
    ]
    return values | {"WAVEFLOW_WEBHOOK_SECRET": SECRET}


@pytest.mark.parametrize("environment", [environment_on_ecs(), environment_on_kubernetes()])
def test_every_variable_is_a_setting_and_its_value_is_taken(environment: dict[str, str]) -> None:
    known = {attribute.metadata["variable"] for attribute in fields(Settings)}
    assert environment.keys() <= known
    settings = load_settings(environment)
    assert (settings.queue, settings.storage, settings.notifier) == ("sqs", "s3", "webhook")
    assert settings.webhook_secrets
    assert settings.log_format == "json"


def test_what_the_template_puts_into_the_environment_are_settings() -> None:
    known = {attribute.metadata["variable"] for attribute in fields(Settings)}
    names = [
        part["Properties"]["Name"]
        for part in template()["Resources"].values()
        if part["Type"] == "AWS::SSM::Parameter"
    ]
    variables = {name.rpartition("/")[2] for name in names if name.startswith("/waveflow/env/")}
    assert variables <= known
    assert len(variables) == len(names) - 1


@pytest.mark.parametrize(
    ("path", "service", "operation"),
    [
        ("ecs/task-definition.json", "ecs", "RegisterTaskDefinition"),
        ("ecs/scaling.json", "application-autoscaling", "PutScalingPolicy"),
    ],
)
def test_aws_would_take_what_is_for_ecs(path: str, service: str, operation: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(read(path), shape)
    assert report.generate_report() == ""


def test_the_image_is_started_as_it_is_made_for() -> None:
    user, group = last("USER").split(":")
    assert WORKER["user"] == f"{user}:{group}"
    security = POD["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (int(user), int(group))
    assert security["fsGroup"] == int(group)
    (port,) = WORKER["portMappings"]
    assert port["containerPort"] == CONTAINER["ports"][0]["containerPort"] == int(last("EXPOSE"))
    # The image's entrypoint is `waveflow`.
    assert last("ENTRYPOINT").endswith('"waveflow"]')
    assert WORKER["command"] == CONTAINER["args"] == ["worker"]
    assert "worker" in waveflow.list_commands(click.Context(waveflow))
    assert WORKER["image"] == CONTAINER["image"]


def test_only_the_work_folder_can_be_written() -> None:
    folder = last("WORKDIR")
    assert WORKER["readonlyRootFilesystem"]
    assert [each["containerPath"] for each in WORKER["mountPoints"]] == [folder]
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert [each["mountPath"] for each in CONTAINER["volumeMounts"]] == [folder]
    (volume,) = POD["volumes"]
    assert "medium" not in volume["emptyDir"]


@pytest.mark.parametrize("environment", [environment_on_ecs(), environment_on_kubernetes()])
def test_the_worker_makes_a_folder_of_its_own_on_the_volume(environment: dict[str, str]) -> None:
    # The volume itself may be open to others, and such a work folder is refused.
    assert load_settings(environment).work_dir.parent == Path(last("WORKDIR"))


def test_a_fresh_volume_is_given_to_the_worker_before_it_starts() -> None:
    definition = read("ecs/task-definition.json")
    prepare, worker = definition["containerDefinitions"]
    assert prepare["command"] == [last("USER"), last("WORKDIR")]
    assert worker["dependsOn"] == [{"containerName": prepare["name"], "condition": "SUCCESS"}]


def test_nothing_may_gain_rights() -> None:
    assert WORKER["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert CONTAINER["securityContext"]["allowPrivilegeEscalation"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False


def test_running_work_has_time_to_end() -> None:
    drain_s = load_settings({}).drain_timeout_s
    # Fargate allows no more; Kubernetes has room for an idle receive as well.
    assert drain_s < WORKER["stopTimeout"] == 120
    poll_s = load_settings({}).poll_wait_s
    assert POD["terminationGracePeriodSeconds"] >= drain_s + poll_s + 30


def test_health_is_asked_for_at_the_worker_itself() -> None:
    command, *arguments = WORKER["healthCheck"]["command"]
    assert (command, arguments[:2]) == ("CMD", ["waveflow", "health"])
    health = waveflow.get_command(click.Context(waveflow), "health")
    assert health is not None
    options = {option for each in health.params for option in each.opts}
    assert set(arguments[2:]) <= options
    assert CONTAINER["startupProbe"]["httpGet"]["path"] == "/livez"
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_logs_go_where_the_template_keeps_them() -> None:
    options = WORKER["logConfiguration"]["options"]
    group = template()["Resources"]["LogGroup"]["Properties"]["LogGroupName"]
    assert options["awslogs-group"] == group
    # A log that can't be written holds no worker up.
    assert options["mode"] == "non-blocking"


def test_all_three_scale_by_the_same_backlog() -> None:
    parameter = template()["Parameters"]["BacklogPerInstance"]["Default"]
    ecs = read("ecs/scaling.json")["TargetTrackingScalingPolicyConfiguration"]
    trigger = SCALING["ScaledObject"]["spec"]["triggers"][0]["metadata"]
    assert ecs["TargetValue"] == int(trigger["queueLength"]) == parameter
    expression = ecs["CustomizedMetricSpecification"]["Metrics"][-1]["Expression"]
    policy = template()["Resources"]["BacklogPolicy"]["Properties"]
    metrics = policy["TargetTrackingConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
    assert expression.replace("tasks", "instances") == metrics[-1]["Expression"]
    # What is lent out doesn't count with either.
    assert trigger["scaleOnInFlight"] == trigger["scaleOnDelayed"] == "false"


def test_keda_scales_the_deployment_on_the_queue_that_it_reads() -> None:
    spec = SCALING["ScaledObject"]["spec"]
    (trigger,) = spec["triggers"]
    assert spec["scaleTargetRef"]["name"] == KUBERNETES["Deployment"]["metadata"]["name"]
    assert trigger["type"] == "aws-sqs-queue"
    assert trigger["metadata"]["queueURL"] == KUBERNETES["ConfigMap"]["data"]["SQS_QUEUE_URL"]
    assert trigger["metadata"]["awsRegion"] == KUBERNETES["ConfigMap"]["data"]["AWS_REGION"]
    authentication = SCALING["TriggerAuthentication"]
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    # KEDA sets the number; two masters would fight.
    assert "replicas" not in KUBERNETES["Deployment"]["spec"]
    assert spec["minReplicaCount"] >= 1


def test_parts_on_kubernetes_find_each_other() -> None:
    labels = {"app.kubernetes.io/name": "waveflow"}
    deployment = KUBERNETES["Deployment"]["spec"]
    assert deployment["selector"]["matchLabels"] == labels
    assert deployment["template"]["metadata"]["labels"] == labels
    assert KUBERNETES["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert POD["serviceAccountName"] == KUBERNETES["ServiceAccount"]["metadata"]["name"]
    (volume,) = POD["volumes"]
    assert volume["name"] == CONTAINER["volumeMounts"][0]["name"]
