"""A stage: the whole worker in one thread, behind a fault proxy for S3, SQS and main server each.

Everything is the product's own: container, use cases, adapters on boto3 and httpx, poller, desk,
slot, leases with their heartbeat. Shortened are only waits: time-outs, and pauses between tries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
from attrs import define, field
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.retries import standard
from dependency_injector import providers

from tests.campaigns.fault_matrix_faults import (
    S3,
    SERVICES,
    SQS,
    WEBHOOK,
    Call,
    calls_in,
    in_one_order,
)
from tests.campaigns.fault_matrix_scenarios import Scenario
from tests.campaigns.fault_matrix_server import PlainServer
from tests.campaigns.fault_matrix_world import World, build
from tests.support.aws_servers import REGION
from tests.support.fault_proxy import FaultProxy
from tests.support.http_exchange import Answer
from tests.support.http_receiver import HttpReceiver
from waveflow.adapters.aws.clients import ATTEMPTS, _config
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.adapters.storage.s3_reading import Timing
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.outage import FIRST_PAUSE_S
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis
from waveflow.entrypoints.container import Container, container_for
from waveflow.entrypoints.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

POLL_WAIT_S: Final = 1.0
VISIBILITY_TIMEOUT_S: Final = 6.0
READ_TIMEOUT_S: Final = 1.5
"""How long a stall takes to be noticed; ten times what an answer takes on a busy machine."""
QUICKER: Final = 0.1
"""All pauses between tries, of botocore and of our own, are shortened to this; and the time in
which 1 MB of a body has to come."""
CELL_TIMEOUT_S: Final = 90.0
_LOOK_S: Final = 0.25
FAULTY_POLLS: Final = 2
"""A fault that lets nothing be received is over after so many receives."""

OK: Final = Answer(200, b'{"success": true, "padding": "something to be cut in two"}')
REFUSED: Final = Answer(503, b'{"success": false}')

_MAKING = threading.Lock()  # boto3's loaders are shared by the sessions of all threads.


class Unfinished(AssertionError):
    """Raised when a message doesn't come to an end in time."""


