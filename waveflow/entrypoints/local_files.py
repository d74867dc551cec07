"""The four steps on files of the local disk, without storage, server or settings."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from attrs import frozen

from waveflow.application.clock import Clock
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.domain.audio import NO_LIMITS, AudioFormat
from waveflow.domain.content import ContentHash, CopyState, Ownership, may_delete, refusal
from waveflow.domain.errors import (
    EmptyObject,
    PermanentError,
    UnreadableStem,
    WorkFolderUnavailable,
)
from waveflow.entrypoints.new_files import folder_beside, writable

if TYPE_CHECKING:
    from waveflow.application.documents import MixDocument, WaveformDocument
    from waveflow.domain.waveform import Analysis

_CHUNK_BYTES = 1 << 22
_SWITCH_INTERVAL_S = 0.0005
"""Python's own, ten times that, would have the hash wait between two chunks while modules load."""


@frozen
class LocalAnalysis:
    """A local file's waveform document, and what kind of file it is.

    Attributes:
        content_hash: None when it wasn't asked for; the document says nothing of it then.
    """

    document: WaveformDocument
    format: AudioFormat
    channels: int
    content_hash: ContentHash | None


def hash_file(path: Path, on_bytes: Callable[[int], None] = lambda count: None) -> ContentHash:
    """The SHA-256 of a file, streamed; `on_bytes` is told how many were read each time.

    Raises:
        EmptyObject: for a file of 0 bytes.
    """
    digest = hashlib.sha256()
    read_bytes = 0
    chunk = memoryview(bytearray(_CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(chunk):
            digest.update(chunk[:count])
            read_bytes += count
            on_bytes(count)
    if not read_bytes:
        raise EmptyObject(f"{path} is empty (0 bytes). Please export it again.")
    return ContentHash(digest.hexdigest())


def analyze_file(
    path: Path,
    num_peaks: int,
    clock: Clock,
    *,
    with_hash: bool = True,
    extras: Extras = NO_EXTRAS,
) -> LocalAnalysis:
    """The waveform of a local file, decoded in this process, and hashed beside that.

    Args:
        with_hash: False saves the time: a hash takes longer than the peaks of a WAV file.

    Raises:
        EmptyObject: for a file of 0 bytes.
        PermanentError: when the file is not audio that can be read.
        WorkFolderUnavailable: when a `.dat` can't be written: the disk is full, say.
    """
    started_s = clock.monotonic_s()
    if not with_hash:
        from waveflow.application.documents import WaveformDocument

        analysis = _analysed(path, num_peaks, extras)
        document = WaveformDocument.of(
            analysis.waveform, created_at=clock.now_iso(), levels=analysis.levels
        )
        return LocalAnalysis(document, analysis.format, analysis.channels, None)
    with _hashing(path) as hashed:
        # First of all: modules load meanwhile.
        from waveflow.application.documents import StemDocument

        try:
            analysis = _analysed(path, num_peaks, extras)
        except PermanentError:
            if not path.stat().st_size:
                hashed()  # says so more plainly
            raise
        content_hash = hashed()
    document = StemDocument.of(
        analysis.waveform,
        created_at=clock.now_iso(),
        levels=analysis.levels,
        audio_data_hash=content_hash.hex,
        file_size=path.stat().st_size,
        processing_time=round(clock.monotonic_s() - started_s, 6),
    )
    return LocalAnalysis(document, analysis.format, analysis.channels, content_hash)


class _NoLongerWanted(Exception):
    """Raised within the hash of a file that turned out not to be audio."""


@contextmanager
def _hashing(path: Path) -> Iterator[Callable[[], ContentHash]]:
    """What waits for the hash of a file, made in a thread that has ended on leaving."""
    unwanted = Event()

    def require_wanted(_: int) -> None:
        if unwanted.is_set():
            raise _NoLongerWanted

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with ThreadPoolExecutor(1, "hash") as pool:
            try:
                yield _started(pool, path, require_wanted)
            finally:
                unwanted.set()
    finally:
        sys.setswitchinterval(before_s)


def _started(
    pool: ThreadPoolExecutor, path: Path, on_bytes: Callable[[int], None]
) -> Callable[[], ContentHash]:
    try:
        return pool.submit(hash_file, path, on_bytes).result
    except RuntimeError:  # The system has no thread to give.
        return partial(hash_file, path)


def _analysed(path: Path, num_peaks: int, extras: Extras) -> Analysis:
    from waveflow.adapters.codec.soundfile_codec import SoundfileCodec

    try:
        return SoundfileCodec().analyse(path, num_peaks, NO_LIMITS, extras)
    except PermanentError as error:
        raise PermanentError(f"{path}: {error}", code=error.code) from error
    except WorkFolderUnavailable as error:
        dat, cause = extras.dat, error.__cause__
        if dat and getattr(cause, "filename", None) == str(dat.destination):
            raise WorkFolderUnavailable(
                f"The waveform can't be written ({getattr(cause, 'strerror', cause)})."
                " Is there room?"
            ) from error
        # There is none here: it is the file itself that can't be read.
        raise OSError(f"{path} can't be read ({error.__cause__}).") from error


def mix_files(
    sources: Sequence[Path],
    destination: Path,
    num_peaks: int,
    clock: Clock,
    extras: Extras = NO_EXTRAS,
) -> MixDocument:
    """Mix local files into a WAV at `destination`, which is replaced only by a finished mix.

    Raises:
        PermanentError: when a source can't be read, or would be overwritten.
    """
    from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
    from waveflow.application.documents import MixDocument

    destination = writable(destination, sources)
    with folder_beside(destination) as folder:
        mixed = folder / "mix.wav"
        try:
            mix = SoundfileCodec().mix(sources, mixed, num_peaks, NO_LIMITS, extras)
        except UnreadableStem as error:
            source = sources[error.index]
            raise PermanentError(f"{source}: {error.cause}", code=error.code) from error
        except WorkFolderUnavailable as error:
            raise WorkFolderUnavailable(
                f"{destination} can't be made ({error.__cause__}). Is there room, and can the"
                " stems be read?"
            ) from error
        mixed.replace(destination)
    return MixDocument.of(
        mix.waveform,
        created_at=clock.now_iso(),
        levels=mix.levels,
        stem_count=len(sources),
        gain=mix.gain,
    )


def delete_duplicate(copy: Path, original: Path) -> ContentHash:
    """Delete `copy` if `original` is another file that holds the same bytes.

    Raises:
        DeletionRefused: otherwise, with the code that the worker would give.
        EmptyObject: when one of them has no bytes.
        FileNotFoundError: when one of them is missing.
    """
    copy_before = copy.stat()
    copy_hash = hash_file(copy)
    # The original last, so that nothing lies between its proof and the deletion.
    original_before = original.stat()
    content_hash = hash_file(original)
    state = CopyState.HOLDS_CONTENT if copy_hash == content_hash else CopyState.HOLDS_OTHER
    owner_path = str(copy if original.samefile(copy) else original)
    owner = Ownership(owner_path, "", original_before.st_size, "")
    decision = may_delete(str(copy), "command line", owner, state, CopyState.HOLDS_CONTENT)
    if decision.code:
        raise refusal(decision.code)
    for path, before, code in (
        (copy, copy_before, "content_changed"),
        (original, original_before, "owner_lost"),
    ):
        if _version(path.stat()) != _version(before):
            raise refusal(code)
    copy.unlink()
    return content_hash


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
