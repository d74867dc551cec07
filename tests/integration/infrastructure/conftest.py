"""The stack, deployed once on each server.

What the servers don't know of CloudFormation stands here by name. Once they learn it, a test
says so.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.aws_servers import AwsServer
from tests.support.stack import TEMPLATE, Stack, deploy, template_without

MINISTACK_REFUSES: Final = frozenset(
    {
        "DeployDocument",  # AWS::SSM::Document
        "NobodyReceivesAlarm",  # an alarm on an expression
    }
)


@pytest.fixture(scope="session")
def on_moto(moto: AwsServer) -> Stack:
    return deploy(moto, TEMPLATE.read_text())


@pytest.fixture(scope="session")
def on_ministack(ministack: AwsServer) -> Stack:
    return deploy(ministack, template_without(MINISTACK_REFUSES))
