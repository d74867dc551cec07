"""Waveform files as they are drawn: our JSON, and audiowaveform's JSON and `.dat`.

A `.dat` is a header of little-endian 32-bit numbers and the pixels, each the lowest and the
highest sample of a channel. The formats are described at
https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from attrs import cmp_using, field, frozen
from numpy.typing import NDArray

from waveflow.application.strict_json import number, numbers, parse_json, whole_number
from waveflow.domain.errors import NotAWaveform

LARGEST_BYTES = 32 * 1024**2
"""Of a file to draw: 8 million pixels. As JSON it takes 20 times that in memory."""

_MOST_CHANNELS = 256
_HIGHEST_SAMPLE_RATE_HZ = 2**31 - 1
_LARGEST_AMPLITUDE = float(np.finfo(np.float32).max)
_VERSIONS = (1, 2)
_TYPES: dict[int, str] = {8: "<i1", 16: "<i2"}


@frozen
class DrawnWaveform:
    """What there is to draw.

    Attributes:
        low: float64 (channels, pixels), the lowest amplitude in each; 1.0 is full scale.
        high: float64 (channels, pixels), the highest.
        duration_s: of the audio, as far as the file says; else of all its pixels.
    """

    low: NDArray[np.float64] = field(eq=cmp_using(eq=np.array_equal))
    high: NDArray[np.float64] = field(eq=cmp_using(eq=np.array_equal))
    duration_s: float
    sample_rate_hz: int


def read_waveform_file(path: Path) -> DrawnWaveform:
    """The waveform in a file, told by its content: its name doesn't matter.

    Raises:
        NotAWaveform: when it is none, damaged, or too large to be drawn.
        OSError: when the file can't be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise NotAWaveform(
            f"The file has more than {LARGEST_BYTES // 1024**2} MB, too much for a waveform to"
            " draw. Please make one with more samples per pixel."
        )
    try:
        if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return _of_json(parse_json(content))
        return _of_dat(content)
    except (TypeError, ValueError) as error:
        raise NotAWaveform(
            f"The file is not a waveform that can be drawn: {error}."
            " Please make it again with `waveflow analyze` or audiowaveform."
        ) from error


@frozen
class _Grid:
    """How the numbers of a file lie, whichever way they were written."""

    sample_rate_hz: int
    samples_per_pixel: int
    bits: int
    length: int
    channels: int

    @classmethod
    def of(cls, *, version: int, **says: int) -> Self:
        """Raises `ValueError` for what no such file says of itself."""
        if version not in _VERSIONS:
            raise ValueError(f"its version is {version}; 1 and 2 can be read")
        bounds = {
            "sample_rate_hz": (1, _HIGHEST_SAMPLE_RATE_HZ),
            "samples_per_pixel": (1, _HIGHEST_SAMPLE_RATE_HZ),
            "length": (0, LARGEST_BYTES),
            "channels": (1, _MOST_CHANNELS),
        }
        for name, (least, most) in bounds.items():
            if not least <= says[name] <= most:
                plain = name.removesuffix("_hz")
                raise ValueError(f"its {plain} is {says[name]}, which can't be")
        if says["bits"] not in _TYPES:
            raise ValueError(f"its bits are {says['bits']}; 8 and 16 can be read")
        return cls(**says)

    @property
    def numbers(self) -> int:
        return 2 * self.length * self.channels

    @property
    def reach(self) -> int:
        return 1 << (self.bits - 1)

    def drawn(
        self, data: NDArray[Any], step: float | None = None, duration_s: float | None = None
    ) -> DrawnWaveform:
        """Of numbers that count steps of amplitude: unless told, so many that `reach` is 1.0."""
        if step is None:
            step = 1.0 / self.reach
        pixels = data.reshape(self.length, self.channels, 2) * step
        low, high = pixels[:, :, 0].T, pixels[:, :, 1].T
        if duration_s is None:
            duration_s = self.length * self.samples_per_pixel / self.sample_rate_hz
        return DrawnWaveform(low, high, duration_s, self.sample_rate_hz)