@define
class Stage:
    """What one thread needs to run one cell after the other. Use it in a `with`.

    Attributes:
        timeouts: how many requests to S3 and SQS were not answered in time, so far.
    """

    server: PlainServer
    folder: Path
    codec: AudioCodec
    proxies: dict[str, FaultProxy] = field(factory=dict)
    _stack: ExitStack = field(factory=ExitStack)
    _clients: dict[str, Any] = field(factory=dict)
    timeouts: int = 0
    _quotas: list[Callable[[], None]] = field(factory=list)
    _receiver: HttpReceiver = field(init=False)

    def __enter__(self) -> Self:
        self.folder.mkdir()
        self._stack.callback(self.server.close)
        self._receiver = self._stack.enter_context(HttpReceiver())
        self._receiver.behave(OK)
        upstreams = dict.fromkeys((S3, SQS), self.server.endpoint_url)
        for service in SERVICES:
            upstream = upstreams.get(service, self._receiver.url)
            self.proxies[service] = self._stack.enter_context(FaultProxy(upstream))
        with _MAKING:
            s3 = Config(s3={"addressing_style": "path"})
            self._clients[S3] = self._client("s3", S3, ATTEMPTS, READ_TIMEOUT_S, s3)
            for attempts, wait_s in ((1, POLL_WAIT_S), (2, 0.0)):
                name = f"{SQS}-{attempts}"
                self._clients[name] = self._client("sqs", SQS, attempts, READ_TIMEOUT_S + wait_s)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _client(
        self, name: Any, service: str, attempts: int, read_timeout_s: float, *more: Config
    ) -> Any:
        config = _config(8, read_timeout_s, attempts)
        for each in more:
            config = config.merge(each)
        client = boto3.Session().client(
            name,
            endpoint_url=self.proxies[service].url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=config,
        )
        self._stack.callback(client.close)
        self._quotas.append(_quicken(client, attempts, self._timed_out))
        return client

    def _timed_out(self) -> None:
        self.timeouts += 1

    def _s3(self) -> S3Client:
        client: S3Client = self._clients[S3]
        return client

    def _sqs(self, longest_wait_s: float, attempts: int) -> SQSClient:
        client: SQSClient = self._clients[f"{SQS}-{attempts}"]
        return client

    @contextmanager
    def play(self, scenario: Scenario) -> Iterator[Play]:
        """A world of its own for one message, and a worker that begins anew."""
        world = build(self.server, scenario)
        for refill in self._quotas:
            refill()
        told_before = len(self._receiver.requests())
        settings = Settings(
            s3_bucket_name=world.bucket,
            sqs_queue_url=world.queues.url,
            webhook_url=self.proxies[WEBHOOK].url,
            aws_region=REGION,
            retry_delay_s=0.05,
            slots=1,
            waiting_messages=0,
            poll_wait_s=POLL_WAIT_S,
            visibility_timeout_s=VISIBILITY_TIMEOUT_S,
            webhook_timeout_s=READ_TIMEOUT_S,
            work_dir=self.folder,
        )
        container = container_for(settings)
        container.bare_storage.override(
            providers.Singleton(
                S3AudioStorage,
                world.bucket,
                connect=self._s3,
                timing=Timing(
                    monotonic_s=lambda: time.monotonic() / QUICKER,
                    sleep=lambda seconds: time.sleep(seconds * QUICKER),
                ),
            )
        )
        container.queue.override(
            providers.Singleton(
                SqsQueue,
                world.queues.url,
                visibility_timeout_s=VISIBILITY_TIMEOUT_S,
                longest_wait_s=POLL_WAIT_S,
                new_client=self._sqs,
            )
        )
        container.codec.override(providers.Object(SlowCodec(self.codec, scenario.slow_codec_s)))
        _made_by(container.notifier).add_kwargs(first_pause_s=FIRST_PAUSE_S * QUICKER)
        try:
            with Play(self, scenario, world, container, told_before) as play:
                yield play
        finally:
            for proxy in self.proxies.values():
                proxy.clear()
            self._receiver.behave(OK)
            container.shutdown_resources()

    def behave(self, answer: Answer) -> None:
        """Let the main server answer like this from here on."""
        self._receiver.behave(answer)

    def told(self, since: int) -> list[tuple[str, dict[str, Any]]]:
        """Webhook id and body of everything that reached the main server."""
        requests = self._receiver.requests()[since:]
        return [(each.headers["webhook-id"], each.json()) for each in requests]


