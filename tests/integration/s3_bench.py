"""A bucket behind a proxy that spoils requests, and a storage that doesn't really wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import psutil
from attrs import define

from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.adapters.storage.s3_reading import Timing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024 * 1024
SECONDS_PER_LOOK = 1.0
"""The bench's clock goes on by this much whenever anybody looks at it."""


def quick_client(endpoint_url: str, read_timeout_s: float = 5.0) -> S3Client:
    """A client that tries three times, without pauses."""
    import boto3
    from botocore.config import Config

    client = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(
            connect_timeout=5.0,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )
    client.meta.events.register_first("needs-retry.s3", cast(Any, _retry_at_once))
    return client


def _retry_at_once(
    attempts: int, caught_exception: Exception | None, response: Any, **_: object
) -> int | None:
    failed = caught_exception is not None or response[0].status_code >= 500
    return 0 if failed and attempts < 3 else None


@define
class Bench:
    """What a test of faults works with.

    Attributes:
        storage: reaches its bucket through `proxy`.
        direct: reaches it without.
        pauses_s: what `storage` has waited.
    """

    proxy: FaultProxy
    bucket: str
    storage: S3AudioStorage
    direct: S3AudioStorage
    pauses_s: list[float]

    def spoil(self, fault: Fault, **rule: Any) -> None:
        """Add a rule for the bucket and its objects."""
        self.proxy.add(Rule(fault, **{"path": f"/{self.bucket}"} | rule))

    def refuse(self, status: int, code: str, message: str = "", **rule: Any) -> None:
        """Answer like S3 when it refuses."""
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.spoil(Fault.STATUS, status=status, body=body, **rule)

    def asked(self, method: str) -> int:
        """How many requests of a kind have come."""
        return sum(seen.method == method for seen in self.proxy.requests)

    def connections(self) -> int:
        """How many connections lead to the proxy now, idle ones included."""
        port = int(self.proxy.url.rpartition(":")[2])
        return sum(
            bool(one.raddr) and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
            for one in psutil.Process().net_connections("tcp")
        )


@contextmanager
def bench_on(
    server: AwsServer, read_timeout_s: float = 5.0, timing: Timing | None = None
) -> Iterator[Bench]:
    """A bench with a new bucket.

    Args:
        timing: in place of a clock that goes on with each look, and of noting pauses down.
    """
    bucket = server.new_bucket()
    ticks, pauses_s = count(0.0, SECONDS_PER_LOOK), list[float]()
    timing = timing or Timing(monotonic_s=lambda: next(ticks), sleep=pauses_s.append)
    with FaultProxy(server.endpoint_url) as proxy:
        client = quick_client(proxy.url, read_timeout_s)
        storage = S3AudioStorage(bucket, connect=lambda: client, timing=timing)
        direct = S3AudioStorage(bucket, connect=server.s3)
        try:
            yield Bench(proxy, bucket, storage, direct, pauses_s)
        finally:
            client.close()
