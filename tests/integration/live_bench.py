"""The bench of `bad_input_bench`, over real servers: a worker process, S3, SQS and a receiver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define

from tests.integration.bad_input_bench import GOOD, Answer, Bench, write_good_stem
from tests.support.aws_servers import AwsServer
from tests.support.production import Production, production


@define
class LiveBench(Bench):
    """Files that a test writes are uploaded before the next message is sent."""

    deployment: Production
    storage: Path
    _uploaded: dict[str, tuple[int, int]] = Factory(dict)

    def message(self, body: str) -> Answer:
        if not body:
            pytest.skip("SQS holds no empty body")
        self._upload()
        told = len(self.deployment.receiver.requests())
        self.deployment.send(body)
        self.deployment.wait_until_done()
        return Answer(
            [(each.path, each.json()) for each in self.deployment.receiver.requests()[told:]],
            [reason or "" for _, reason in self.deployment.dead_letters()],
        )

    def objects(self) -> dict[str, Any]:
        self._upload()
        pages = self.deployment.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.deployment.bucket
        )
        return {
            item["Key"]: (item["ETag"], item["LastModified"])
            for page in pages
            for item in page.get("Contents", [])
        }

    def work_files(self) -> list[Path]:
        return self.deployment.work_files()

    def _upload(self) -> None:
        for path in self.storage.rglob("*"):
            status = path.stat()
            version = (status.st_size, status.st_mtime_ns)
            key = str(path.relative_to(self.storage))
            if path.is_file() and self._uploaded.get(key) != version:
                self.deployment.upload(key, path)
                self._uploaded[key] = version


@contextmanager
def live_bench(server: AwsServer, folder: Path) -> Iterator[Bench]:
    """A bench on `server`, with one good stem stored."""
    with production(server, folder) as deployment:
        bench = LiveBench(deployment, folder / "storage")
        write_good_stem(bench.path(GOOD))
        worker = deployment.worker().wait_until_ready()
        yield bench
        assert worker.stop() == 0
