"""Levels and `.dat` files, made of the very blocks of which the waveform is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from waveflow.application.disk_errors import translated
from waveflow.application.extras import Dat, Extras
from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding
from waveflow.domain.dat import DatEncoder
from waveflow.domain.decoding import Onlooker
from waveflow.domain.levels import Levels
from waveflow.domain.pcm import PcmBlock

if TYPE_CHECKING:
    from waveflow.domain.level_meter import LevelMeter

Write = Callable[[NDArray[np.int16]], None]

_MIX = AudioFormat(Container.WAV, Encoding.PCM_16)


class ExtraResults(Onlooker):
    """Makes what a task's `Extras` ask for. A context manager: what it opened is closed on leaving.

    An unfinished `.dat` stays where it is when the task fails: whoever named it removes it.
    """

    def __init__(self, extras: Extras) -> None:
        """Open nothing yet."""
        self._wants_levels = extras.levels
        self._meter: LevelMeter | None = None
        self._dat = _DatFile(extras.dat) if extras.dat else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._dat:
            self._dat.close()

    @property
    def onlookers(self) -> tuple[Onlooker, ...]:
        """This, if there is anything to do."""
        return (self,) if self._wants_levels or self._dat else ()

    def watched(self, write: Write, sample_rate_hz: int) -> Write:
        """`write`, which takes a mix's samples, int16 (frames,); this is shown them as well."""
        if not self.onlookers:
            return write
        self.begin(AudioHeader(_MIX, 1, sample_rate_hz))

        def write_and_look(samples: NDArray[np.int16]) -> None:
            write(samples)
            self.add(samples[:, np.newaxis])

        return write_and_look

    def begin(self, header: AudioHeader) -> None:
        """As `Onlooker.begin`. Raises as `DatEncoder`, and `WorkFolderUnavailable`."""
        if self._wants_levels:
            from waveflow.domain.level_meter import LevelMeter

            self._meter = LevelMeter.of(header)
        if self._dat:
            self._dat.begin(header)

    def add(self, block: PcmBlock) -> None:
        """As `Onlooker.add`. Raises as `DatEncoder.add`, and `WorkFolderUnavailable`."""
        if self._meter:
            self._meter.add(block)
        if self._dat:
            self._dat.add(block)

    def finish(self) -> Levels | None:
        """All frames have been seen: complete the `.dat`, and return the levels.

        Raises:
            WorkFolderUnavailable: when the disk is full, say.
        """
        if self._dat:
            self._dat.finish()
        return self._meter.levels() if self._meter else None


class _DatFile:
    """A `.dat` on the disk. Its header, which has the number of pixels, is written at the end."""

    def __init__(self, dat: Dat) -> None:
        self._dat = dat
        self._file: BinaryIO | None = None
        self._encoder: DatEncoder | None = None

    def begin(self, header: AudioHeader) -> None:
        self._encoder = DatEncoder(
            header.sample_rate_hz,
            header.channels,
            samples_per_pixel=self._dat.samples_per_pixel,
            bits=self._dat.bits,
            split_channels=self._dat.split_channels,
        )
        with self._translated():
            self._file = self._dat.destination.open("xb", buffering=0)
            _write_all(self._file, bytes(self._encoder.header_bytes))

    def add(self, block: PcmBlock) -> None:
        assert self._encoder
        assert self._file
        pixels = self._encoder.add(block)
        with self._translated():
            _write_all(self._file, pixels)

    def finish(self) -> None:
        assert self._encoder
        assert self._file
        pixels = self._encoder.finish()
        with self._translated():
            _write_all(self._file, pixels)
            self._file.seek(0)
            _write_all(self._file, self._encoder.header())
            self.close()

    def close(self) -> None:
        file, self._file = self._file, None
        if file:
            file.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with translated(self._dat.destination.parent):
            try:
                yield
            except OSError as error:
                # Writing doesn't say in which file: who named it wants to know.
                error.filename = str(self._dat.destination)
                raise


def _write_all(file: BinaryIO, content: bytes) -> None:
    # Unbuffered: a full disk is met here, and not when the file is closed.
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
