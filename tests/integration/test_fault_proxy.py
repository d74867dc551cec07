"""The fault-injecting proxy: transparent without rules, and each fault as its client sees it."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from attrs import evolve, frozen
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, FaultProxy, Rule, Seen
from tests.support.processes import eventually

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

SOON_S = 10.0
BODY = b"0123456789"
KEY = "스템/드럼 (최종) a+b%20c.wav"


# ---- A tiny upstream, and clients ----------------------------------------------------------------


@frozen
class Got:
    """What the upstream got: the request line and the headers as they came, the body decoded."""

    line: bytes
    headers: list[tuple[str, str]]
    body: bytes
    client: tuple[str, int]


class Upstream(ThreadingHTTPServer):
    """Answers `BODY`, framed as the path says, and remembers what it got."""

    daemon_threads = False  # so that closing it waits for its connections
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[Got] = []
        self.body = BODY
        self.serving: set[object] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.serving.add(request)
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.serving.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Head and body go out separately.
    server: Upstream
    raw_requestline: bytes

    def answer(self) -> None:
        body = self._read_body()
        got = Got(self.raw_requestline, self.headers.items(), body, self.client_address)
        self.server.got.append(got)
        status = {"/empty": 204, "/unchanged": 304}.get(self.path, 200)
        self.send_response(status)
        reply = self.server.body if status == 200 else b""
        match self.path:
            case "/chunked":
                self.send_header("Transfer-Encoding", "chunked")
                reply = b"4;x=y\r\n0123\r\n6\r\n456789\r\n0\r\nX-Trailer: yes\r\n\r\n"
            case "/until-close":
                self.send_header("Connection", "close")
            case "/empty":
                pass
            case "/last":
                self.close_connection = True
                self.send_header("Content-Length", str(len(reply)))
            case _:
                self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""

    def _read_body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size + 2)[:size]
        while self.rfile.readline().strip():
            pass
        return body


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        # The default interval makes every shutdown last half a second.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(upstream.url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=SOON_S) as client:
        yield client


def connect(proxy: FaultProxy, request: bytes = b"") -> socket.socket:
    """A raw connection, and something sent on it."""
    port = int(proxy.url.rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port), SOON_S)
    connection.sendall(request)
    return connection


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: h", *headers, "", ""]
    return "\r\n".join(lines).encode()


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes in the regular way."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def read_until(connection: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        got += (piece := connection.recv(1))
        assert piece, got
    return got


def some(count: int, **wanted: object) -> Callable[[list[Seen]], bool]:
    """Whether so many requests with such attributes were seen."""
    return lambda seen: (
        count
        == sum(all(getattr(one, name) == value for name, value in wanted.items()) for one in seen)
    )


def at_least(count: int) -> Callable[[list[Seen]], bool]:
    return lambda seen: len(seen) >= count


# ---- AWS clients through it ----------------------------------------------------------------------


def s3_at(url: str, retries: int = 0, mode: Any = "standard") -> S3Client:
    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": retries + 1, "mode": mode},
    )
    return boto3.client("s3", endpoint_url=url, config=config)


def sqs_at(url: str, retries: int = 0, mode: Any = "standard") -> SQSClient:
    config = Config(retries={"total_max_attempts": retries + 1, "mode": mode})
    return boto3.client("sqs", endpoint_url=url, config=config)


@pytest.fixture
def aws_proxy(aws: AwsServer) -> Iterator[FaultProxy]:
    with FaultProxy(aws.endpoint_url) as proxy:
        yield proxy


def test_s3_objects_pass_unchanged(aws: AwsServer, aws_proxy: FaultProxy) -> None:
    bucket, data = aws.new_bucket(), os.urandom(3_000_000)
    s3 = s3_at(aws_proxy.url)

    etag = s3.put_object(Bucket=bucket, Key=KEY, Body=data, IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key=KEY, Body=b"other", IfNoneMatch="*")

    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == data
    assert aws.s3().get_object(Bucket=bucket, Key=KEY)["Body"].read() == data
    part = s3.get_object(Bucket=bucket, Key=KEY, Range="bytes=10-19")["Body"].read()
    assert part == data[10:20]
    head = s3.head_object(Bucket=bucket, Key=KEY)
    assert (head["ContentLength"], head["ETag"]) == (len(data), etag)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [KEY]
    s3.delete_object(Bucket=bucket, Key=KEY)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert [one.status for one in aws_proxy.requests] == [
        200, 412, 200, 206, 200, 200, 204, 200,
    ]  # fmt: skip


def test_sqs_messages_pass_unchanged_even_if_the_queue_was_made_without_the_proxy(
    aws: AwsServer, aws_proxy: FaultProxy
) -> None:
    url, body = aws.new_queues().url, '{"path": "드럼 + bass%20"}'
    sqs = sqs_at(aws_proxy.url)

    sqs.send_message(QueueUrl=url, MessageBody=body)
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert message["Body"] == body
    assert [one.target for one in aws_proxy.requests] == [
        "AmazonSQS.SendMessage",
        "AmazonSQS.ReceiveMessage",
        "AmazonSQS.DeleteMessage",
    ]


def test_a_large_file_is_uploaded_and_downloaded_in_parts(
    aws: AwsServer, aws_proxy: FaultProxy, tmp_path: Path
) -> None:
    bucket, data = aws.new_bucket(), os.urandom(20_000_000)
    (tmp_path / "up").write_bytes(data)
    s3 = s3_at(aws_proxy.url)

    s3.upload_file(str(tmp_path / "up"), bucket, KEY)
    s3.download_file(bucket, KEY, str(tmp_path / "down"))

    assert (tmp_path / "down").read_bytes() == data
    assert len(aws_proxy.requests) > 5


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_botocore_takes_slow_down_for_throttling_and_tries_again(
    aws: AwsServer, aws_proxy: FaultProxy, mode: str
) -> None:
    bucket, url = aws.new_bucket(), aws.new_queues().url
    aws_proxy.add(Rule(Fault.SLOW_DOWN, times=2, target="SendMessage"))
    aws_proxy.add(Rule(Fault.SLOW_DOWN, times=2, path=bucket))

    with pytest.raises(ClientError) as from_s3:
        s3_at(aws_proxy.url).list_objects_v2(Bucket=bucket)
    with pytest.raises(ClientError) as from_sqs:
        sqs_at(aws_proxy.url).send_message(QueueUrl=url, MessageBody="x")
    with ThreadPoolExecutor() as pool:  # Both back off for up to a second.
        listed = pool.submit(s3_at(aws_proxy.url, 1, mode).list_objects_v2, Bucket=bucket)
        sqs = sqs_at(aws_proxy.url, 1, mode)
        sent = pool.submit(sqs.send_message, QueueUrl=url, MessageBody="x")

    assert from_s3.value.response["Error"]["Code"] == "SlowDown"
    assert from_sqs.value.response["Error"]["Code"] == "ThrottlingException"
    assert listed.result()["ResponseMetadata"]["RetryAttempts"] == 1
    assert sent.result()["ResponseMetadata"]["RetryAttempts"] == 1
    assert aws_proxy.faults == {Fault.SLOW_DOWN: 4}


# ---- Transparency --------------------------------------------------------------------------------


def test_the_request_arrives_as_it_was_sent(proxy: FaultProxy, upstream: Upstream) -> None:
    line = b"GET /a%2Fb/%EC%8A%A4+c%20d//../e?list-type=2&key=%2B&empty&x=a+b HTTP/1.1\r\n"
    headers = [
        ("hOST", "bucket.example:99"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=x/y, SignedHeaders=a;b, Signature=0f"),
        ("Connection", "close"),
    ]
    request = line + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)

    with connect(proxy, request + b"\r\n") as connection:
        answer = read_all(connection)

    assert answer.endswith(b"\r\n\r\n" + BODY)
    assert (upstream.got[0].line, upstream.got[0].headers) == (line, headers)
    assert proxy.requests[0].path == line.split()[1].decode()


def test_connections_are_kept_alive_on_both_sides(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    for number in range(5):
        assert client.put(f"/{number}", content=BODY).content == BODY

    assert len({got.client for got in upstream.got}) == 1
    assert [got.body for got in upstream.got] == [BODY] * 5


def test_requests_may_be_sent_before_the_answer_to_the_last_one(proxy: FaultProxy) -> None:
    with connect(proxy, get("/1") + get("/2", "Connection: close")) as connection:
        assert read_all(connection).count(BODY) == 2


def test_chunked_bodies_pass_in_both_directions(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    answers = [client.put("/chunked", content=iter([b"ab", b"c" * 300_000])) for _ in range(2)]

    assert [answer.content for answer in answers] == [BODY] * 2
    assert answers[0].headers["Transfer-Encoding"] == "chunked"
    assert [got.body for got in upstream.got] == [b"ab" + b"c" * 300_000] * 2
    assert len({got.client for got in upstream.got}) == 1


def test_answers_without_a_body_end_with_their_head(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    assert client.head("/").headers["Content-Length"] == str(len(BODY))
    assert client.get("/empty").status_code == 204
    assert client.get("/unchanged").status_code == 304
    assert client.get("/").content == BODY
    assert len({got.client for got in upstream.got}) == 1


def test_an_answer_that_ends_with_its_connection_passes(client: httpx.Client) -> None:
    assert client.get("/until-close").content == BODY
    assert client.get("/until-close").content == BODY


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    head = get("/", "Expect: 100-continue", "Content-Length: 3", "Connection: close")

    with connect(proxy, head) as connection:
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(BODY)
    assert b"100 Continue" not in answer  # The upstream's own goes no further than the proxy.
    assert upstream.got[0].body == b"abc"


def test_large_bodies_pass_in_both_directions(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    upstream.body = os.urandom(40_000_000)

    assert client.put("/", content=upstream.body).content == upstream.body
    assert upstream.got[0].body == upstream.body


def test_an_unreachable_upstream_looks_like_a_broken_connection(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    upstream.shutdown()
    upstream.socket.close()

    with pytest.raises(httpx.ReadError):
        client.get("/")
    assert proxy.requests[0].status is None
    assert proxy.faults == {}


def test_a_connection_that_the_upstream_closed_without_a_word_is_replaced(
    client: httpx.Client, upstream: Upstream
) -> None:
    for _ in range(3):
        assert client.get("/last").content == BODY
        assert eventually(lambda: not upstream.serving, within_s=SOON_S)

    assert len({got.client for got in upstream.got}) == 3


# ---- Faults --------------------------------------------------------------------------------------


def test_latency_delays_a_request(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.add(Rule(Fault.LATENCY, seconds=0.2))
    begin_s = time.monotonic()

    assert client.get("/").content == BODY
    assert time.monotonic() - begin_s >= 0.2


def test_status_is_answered_without_the_upstream(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    proxy.add(Rule(Fault.STATUS, times=2, status=418, body=b"tea", headers={"X-Pot": "1"}))

    answer = client.put("/", content=b"abc")
    headless = client.head("/")

    assert (answer.status_code, answer.content, answer.headers["X-Pot"]) == (418, b"tea", "1")
    assert (headless.status_code, headless.headers["Content-Length"]) == (418, "3")
    assert upstream.got == []
    assert client.get("/").content == BODY


def test_slow_down_speaks_xml_to_rest_clients_and_json_to_those_of_sqs(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    proxy.add(Rule(Fault.SLOW_DOWN, times=2))

    rest = client.get("/")
    json = client.post("/", headers={"X-Amz-Target": "AmazonSQS.SendMessage"})

    assert rest.status_code == 503
    assert b"<Code>SlowDown</Code>" in rest.content
    assert json.status_code == 400
    assert json.json()["__type"] == "com.amazonaws.sqs#ThrottlingException"
    assert upstream.got == []


def test_too_many_requests_says_when_to_come_back(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.add(Rule(Fault.TOO_MANY_REQUESTS, seconds=7, body=b"later"))

    answer = client.post("/")

    assert (answer.status_code, answer.headers["Retry-After"], answer.content) == (
        429, "7", b"later",
    )  # fmt: skip


def test_reset_before_keeps_the_request_from_the_upstream(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.add(Rule(Fault.RESET_BEFORE))

    with connect(proxy, get("/")) as connection, pytest.raises(ConnectionResetError):
        read_all(connection)
    assert upstream.got == []


def test_reset_after_comes_when_the_upstream_has_acted(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.add(Rule(Fault.RESET_AFTER))

    with connect(proxy, get("/")) as connection, pytest.raises(ConnectionResetError):
        read_all(connection)
    assert len(upstream.got) == 1
    assert proxy.requests[0].status is None


@pytest.mark.parametrize("path", ["/", "/chunked", "/until-close"])
@pytest.mark.parametrize(("keep_bytes", "kept"), [(None, 5), (3, 3), (0, 0)])
def test_a_truncated_answer_promises_more_than_comes(
    proxy: FaultProxy, path: str, keep_bytes: int | None, kept: int
) -> None:
    proxy.add(Rule(Fault.TRUNCATE, keep_bytes=keep_bytes))

    with connect(proxy, get(path)) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")

    assert b"Content-Length: 10" in head
    assert b"chunked" not in head
    assert body == BODY[:kept]


def test_a_client_notices_a_truncated_answer(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.add(Rule(Fault.TRUNCATE))

    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/")
    assert client.get("/").content == BODY


def test_a_trickling_answer_comes_byte_by_byte(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.add(Rule(Fault.TRICKLE, keep_bytes=6, seconds=0.05))
    begin_s = time.monotonic()

    with client.stream("GET", "/") as answer:
        pieces = list(answer.iter_raw())
    assert (pieces[0], b"".join(pieces)) == (b"012345", BODY)
    assert len(pieces) > 2
    assert time.monotonic() - begin_s >= 0.2


def test_a_trickling_answer_comes_at_once_when_the_rules_are_cleared(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    upstream.body = bytes(1_000_000)
    proxy.add(Rule(Fault.TRICKLE, keep_bytes=10, seconds=60))

    with client.stream("GET", "/") as answer:
        received = answer.iter_raw()
        assert len(next(received)) == 10
        proxy.clear()
        assert sum(map(len, received)) == 1_000_000 - 10


def test_a_trickle_stops_when_the_client_goes(proxy: FaultProxy) -> None:
    proxy.add(Rule(Fault.TRICKLE, seconds=60))

    with connect(proxy, get("/")) as connection:
        read_until(connection, BODY[:5])
    assert_no_connection_is_served()


def test_a_stalled_request_goes_on_when_the_rules_are_cleared(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.add(Rule(Fault.STALL))

    with connect(proxy, get("/", "Connection: close")) as connection:
        proxy.wait_for(some(1, fault=Fault.STALL), SOON_S)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert upstream.got == []
        connection.settimeout(SOON_S)
        proxy.clear()
        assert read_all(connection).endswith(BODY)


def test_a_stall_may_end_by_itself(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.add(Rule(Fault.STALL, seconds=0.1))
    begin_s = time.monotonic()

    assert client.get("/").content == BODY
    assert time.monotonic() - begin_s >= 0.1


def test_a_stalled_request_whose_client_goes_never_reaches_the_upstream(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.add(Rule(Fault.STALL))

    with connect(proxy, get("/")):
        proxy.wait_for(some(1, fault=Fault.STALL), SOON_S)
    assert_no_connection_is_served()
    assert upstream.got == []


def test_a_duplicated_request_reaches_the_upstream_twice(
    proxy: FaultProxy, upstream: Upstream, client: httpx.Client
) -> None:
    proxy.add(Rule(Fault.DUPLICATE))

    assert client.put("/", content=b"abc").content == BODY
    assert client.get("/other").content == BODY
    assert [got.body for got in upstream.got] == [b"abc", b"abc", b""]


# ---- Rules ---------------------------------------------------------------------------------------


def statuses(client: httpx.Client, count: int, path: str = "/") -> list[int]:
    return [client.get(path).status_code for _ in range(count)]


def test_a_rule_applies_so_many_times_after_so_many_requests(
    proxy: FaultProxy, client: httpx.Client
) -> None:
    proxy.add(Rule(Fault.STATUS, times=2, after=1))

    assert statuses(client, 5) == [200, 500, 500, 200, 200]
    assert proxy.faults == {Fault.STATUS: 2}


def test_the_first_rule_with_applications_left_wins(
    proxy: FaultProxy, client: httpx.Client
) -> None:
    proxy.add(Rule(Fault.STATUS, status=501))
    proxy.add(Rule(Fault.STATUS, status=502, after=1))
    proxy.add(Rule(Fault.STATUS, status=503, times=None))

    assert statuses(client, 5) == [501, 503, 502, 503, 503]


def test_cleared_rules_are_gone_and_counts_stay(proxy: FaultProxy, client: httpx.Client) -> None:
    proxy.add(Rule(Fault.STATUS, times=None))
    assert statuses(client, 2) == [500, 500]
    proxy.clear()

    assert statuses(client, 1) == [200]
    assert proxy.faults == {Fault.STATUS: 2}


@pytest.mark.parametrize(
    ("rule", "applies"),
    [
        (Rule(Fault.STATUS, method="PUT"), True),
        (Rule(Fault.STATUS, method="GET"), False),
        (Rule(Fault.STATUS, path=r"^/b/.*%20.*\?part=\d$"), True),
        (Rule(Fault.STATUS, path="part=2"), False),
        (Rule(Fault.STATUS, target="AmazonSQS.Send"), True),
        (Rule(Fault.STATUS, target="Receive"), False),
        (Rule(Fault.STATUS, method="PUT", path="b", target="SQS", times=None), True),
        (Rule(Fault.STATUS, method="PUT", path="b", target="S3"), False),
        (Rule(Fault.STATUS, share=0.0), False),
        (Rule(Fault.STATUS, times=0), False),
    ],
)
def test_a_rule_is_about_requests_that_match_all_it_says(
    proxy: FaultProxy, client: httpx.Client, rule: Rule, applies: bool
) -> None:
    proxy.add(rule)

    headers = {"x-amz-target": "AmazonSQS.SendMessage"}
    answer = client.put("/b/a%20b?part=1", headers=headers)

    assert (answer.status_code == 500) is applies
    [seen] = proxy.requests
    assert evolve(seen, started_s=0) == Seen(
        method="PUT",
        path="/b/a%20b?part=1",
        target="AmazonSQS.SendMessage",
        fault=Fault.STATUS if applies else None,
        status=answer.status_code,
        started_s=0,
    )


def test_a_share_of_the_requests_is_drawn_by_the_seed(upstream: Upstream) -> None:
    def drawn(seed: int) -> list[int]:
        with FaultProxy(upstream.url, seed) as proxy, httpx.Client(base_url=proxy.url) as client:
            proxy.add(Rule(Fault.STATUS, times=None, share=0.3))
            return statuses(client, 100)

    first = drawn(1)

    assert drawn(1) == first
    assert drawn(2) != first
    assert 15 < first.count(500) < 45


def test_counting_is_exact_with_many_clients(proxy: FaultProxy) -> None:
    proxy.add(Rule(Fault.STATUS, times=37, after=10))

    def ask(_: int) -> list[int]:
        with httpx.Client(base_url=proxy.url, timeout=30) as client:
            return statuses(client, 10)

    with ThreadPoolExecutor(8) as pool:
        answers = [status for part in pool.map(ask, range(8)) for status in part]

    assert answers.count(500) == proxy.faults[Fault.STATUS] == 37
    assert len(proxy.requests) == len(answers) == 80


def test_waiting_in_vain_tells_what_was_seen(proxy: FaultProxy, client: httpx.Client) -> None:
    client.get("/some/path")

    with pytest.raises(AssertionError, match="/some/path"):
        proxy.wait_for(some(2), 0.05)
    assert proxy.wait_for(some(1, status=200), SOON_S) == proxy.requests


# ---- Coming and going ----------------------------------------------------------------------------


def assert_no_connection_is_served() -> None:
    def served() -> list[str]:
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name == "fault-proxy-client"]

    assert eventually(lambda: not served(), within_s=SOON_S)


def test_while_away_it_refuses_connections_and_cuts_those_there_are(
    proxy: FaultProxy, client: httpx.Client
) -> None:
    url = proxy.url
    proxy.add(Rule(Fault.STALL, path="stalled"))
    with connect(proxy, get("/stalled")) as stalled, connect(proxy) as idle:
        proxy.wait_for(some(1), SOON_S)
        proxy.go_away()
        proxy.go_away()

        for connection in (stalled, idle):
            with closing(connection):
                assert was_cut(connection)
    with pytest.raises(httpx.ConnectError):
        client.get("/")

    proxy.come_back()
    proxy.come_back()
    assert proxy.url == url
    assert client.get("/").content == BODY


def was_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_it_can_come_and_go_under_load(proxy: FaultProxy, upstream: Upstream) -> None:
    ending = threading.Event()

    def ask() -> int:
        answers = 0
        with httpx.Client(timeout=SOON_S) as client:
            while not ending.is_set():
                try:
                    client.get(proxy.url)
                    answers += 1
                except httpx.TransportError:
                    ending.wait(0.005)
        return answers

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for times in range(1, 6):
            proxy.wait_for(at_least(times * 10), SOON_S)
            proxy.go_away()
            proxy.come_back()
        ending.set()

    assert sum(asked.result() for asked in asking) > 0


def test_more_than_a_hundred_requests_may_stall_at_once(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.add(Rule(Fault.STALL, times=None))
    with ExitStack() as stack:
        connections = [
            stack.enter_context(connect(proxy, get("/", "Connection: close"))) for _ in range(120)
        ]
        proxy.wait_for(some(120, fault=Fault.STALL), SOON_S)
        proxy.clear()
        assert all(read_all(connection).endswith(BODY) for connection in connections)


def test_closing_ends_stalled_connections_quickly_and_leaves_nothing_open(
    upstream: Upstream,
) -> None:
    before = open_files()
    with ExitStack() as stack:
        with FaultProxy(upstream.url) as proxy:
            proxy.add(Rule(Fault.STALL, path="stall", times=None))
            proxy.add(Rule(Fault.TRICKLE, path="trickle", times=None, seconds=60))
            proxy.add(Rule(Fault.LATENCY, path="latency", times=None, seconds=60))
            for path in ("/stall", "/trickle", "/latency", "/") * 10:
                stack.enter_context(connect(proxy, get(path)))
            stack.enter_context(connect(proxy, b"GET /unfinished"))
            proxy.wait_for(some(40), SOON_S)
            proxy.wait_for(some(20, status=200), SOON_S)
            begin_s = time.monotonic()
        assert time.monotonic() - begin_s < 3.0
        assert not [one for one in threading.enumerate() if one.name.startswith("fault-proxy")]
    # The upstream's own threads close their sides in a moment.
    assert eventually(lambda: open_files() <= before, within_s=SOON_S)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nonsense_is_answered_with_a_reset(proxy: FaultProxy) -> None:
    with connect(proxy, b"nonsense\r\n\r\n") as connection:
        assert was_cut(connection)
    assert proxy.requests == []


def test_only_plain_http_is_taken() -> None:
    with pytest.raises(ValueError, match=re.escape("https://127.0.0.1")):
        FaultProxy("https://127.0.0.1")
