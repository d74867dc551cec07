"""Reading a large object in parts: several connections bring in what one would bring in slowly.

One connection to S3 carries 60 to 90 MB/s, whatever the machine could take.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic

import structlog

from waveflow.adapters.storage.s3_span import MOST_BYTES, Pace, RawBody, Span, Timing
from waveflow.application.ports import ObjectStat

_log = structlog.get_logger(__name__)

PART_BYTES = 8 * 1024 * 1024
IN_ONE_PIECE_BYTES = 16 * 1024 * 1024
"""An object of this size or less comes with one request."""
PARTS_AHEAD = 4
"""Of one object, in memory or on their way at the same time."""
PARTS_IN_ALL = 8
"""Of all objects: 64 MiB."""
_JOIN_S = 1.0


def is_read_in_parts(size_bytes: int) -> bool:
    """Whether more than one request is worth its while."""
    return size_bytes > IN_ONE_PIECE_BYTES


def later_parts(size_bytes: int) -> Iterator[tuple[int, int]]:
    """Start and end of each part of a large object after the first, in order."""
    for start in range(PART_BYTES, size_bytes, PART_BYTES):
        yield start, min(start + PART_BYTES, size_bytes)


class PartBuffers:
    """Memory for parts, shared by all readers of a storage, and kept: new pages cost time.

    Nobody waits for one: a reader that gets none reads the next part itself, as it comes. So
    readers that stall, each with a few parts, keep nobody.
    """

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []
        self._made = 0
        self._lock = Lock()

    def take(self) -> mmap.mmap | None:
        """Room for one more part, if there is."""
        with self._lock:
            if self._free:
                return self._free.pop()
            if self._made == PARTS_IN_ALL:
                return None
            self._made += 1
        try:
            return _new_buffer()
        except OSError:  # There is no memory left.
            with self._lock:
                self._made -= 1
            return None

    def give_back(self, buffer: mmap.mmap) -> None:
        """What it holds isn't needed any more."""
        with self._lock:
            self._free.append(buffer)


def _new_buffer() -> mmap.mmap:
    # Of shared pages, Python's default, Linux makes no large ones.
    buffer = mmap.mmap(-1, PART_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # Only Linux has large pages, and not every kernel has been built with them.
    with suppress(AttributeError, OSError):
        buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer


class ReadAhead:
    """What comes after the first part of an object, read by a few threads of its own.

    A thread reads one part and ends. It knows nothing of the reader's lease, which the reader
    asks for at each chunk: once that is lost, no new part is begun.
    """

    def __init__(
        self,
        stat: ObjectStat,
        open_range: Callable[[int, int], RawBody],
        *,
        timing: Timing,
        buffers: PartBuffers,
    ) -> None:
        """Ask for nothing yet.

        Args:
            open_range: opens this version of the object, from one position to another.

        Attributes:
            pace: of the whole object, the first part included.
        """
        self.pace = Pace(timing, PARTS_AHEAD)
        self._stat = stat
        self._open_range = open_range
        self._timing = timing
        self._buffers = buffers
        self._waiting = deque(self._span(*part) for part in later_parts(stat.size_bytes))
        self._begun: deque[_Part] = deque()
        self._read_here: Span | None = None

    def begin(self) -> None:
        """Start reading while the first part, which counts as one of those, is still coming."""
        self._fill(PARTS_AHEAD - 1)

    def pieces(self) -> Iterator[bytes]:
        """The bytes in order. Raises as `Span.pieces`, at the place that it is about."""
        while self._waiting or self._begun:
            self._fill(PARTS_AHEAD)
            if self._begun:
                part = self._begun[0]
                yield from part.pieces()
                self._begun.popleft().end()
            else:
                self._read_here = self._waiting.popleft()
                yield from self._read_here.pieces()

    def close(self) -> None:
        """End all that is on its way. A request without an answer ends its thread later."""
        self._waiting.clear()
        ends_s = monotonic() + _JOIN_S
        with ExitStack() as afterwards:  # Whatever one of these raises, all of them are done.
            for part in self._begun:
                afterwards.callback(part.end_by, ends_s)
            if self._read_here is not None:
                afterwards.callback(self._read_here.close)
            for part in self._begun:
                afterwards.callback(part.cancel)
            self._begun.clear()

    def _span(self, start: int, end: int) -> Span:
        def resume(position: int) -> RawBody:
            return self._open_range(position, end)

        return Span(self._stat, start, end, resume=resume, timing=self._timing, pace=self.pace)

    def _fill(self, count: int) -> None:
        while self._waiting and len(self._begun) < count:
            if (buffer := self._buffers.take()) is None:
                return
            part = _Part(self._waiting[0], buffer, partial(self._buffers.give_back, buffer))
            if not part.begin():
                return
            self._begun.append(part)
            self._waiting.popleft()


class _Part:
    """A part that a thread of its own reads into memory."""

    def __init__(self, span: Span, buffer: mmap.mmap, release: Callable[[], object]) -> None:
        """Do nothing yet.

        Args:
            buffer: where the part is kept.
            release: called when both thread and reader are done with it.
        """
        self._span = span
        self._buffer = buffer
        self._release = release
        self._arrived: SimpleQueue[int | BaseException] = SimpleQueue()
        self._holders = 2
        self._lock = Lock()
        self._thread = Thread(target=self._run, name="s3-part", daemon=True)

    def begin(self) -> bool:
        """Start the thread. Returns whether there was room for it."""
        try:
            self._thread.start()
        except RuntimeError:
            self._release()
            return False
        return True

    def pieces(self) -> Iterator[bytes]:
        """The part as it arrives, 256 KiB at a time. For the reader; not after `cancel`."""
        taken = 0
        while taken < self._span.end - self._span.start:
            arrived = self._arrived.get()
            if isinstance(arrived, BaseException):
                raise arrived
            yield self._buffer[taken:arrived]
            taken = arrived

    def cancel(self) -> None:
        """Have the thread end soon."""
        try:
            self._span.cancel()
        except Exception as error:
            # It ends later by itself. To raise this would hide why the reader leaves.
            _log.warning("s3_part_not_cut_off", error=type(error).__name__)

    def end(self, timeout_s: float | None = None) -> None:
        """The reader is done with it."""
        try:
            self._thread.join(timeout_s)
        finally:
            self._let_go()

    def end_by(self, ends_s: float) -> None:
        """The same, waiting for the thread until then only."""
        self.end(max(ends_s - monotonic(), 0.0))

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:
            self._arrived.put(error)  # for the reader to raise
        finally:
            try:
                self._span.close()
            finally:
                self._let_go()

    def _read(self) -> None:
        position = told = 0
        for piece in self._span.pieces():
            if position + len(piece) - told > MOST_BYTES:
                self._arrived.put(told := position)
            self._buffer[position : position + len(piece)] = piece
            position += len(piece)
        self._arrived.put(position)

    def _let_go(self) -> None:
        with self._lock:
            self._holders -= 1
            is_over = not self._holders
        if is_over:
            self._release()
