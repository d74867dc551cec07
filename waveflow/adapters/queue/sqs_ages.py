"""How long the oldest message of a queue has waited. SQS doesn't tell; CloudWatch does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import frozen

from waveflow.adapters.aws.clients import CONNECT_TIMEOUT_S
from waveflow.adapters.queue.sqs_errors import queue_errors, repeated
from waveflow.adapters.queue.sqs_facts import region_of
from waveflow.application.clock import Clock
from waveflow.domain.errors import QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricDataResultTypeDef

CloudWatchFactory = Callable[[], "CloudWatchClient"]

LATELY_MIN = 15
"""SQS reports every minute or every five, and only on queues that are in use."""

_DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


@frozen
class OldestMessage:
    """The age of a queue's oldest message, as far as it is known.

    Attributes:
        age_s: seconds, at `measured_at`; None when it isn't known.
        measured_at: ISO 8601 in UTC.
        why_unknown: a sentence, when it isn't known.
    """

    age_s: float | None = None
    measured_at: str | None = None
    why_unknown: str | None = None


class QueueAges:
    """Asks CloudWatch; a queue whose age can't be learnt is no error."""

    def __init__(
        self,
        *,
        region: str | None = None,
        clock: Clock | None = None,
        new_client: CloudWatchFactory | None = None,
    ) -> None:
        """Nothing is asked of CloudWatch before the first call of a method.

        Args:
            region: None takes it from the addresses of Amazon's queues, else from the default
                chain.
        """
        self._region = region
        self._clock = clock or Clock()
        self._new_client = new_client

    def of(self, queue_urls: Sequence[str]) -> Mapping[str, OldestMessage]:
        """The age of the oldest message of each queue; the queues are of one region."""
        region = self._region or next(filter(None, map(region_of, queue_urls)), None)
        new_client = self._new_client or partial(_cloudwatch_client, region)
        now = datetime.fromtimestamp(self._clock.unix_s(), UTC)
        try:
            with queue_errors("CloudWatch"):
                reply = new_client().get_metric_data(
                    MetricDataQueries=[
                        _query(f"queue{number}", url) for number, url in enumerate(queue_urls)
                    ],
                    StartTime=now - timedelta(minutes=LATELY_MIN),
                    EndTime=now + timedelta(minutes=1),
                    ScanBy="TimestampDescending",
                )
        except QueueUnavailable as error:
            unknown = OldestMessage(why_unknown=_why(error))
            return dict.fromkeys(queue_urls, unknown)
        results = {result.get("Id"): result for result in reply.get("MetricDataResults") or []}
        return {
            url: _latest(results.get(f"queue{number}")) for number, url in enumerate(queue_urls)
        }


def _cloudwatch_client(region: str | None) -> CloudWatchClient:
    import boto3
    from botocore.config import Config

    # In a network without a way to CloudWatch nobody should have to wait long for "unknown".
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=CONNECT_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 1},
        user_agent_extra="waveflow",
    )
    return boto3.Session().client("cloudwatch", region_name=region, config=config)


def _query(name: str, queue_url: str) -> MetricDataQueryTypeDef:
    queue_name = urlsplit(queue_url).path.rstrip("/").rpartition("/")[2]
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": queue_name}],
            },
            "Period": 60,
            "Stat": "Maximum",
        },
    }


def _latest(result: MetricDataResultTypeDef | None) -> OldestMessage:
    result = result or {}
    measured = zip(result.get("Timestamps") or [], result.get("Values") or [], strict=False)
    latest = max(measured, key=lambda point: point[0], default=None)
    if latest is None:
        return OldestMessage(
            why_unknown=f"CloudWatch has no value of the last {LATELY_MIN} minutes for it."
        )
    moment, age_s = latest
    return OldestMessage(float(age_s), f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _why(error: QueueUnavailable) -> str:
    cause = error.__cause__
    said = repeated(str(cause))
    code = str(getattr(cause, "response", {}).get("Error", {}).get("Code", ""))
    if code in _DENIED_CODES:
        return f"The role may not ask CloudWatch: allow it cloudwatch:GetMetricData ({said})."
    return f"CloudWatch doesn't tell ({said})."
