"""Clients for S3 and SQS, with limits on how long anything may take.

Credentials come from boto3's default chain (the instance role in production), endpoints from
`AWS_ENDPOINT_URL` and its kin: neither is ever handed in here.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from boto3 import Session
    from botocore.config import Config
    from botocore.loaders import Loader
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
ATTEMPTS = 4
"""Of one request, the first included, with growing pauses; then its message backs off."""


def s3_client(region: str | None, connections: int) -> S3Client:
    """A client for S3, for any number of threads.

    Args:
        region: None leaves it to the default chain.
        connections: how many are kept open.
    """
    session = _new_session(region)
    config = _config(connections, READ_TIMEOUT_S)
    client = session.client("s3", config=config)
    if _is_amazons(client.meta.endpoint_url):
        return client
    # A server of one's own seldom has a host name for each bucket.
    client.close()
    return session.client("s3", config=config.merge(_addressed_by_path()))


def sqs_client(
    region: str | None,
    connections: int,
    longest_wait_s: float = 0.0,
    attempts: int = ATTEMPTS,
) -> SQSClient:
    """A client for SQS, for any number of threads.

    Args:
        region: None leaves it to the default chain.
        connections: how many are kept open.
        longest_wait_s: how long a receive may wait for a first message.
        attempts: of one request, the first included.
    """
    config = _config(connections, longest_wait_s + READ_TIMEOUT_S / 2, attempts)
    return _new_session(region).client("sqs", config=config)


_descriptions: Loader | None = None
_sharing = Lock()


def _new_session(region: str | None) -> Session:
    """A session of its own: threads that make clients must not do so with the same one.

    What all sessions share are the descriptions of Amazon's services, which take longer to read
    than a session and its client to make.
    """
    global _descriptions
    import boto3
    import botocore.session

    session = botocore.session.get_session()
    with _sharing:
        if _descriptions is None:
            _descriptions = session.get_component("data_loader")
        session.register_component("data_loader", _descriptions)
        made = boto3.Session(botocore_session=session, region_name=region)
        # Each session of boto3 adds its own folder once more, and all are looked through.
        _descriptions.search_paths[:] = dict.fromkeys(_descriptions.search_paths)
    return made


def _config(connections: int, read_timeout_s: float, attempts: int = ATTEMPTS) -> Config:
    import boto3
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        tcp_keepalive=True,
        # Otherwise botocore puts it together anew, twice for each request: 0.1 ms.
        user_agent=f"Boto3/{boto3.__version__}",
        user_agent_extra="waveflow",
    )


def _addressed_by_path() -> Config:
    from botocore.config import Config

    return Config(s3={"addressing_style": "path"})


def _is_amazons(endpoint_url: str) -> bool:
    host = urlsplit(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