def _of_dat(content: bytes) -> DrawnWaveform:
    header_bytes = 24 if content[:1] == b"\x02" else 20
    if len(content) < header_bytes:
        raise ValueError("it is neither JSON nor long enough for the header of a .dat file")
    header = np.frombuffer(content[:header_bytes], "<i4").tolist()
    version, flags, sample_rate_hz, samples_per_pixel, length, *channels = header
    if version not in _VERSIONS:
        raise ValueError("it is neither JSON nor a .dat file of version 1 or 2")
    grid = _Grid.of(
        version=version,
        sample_rate_hz=sample_rate_hz,
        samples_per_pixel=samples_per_pixel,
        bits=8 if flags & 1 else 16,
        length=length,
        channels=channels[0] if channels else 1,
    )
    there, wanted = len(content) - header_bytes, grid.numbers * grid.bits // 8
    if there != wanted:
        raise ValueError(f"its header announces {wanted} bytes of pixels, but it has {there}")
    return grid.drawn(np.frombuffer(content, _TYPES[grid.bits], offset=header_bytes))


def _of_json(document: dict[str, Any]) -> DrawnWaveform:
    if "data" in document:
        return _of_pixels(document)
    if "peaks" in document:
        return _of_peaks(document)
    raise ValueError("it is JSON, but has neither data nor peaks")


def _of_pixels(document: dict[str, Any]) -> DrawnWaveform:
    """Of audiowaveform's keys; `version` and `channels` came with its second version.

    Its numbers are absolute. Ours are not: the largest there can be stands for `amplitude`.
    """
    grid = _Grid.of(
        version=_named(document, "version", whole_number, 1),
        sample_rate_hz=_named(document, "sample_rate", whole_number),
        samples_per_pixel=_named(document, "samples_per_pixel", whole_number),
        bits=_named(document, "bits", whole_number, 16),
        length=_named(document, "length", whole_number),
        channels=_named(document, "channels", whole_number, 1),
    )
    data = document["data"]
    if not isinstance(data, list) or not all(type(each) is int for each in data):
        raise TypeError("its data is not a list of whole numbers")
    if len(data) != grid.numbers:
        raise ValueError(f"its data has {len(data)} numbers, where {grid.numbers} belong")
    if any(not -grid.reach <= each < grid.reach for each in data):
        raise ValueError(f"its data has numbers beyond {grid.bits} bits")
    step = _amplitude(document) / (grid.reach - 1) if "amplitude" in document else None
    return grid.drawn(np.array(data, np.int16), step, _duration(document, None))


def _of_peaks(document: dict[str, Any]) -> DrawnWaveform:
    """Of our keys alone. Peaks have no sign: they are drawn upwards and downwards."""
    sizes = np.array(_named(document, "peaks", numbers), np.float64)
    amplitude = _amplitude(document)
    sample_rate_hz = _named(document, "sample_rate", whole_number)
    if sizes.size and not 0.0 <= sizes.min() <= sizes.max() <= 1.0:
        raise ValueError("its peaks are not all from 0 to 1")
    if sample_rate_hz < 1:
        raise ValueError(f"its sample_rate is {sample_rate_hz}, which can't be")
    high = (sizes * amplitude)[np.newaxis]
    duration_s = _duration(document, 0.0)
    return DrawnWaveform(-high, high, duration_s, sample_rate_hz)


def _amplitude(document: dict[str, Any]) -> float:
    amplitude: float = _named(document, "amplitude", number, 1.0)
    if not 0.0 <= amplitude <= _LARGEST_AMPLITUDE:
        raise ValueError(f"its amplitude is {amplitude}, which can't be")
    return amplitude


def _duration(document: dict[str, Any], otherwise: Any) -> Any:
    duration_s = _named(document, "duration", number, otherwise)
    if duration_s is not None and duration_s < 0:
        raise ValueError("its duration is less than nothing")
    return duration_s


def _named(document: dict[str, Any], key: str, kind: Any, *otherwise: Any) -> Any:
    if key not in document and otherwise:
        return otherwise[0]
    if key not in document:
        raise ValueError(f"it has no {key}")
    try:
        return kind(document[key])
    except TypeError as error:
        raise TypeError(f"its {key} {error}") from error
