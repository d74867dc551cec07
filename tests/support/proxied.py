"""A whole deployment whose workers reach S3 and SQS through a fault proxy each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from attrs import frozen

from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import FaultProxy
from tests.support.production import Production, production


@frozen
class Proxied:
    """The deployment, and the proxies that its workers are pointed at."""

    deployment: Production
    s3: FaultProxy
    sqs: FaultProxy

    def proxies(self) -> dict[str, str]:
        """What points a worker at the proxies."""
        return {"AWS_ENDPOINT_URL_S3": self.s3.url, "AWS_ENDPOINT_URL_SQS": self.sqs.url}


Rig = TypeVar("Rig", bound=Proxied)


@contextmanager
def proxied(kind: type[Rig], server: AwsServer, folder: Path, **settings: str) -> Iterator[Rig]:
    """A deployment behind proxies, as a `kind`."""
    with (
        FaultProxy(server.endpoint_url) as s3,
        FaultProxy(server.endpoint_url) as sqs,
        production(server, folder, **settings) as deployment,
    ):
        yield kind(deployment, s3, sqs)
