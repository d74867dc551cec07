"""A real Celery client, sending to an SQS server or into a list: its code makes the messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import kombu
from celery import Celery  # type: ignore[import-untyped]
from kombu.transport.SQS import Channel, Transport

Protocol = Literal[1, 2]
QUEUE = "stems"
STAND_IN = "celery-stand-in"
"""What a stand-in for the Celery worker calls itself to the main server."""

# It has types, but none on what is called here.
_connection: Any = kombu.Connection  # type: ignore[attr-defined]


class _ListedMessages:
    """Takes the place of boto3's SQS client."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send_message(self, **request: str) -> None:
        self.bodies.append(request["MessageBody"])

    def get_queue_attributes(self, **_: object) -> dict[str, dict[str, str]]:
        return {"Attributes": {"ApproximateNumberOfMessages": "0"}}


def celery_message(
    task: str,
    task_id: str | None,
    kwargs: Mapping[str, Any],
    *,
    protocol: Protocol = 2,
    base64: bool = True,
    body_encoding: str = "base64",
    **options: Any,
) -> str:
    """The body of the SQS message that a Celery client sends, made without a server.

    Args:
        task_id: None to have Celery make one.
        base64: whether the SQS body as a whole is base64, kombu's `sqs_base64_encoding`.
        body_encoding: kombu's, of the body inside the envelope: base64 or utf-8.
        options: of Celery's `send_task`: args, countdown, eta, expires, retries, link,
            serializer, compression …
    """
    listed = _ListedMessages()

    class ListingChannel(Channel):
        def sqs(self, queue: str | None = None) -> _ListedMessages:
            return listed

    class ListingTransport(Transport):
        Channel = ListingChannel

    settings = transport_options(
        "http://127.0.0.1/0/stems", base64=base64, body_encoding=body_encoding
    )
    connection = _connection(transport=ListingTransport, transport_options=settings)
    with celery_app(protocol) as app, connection:
        send(app, connection, task, task_id, kwargs, **options)
    (body,) = listed.bodies
    return body


@contextmanager
def celery_app(protocol: Protocol = 2) -> Iterator[Any]:
    """A Celery app that sends to the queue `QUEUE`, in the given message protocol."""
    with closing(Celery("sender", set_as_current=False)) as app:
        app.conf.update(task_protocol=protocol, task_default_queue=QUEUE)
        yield app


def send(
    app: Any,
    connection: Any,
    task: str,
    task_id: str | None,
    kwargs: Mapping[str, Any],
    **options: Any,
) -> str:
    """Send a task by name; return its id."""
    result = app.send_task(
        task, kwargs=dict(kwargs), task_id=task_id, connection=connection, **options
    )
    return str(result.id)


def transport_options(
    queue_url: str, *, base64: bool = True, body_encoding: str = "base64"
) -> dict[str, Any]:
    """kombu's `broker_transport_options` for one queue that exists."""
    return {
        "region": "us-east-1",
        "is_secure": False,
        "sqs_base64_encoding": base64,
        "body_encoding": body_encoding,
        "predefined_queues": {
            QUEUE: {"url": queue_url, "access_key_id": "testing", "secret_access_key": "testing"}
        },
    }


def broker_url(endpoint_url: str) -> str:
    """kombu's name for an SQS server: a host in it takes the place of Amazon's."""
    return f"sqs://testing:testing@{urlsplit(endpoint_url).netloc}//"


@contextmanager
def connection_to(
    endpoint_url: str, queue_url: str, *, base64: bool = True, body_encoding: str = "base64"
) -> Iterator[Any]:
    """A connection of kombu's own SQS transport."""
    options = transport_options(queue_url, base64=base64, body_encoding=body_encoding)
    with _connection(broker_url(endpoint_url), transport_options=options) as connection:
        yield connection
