"""A body on its way to S3, a local file above all."""

from __future__ import annotations

import errno
import os
from io import BytesIO
from pathlib import Path

import pytest
from botocore.exceptions import HTTPClientError

from waveflow.adapters.storage.s3_body import Body, opened, same_bytes


class FailingFile(BytesIO):
    """A file whose disk gives up."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    path.write_bytes(b"a sound")
    return path


def test_it_reads_from_the_start_several_times() -> None:
    with opened(b"a sound") as body:
        for _ in range(2):
            assert (body.seek(0), body.read(2), body.read(), body.read(1)) == (
                0,
                b"a ",
                b"sound",
                b"",
            )
        assert body.tell() == body.size_bytes == 7


def test_its_end_can_be_found(file: Path) -> None:
    with opened(file) as body:
        assert body.seek(0, os.SEEK_END) == 7
        assert body.seek(-5, os.SEEK_END) == 2
        assert body.read(None) == b"sound"


def test_what_is_appended_meanwhile_is_left_out(file: Path) -> None:
    with opened(file) as body:
        with file.open("ab") as other:
            other.write(b" and more")
        assert body.seek(0, os.SEEK_END) == 7
        assert body.seek(0) == 0
        assert body.read(100) == b"a sound"
        assert body.read(100) == b""


def test_a_file_that_is_cut_short_meanwhile_cannot_be_read(file: Path) -> None:
    with opened(file) as body:
        os.truncate(file, 3)
        assert body.read(3) == b"a s"
        with pytest.raises(OSError, match="cut short"):
            body.read(4)


def test_a_file_that_is_removed_meanwhile_is_read_to_its_end(file: Path) -> None:
    with opened(file) as body:
        file.unlink()
        assert body.read() == b"a sound"


def test_its_own_error_takes_the_place_of_what_came_of_it(file: Path) -> None:
    def upload() -> None:
        with opened(file) as body:
            os.truncate(file, 3)
            body.seek(3)
            try:
                body.read(4)
            except OSError as exc:
                raise HTTPClientError(error=exc) from exc

    with pytest.raises(OSError, match="cut short"):
        upload()


def test_the_error_of_a_disk_is_kept() -> None:
    body = Body(FailingFile(b"a sound"))
    with pytest.raises(OSError, match="Input/output error") as caught:
        body.read(1)
    assert body.error is caught.value


def test_other_errors_pass() -> None:
    with pytest.raises(HTTPClientError), opened(b"a sound"):
        raise HTTPClientError(error="unknown")


@pytest.mark.parametrize(
    ("chunks", "same"),
    [
        ([b"a sound"], True),
        ([b"a ", b"sou", b"nd"], True),
        ([b"a soun"], False),
        ([b"a sound", b"!"], False),
        ([b"another"], False),
        ([], False),
    ],
)
def test_bodies_are_compared_to_their_end(file: Path, chunks: list[bytes], same: bool) -> None:
    assert same_bytes(chunks, b"a sound") is same
    assert same_bytes(chunks, file) is same


def test_nothing_is_the_same_as_nothing() -> None:
    assert same_bytes([], b"")
