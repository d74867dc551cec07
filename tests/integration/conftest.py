"""The servers that integration tests talk to: one of each for a whole run, started when needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.bad_input_bench import Bench, embedded_bench
from tests.integration.live_bench import live_bench
from tests.support.aws_servers import AwsServer, ministack_server, moto_server


@pytest.fixture(scope="session")
def moto() -> Iterator[AwsServer]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def ministack() -> Iterator[AwsServer]:
    with ministack_server() as server:
        yield server


@pytest.fixture(params=["moto", "ministack"])
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AwsServer:
    """Each server in turn, with boto3 in this process pointed at it."""
    server: AwsServer = request.getfixturevalue(request.param)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param("moto", marks=pytest.mark.slow),
        pytest.param("ministack", marks=pytest.mark.slow),
    ],
)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """Something to feed messages to: in this process, and as a worker on each server."""
    folder = tmp_path_factory.mktemp("bench")
    if request.param == "embedded":
        with embedded_bench(folder) as bench:
            yield bench
    else:
        with live_bench(request.getfixturevalue(request.param), folder) as bench:
            yield bench