@define
class Play:
    """One message on its way through the worker.

    Attributes:
        deliveries: how many have ended, of those that count.
        receives: the same by the queue's own count, with those that nobody heard of.
        marks: how many requests the proxies had seen when it began.
    """

    stage: Stage
    scenario: Scenario
    world: World
    container: Container
    told_before: int
    deliveries: int = 0
    receives: int = 0
    _receipt: str = ""
    _hidden_s: float | None = None
    marks: dict[str, int] = field(factory=dict)
    _heartbeat: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        leases = self.container.leases()
        self._heartbeat = threading.Thread(target=leases.keep, name="matrix-heartbeat")
        self._heartbeat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.container.leases().end()
        self._heartbeat.join()

    def run(
        self,
        *,
        begun: Callable[[], object] = lambda: None,
        went: Callable[[], object] = lambda: None,
    ) -> None:
        """Send the message, and work until nothing is left to be done.

        Args:
            begun: called before the first request that counts.
            went: called after each delivery, and after receives that brought none.

        Raises:
            Unfinished: with how it stands then.
        """
        self.world.send()
        if self.scenario.worked_before:
            self._work_and_die()
        if self.scenario.server_refuses:
            self.stage.behave(REFUSED)
        self.marks = {name: len(proxy.requests) for name, proxy in self.stage.proxies.items()}
        begun()
        ends_s, polls = time.monotonic() + CELL_TIMEOUT_S, 0
        while not self._is_over():
            if time.monotonic() > ends_s:
                raise Unfinished(f"not over: {self.world.depth()}, {self.deliveries} deliveries")
            if self.world.depth()[0] == 0 and self.deliveries:
                # A message that is hidden. Asking meanwhile would be another number of calls
                # each time.
                time.sleep(_LOOK_S)
                continue
            self._poll()
            polls += 1
            if self.container.desk().counts()["waiting"]:
                self._work()
                self.deliveries += 1
                polls = 0
                self.stage.behave(OK)
                went()
            elif polls >= FAULTY_POLLS:
                went()

    def calls(self) -> dict[str, list[Call]]:
        """What was asked of each service since it began."""
        seen = {
            name: proxy.requests[self.marks[name] :] for name, proxy in self.stage.proxies.items()
        }
        if self.scenario.side_by_side:
            seen[S3] = in_one_order(seen[S3])
        return {name: calls_in(name, requests) for name, requests in seen.items()}

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Webhook id and body of everything that the main server heard about the message."""
        return self.stage.told(self.told_before)

    def _poll(self) -> None:
        _made_by(self.container.worker).kwargs["poller"]().poll()

    def _work(self) -> None:
        desk, slot = self.container.desk(), _made_by(self.container.worker).kwargs["slot"]()
        held = desk.next()
        assert held is not None
        self._receipt = held.message.receipt
        self.receives = held.message.receive_count
        try:
            slot.work(held)
        finally:
            desk.done(held)

    def _work_and_die(self) -> None:
        """A delivery whose worker is gone once the server has been told."""
        desk, leases = self.container.desk(), self.container.leases()
        while not desk.counts()["waiting"]:
            self._poll()
        held = desk.next()
        assert held is not None
        self.container.handler().handle(held.message)
        leases.release([held.lease])
        desk.done(held)
        self.world.make_visible(held.message.receipt)

    def _is_over(self) -> bool:
        visible, hidden = self.world.depth()
        if not self.scenario.expected.kept and self._is_put_by(hidden):
            # For want of a dead-letter queue, as it seemed: twelve hours pass.
            with suppress(AssertionError):  # It may have come back by itself just now.
                self.world.make_visible(self._receipt)
            self._hidden_s = None
            return False
        if self.scenario.expected.kept:
            return self._is_put_by(hidden)
        # Twice: the two numbers are not of one moment, and a message may change between them.
        return visible + hidden + sum(self.world.depth()) == 0

    def _is_put_by(self, hidden: int) -> bool:
        """Whether the message is hidden for longer than a loan lasts."""
        now_s = time.monotonic()
        if not hidden or not self.deliveries:
            self._hidden_s = None
            return False
        if self._hidden_s is None:
            self._hidden_s = now_s
        return now_s - self._hidden_s > VISIBILITY_TIMEOUT_S * 1.5


@define
class SlowCodec(AudioCodec):
    """A codec behind which the machine is busy."""

    inner: AudioCodec
    delay_s: float

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        time.sleep(self.delay_s)
        return self.inner.analyse(source, num_peaks, limits, extras)

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        time.sleep(self.delay_s)
        return self.inner.mix(sources, destination, num_peaks, limits, extras)


def _made_by(provider: object) -> providers.Singleton[Any]:
    """The provider as what it is, to see or change what it is made with."""
    assert isinstance(provider, providers.Singleton)
    return provider


def _quicken(client: Any, attempts: int, timed_out: Callable[[], object]) -> Callable[[], None]:
    """Shorten the pauses between a client's own retries, and hear of its time-outs.

    Returns:
        What fills up its quota of retries, which is that of a process: cells must not take it
        from each other.
    """
    service = client.meta.service_model.service_id.hyphenize()
    event, unique_id = f"needs-retry.{service}", f"retry-config-{service}"
    client.meta.events.unregister(event, unique_id=unique_id)
    handler: Any = standard.register_retry_handler(client, attempts)
    client.meta.events.unregister(event, unique_id=unique_id)

    def quicker(**facts: Any) -> float | None:
        if isinstance(facts["caught_exception"], ReadTimeoutError):
            timed_out()
        delay_s = handler.needs_retry(**facts)
        return None if delay_s is None else delay_s * QUICKER

    client.meta.events.register(event, quicker, unique_id=unique_id)
    quota = handler._retry_quota._quota
    return lambda: quota.release(10_000)
