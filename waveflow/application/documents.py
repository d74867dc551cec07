"""The waveform objects in the storage: written once, and found again by later deliveries."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Self, TypeVar

import cattrs
from attrs import asdict, frozen

from waveflow.application.ports import AudioStorage, IfAbsent
from waveflow.application.strict_json import parse_json, strict_converter
from waveflow.application.transfer import read_record
from waveflow.domain.errors import ObjectChanged, ObjectNotFound
from waveflow.domain.waveform import WAVEFORM_VERSION, Waveform

CONTENT_TYPE = "application/json"
_CONVERTER = strict_converter()


@frozen(kw_only=True)
class WaveformDocument:
    """The waveform JSON, key by key; the first five are what the front end reads.

    Attributes:
        peaks: 0 to 1, 4 decimals, the largest 1.0.
        duration: seconds, frames decoded / sample rate.
        sample_rate: Hz.
        amplitude: absolute amplitude that a peak of 1.0 stands for.
    """

    peaks: list[float]
    duration: float
    sample_rate: int
    num_peaks: int
    created_at: str
    waveform_version: int
    amplitude: float

    @classmethod
    def of(cls, waveform: Waveform, *, created_at: str, **facts: Any) -> Self:
        """The document of `waveform`, with whatever facts the kind of document adds."""
        return cls(
            peaks=waveform.normalised_peaks(),
            duration=waveform.duration_s,
            sample_rate=waveform.sample_rate_hz,
            num_peaks=len(waveform.peaks),
            created_at=created_at,
            waveform_version=WAVEFORM_VERSION,
            amplitude=waveform.amplitude,
            **facts,
        )

    def encode(self) -> bytes:
        """The object's bytes; under 100 kB, since the front end keeps it in sessionStorage."""
        # Its fields are plain values: a copy of 4000 peaks, one by one, costs more than the JSON.
        return json.dumps(
            asdict(self, recurse=False), separators=(",", ":"), allow_nan=False
        ).encode()


@frozen(kw_only=True)
class StemDocument(WaveformDocument):
    """A stem's waveform, with the facts that a second delivery of its message reports again.

    Attributes:
        audio_data_hash: SHA-256 of the stem's bytes, 64 hex digits.
        file_size: bytes.
        processing_time: seconds.
    """

    audio_data_hash: str
    file_size: int
    processing_time: float


@frozen(kw_only=True)
class MixDocument(WaveformDocument):
    """A mix's waveform, with what went into it.

    Attributes:
        stem_count: number of stems mixed.
        gain: linear gain applied after the stems were averaged, 1.0 or less.
    """

    stem_count: int
    gain: float


_Document = TypeVar("_Document", bound=WaveformDocument)


def find_document(storage: AudioStorage, key: str, kind: type[_Document]) -> _Document | None:
    """The document under `key`; None when there is none, or none of that kind and version.

    Raises:
        StorageUnavailable: when the storage doesn't answer.
    """
    try:
        text, _ = read_record(storage, key)
        document = _CONVERTER.structure(parse_json(text), kind)
    except (ObjectNotFound, ValueError, TypeError, cattrs.BaseValidationError):
        return None
    return document if document.waveform_version == WAVEFORM_VERSION else None


def store_document(storage: AudioStorage, key: str, document: _Document) -> _Document:
    """Write the document, the last object of its message, and return the one that is stored.

    When two deliveries work side by side, the first to store wins and both report its facts.

    Raises:
        StorageUnavailable: when the storage doesn't answer.
    """
    body = document.encode()
    with suppress(ObjectChanged):
        storage.write(key, body, content_type=CONTENT_TYPE, condition=IfAbsent())
        return document
    stored = find_document(storage, key, type(document))
    if stored is None:
        storage.write(key, body, content_type=CONTENT_TYPE)
    return stored or document
