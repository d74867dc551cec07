"""Reading stored objects: hashing them, and bringing them into the work folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from waveflow.application.disk_errors import NotAFile, translated
from waveflow.application.ports import AudioStorage, ObjectStat, ObjectStream
from waveflow.application.task_times import current_times, in_stage
from waveflow.domain.audio import AudioLimits
from waveflow.domain.content import ContentHash
from waveflow.domain.errors import DecoderFailed, EmptyObject, StorageUnavailable


@frozen
class HashedObject:
    """The content hash of one version of an object."""

    stat: ObjectStat
    content_hash: ContentHash


def hash_object(storage: AudioStorage, key: str) -> HashedObject:
    """Stream an object through SHA-256; memory doesn't grow with its size.

    Raises:
        ObjectNotFound, ObjectChanged, StorageUnavailable: as `AudioStorage.read`.
        EmptyObject: for an object of 0 bytes.
    """
    with storage.read(key) as stream:
        return _hashed(stream, lambda chunk: None)


def fetch(
    storage: AudioStorage,
    key: str,
    destination: Path,
    limits: AudioLimits,
    reserve: Callable[[int], object] = lambda size_bytes: None,
    wanted: Callable[[], object] = lambda: None,
) -> HashedObject:
    """Copy an object to a local file, hashing it on the way.

    Args:
        reserve: called with the object's size before the first byte is written.
        wanted: called before each chunk is written; what it raises ends the copying.

    Raises:
        AudioTooLarge: before anything is read, for an object over the limit.
        ObjectNotFound, ObjectChanged, StorageUnavailable, EmptyObject: as `hash_object`.
        WorkFolderUnavailable: when the disk is full, say.
    """
    with storage.read(key) as stream:
        limits.require_size(stream.stat.size_bytes)
        reserve(stream.stat.size_bytes)
        with translated(destination.parent), destination.open("xb", buffering=0) as file:

            def take(chunk: bytes) -> None:
                wanted()
                _write_all(file, chunk)

            return _hashed(stream, take)


def store_made(storage: AudioStorage, key: str, source: Path, *, content_type: str) -> None:
    """Store a file that the codec made.

    Raises:
        DecoderFailed: when a link or a pipe is there instead: a decoder was taken over.
        StorageUnavailable: when the storage doesn't answer.
    """
    try:
        storage.write(key, source, content_type=content_type)
    except NotAFile as error:
        raise DecoderFailed(
            "The file makes the decoder leave something else than its result; it is damaged."
            " Please export it again and upload that."
        ) from error


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    written = file.write(chunk)
    while written < len(chunk):
        written += file.write(memoryview(chunk)[written:])


def _hashed(stream: ObjectStream, take: Callable[[bytes], object]) -> HashedObject:
    """Hash all chunks of `stream`, and hand each to `take`."""
    digest = hashlib.sha256()
    read_bytes = 0
    times, hashing = current_times(), in_stage("hash")
    try:
        for chunk in stream:
            take(chunk)
            with hashing:
                digest.update(chunk)
            read_bytes += len(chunk)
    finally:
        if times is not None:
            times.read(read_bytes)
    stat = stream.stat
    # A hash of no bytes, or of other bytes than the object has, must never be reported.
    if read_bytes != stat.size_bytes:
        raise StorageUnavailable(
            f"{stat.key!r} has {stat.size_bytes} bytes, but {read_bytes} were read."
        )
    if not read_bytes:
        raise EmptyObject("The file is empty (0 bytes). Please export it and upload it again.")
    return HashedObject(stat, ContentHash(digest.hexdigest()))


MAX_RECORD_BYTES = 1 << 20


def read_record(storage: AudioStorage, key: str) -> tuple[bytes, ObjectStat]:
    """A small object of our own (a ledger line, a waveform document), whole.

    Raises:
        ObjectNotFound, StorageUnavailable: as `AudioStorage.read`.
        ValueError: for more than 1 MiB: nobody but us should write there, but memory is memory.
    """
    with storage.read(key) as stream:
        return record_body(stream), stream.stat


def record_body(stream: ObjectStream) -> bytes:
    """All of a small object of our own. Raises as `read_record`."""
    if stream.stat.size_bytes > MAX_RECORD_BYTES:
        raise ValueError(f"{stream.stat.key!r} has {stream.stat.size_bytes} bytes")
    return b"".join(stream)
