"""The peaks kernel on samples in memory, against NumPy's maximum over the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.cases.base import Case, Subject, Target
from benchmarks.files import Lengths
from benchmarks.kernels import PACKED
from benchmarks.place import Checkout, Place
from benchmarks.twin import WrongAnswer

_TOLERANCE = 1e-6
_STEREO_16 = "waveflow, 16-bit stereo"
_NUMPY = "numpy.max"
_NAMES = {"int16": "16-bit", PACKED: "24-bit packed", "int32": "32-bit int"}
_LAYOUTS = (
    ("int16", 2),
    (PACKED, 2),
    ("int32", 2),
    ("float32", 2),
    ("float64", 2),
    ("int16", 1),
    (PACKED, 1),
    ("int32", 1),
    ("float32", 1),
    ("int16", 3),
    ("int16", 6),
    ("int16", 8),
    (PACKED, 6),
    ("float32", 3),
    ("float32", 6),
    ("float32", 8),
)
_IN_CACHE = (("int16", 2), (PACKED, 2), ("float32", 2))
_FLOORS = {("int16", 2): 0.8, (PACKED, 2): 0.5}
_CHANNELS = {1: "mono", 2: "stereo"}


def cases(lengths: Lengths) -> list[Case]:
    """A case for each layout of samples."""
    return [
        *(_large(layout, channels, lengths.buffer_bytes) for layout, channels in _LAYOUTS),
        *(_cached(layout, channels, lengths.buffer_bytes) for layout, channels in _IN_CACHE),
    ]


def _title(layout: str, channels: int) -> str:
    return f"{_NAMES.get(layout, layout)} {_CHANNELS.get(channels, f'{channels} channels')}"


def _name(layout: str, channels: int) -> str:
    return f"{_NAMES.get(layout, layout).replace(' ', '-')}-{channels}ch"


def _large(layout: str, channels: int, size_bytes: int) -> Case:
    array: dict[str, Any] = {"layout": layout, "channels": channels, "size_bytes": size_bytes}
    stereo_16: dict[str, Any] = {"layout": "int16", "channels": 2, "size_bytes": size_bytes}
    is_yardstick = array == stereo_16

    def subjects(place: Place) -> Sequence[Subject]:
        taking_part = place.each(lambda checkout: _kernel(checkout, array))
        if not is_yardstick:
            taking_part.append(place.ours.subject(_STEREO_16, "kernel", **stereo_16))
        return [*taking_part, place.ours.floor(_NUMPY, "numpy_max", **array)]

    targets = []
    if (layout, channels) in _FLOORS:
        limit = _FLOORS[layout, channels]
        text = f"≥ {limit:g} × the throughput of {_NUMPY}"
        targets.append(Target(text, limit, [_NUMPY], throughput=True))
    if not is_yardstick:
        text = "≤ 4 × the time per byte of 16-bit stereo"
        targets.append(Target(text, 4, [_STEREO_16]))
    title = f"peaks kernel, {_title(layout, channels)}, in memory"
    return Case(f"kernel-{_name(layout, channels)}", title, subjects, targets, size_bytes)


def _cached(layout: str, channels: int, size_bytes: int) -> Case:
    array: dict[str, Any] = {"layout": layout, "channels": channels, "size_bytes": size_bytes}

    def subjects(place: Place) -> Sequence[Subject]:
        return [
            *place.each(lambda each: each.subject("waveflow", "kernel_in_cache", **array)),
            place.ours.floor(_NUMPY, "numpy_max", cached=True, **array),
        ]

    title = f"peaks kernel, {_title(layout, channels)}, one block in the cache"
    name = f"kernel-in-cache-{_name(layout, channels)}"
    return Case(name, title, subjects, size_bytes=size_bytes)


def _kernel(checkout: Checkout, array: dict[str, Any]) -> Subject:
    def check(answer: dict[str, Any]) -> str | None:
        checked = checkout.ask("kernel", check=True, **array)
        if not checked["worst"] <= _TOLERANCE:
            raise WrongAnswer(f"a peak is off by {checked['worst']:.2g} of full scale")
        return "samples are unpacked to 32 bits first" if checked["unpacked"] else None

    return checkout.subject("waveflow", "kernel", check, **array)
