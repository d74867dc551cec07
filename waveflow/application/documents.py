"""The waveform objects in the storage: written once, and found again by later deliveries."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Self, TypeVar

import cattrs
from attrs import asdict, frozen

from waveflow.application.commands import AnalysisRequest, Origin
from waveflow.application.ports import AudioStorage, IfAbsent
from waveflow.application.strict_json import parse_json, strict_converter
from waveflow.application.transfer import read_record
from waveflow.domain.errors import ObjectChanged, ObjectNotFound
from waveflow.domain.levels import Levels
from waveflow.domain.waveform import WAVEFORM_VERSION, Waveform

CONTENT_TYPE = "application/json"

MOST_REQUEST_BYTES = 20_000
"""Of what a message said of itself, as JSON. The longest key there is comes to 3,072 of them, and
is in it twice at most; the rest of the largest document takes 73 kB."""

DATA_VERSION = 2
DATA_CHANNELS = 1
DATA_BITS = 8
"""Of `data`, in audiowaveform's terms: peaks.js refuses 16. All of them are used, since `data` is
normalised."""


@frozen(kw_only=True)
class WaveformDocument:
    """The waveform JSON, key by key; the first five are what the front end reads.

    Attributes:
        peaks: 0 to 1, 4 decimals, the largest 1.0.
        duration: seconds, frames decoded / sample rate.
        sample_rate: Hz.
        amplitude: absolute amplitude that a peak of 1.0 stands for.
        samples_per_pixel: frames of each pixel in `data`.
        data: the lowest and the highest sample of each pixel, as audiowaveform has them; 127
            stands for `amplitude`. None, like the frames of a pixel, in documents of earlier
            versions.
        levels: None where they weren't asked for.
        waveform_dat_path: key of the `.dat` beside this document; None where there is none.
    """

    peaks: list[float]
    duration: float
    sample_rate: int
    num_peaks: int
    created_at: str
    waveform_version: int
    amplitude: float
    samples_per_pixel: int | None = None
    data: list[int] | None = None
    levels: Levels | None = None
    waveform_dat_path: str | None = None

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
            samples_per_pixel=waveform.pixels.samples_per_pixel,
            data=waveform.normalised_pixels(),
            **facts,
        )

    def encode(self) -> bytes:
        """The object's bytes; under 100 kB, since the front end keeps it in sessionStorage."""
        return _json(self._keys())

    def _keys(self) -> dict[str, Any]:
        # Its fields are plain values: a copy of 4000 peaks, one by one, costs more than the JSON.
        keys = asdict(self, recurse=False)
        data, levels = keys.pop("data"), keys.pop("levels")
        samples_per_pixel, dat_path = keys.pop("samples_per_pixel"), keys.pop("waveform_dat_path")
        if data is not None:
            keys |= {
                "version": DATA_VERSION,
                "channels": DATA_CHANNELS,
                "samples_per_pixel": samples_per_pixel,
                "bits": DATA_BITS,
                "length": len(data) // 2,
                "data": data,
            }
        if levels is not None:
            keys["levels"] = levels.as_data()
        if dat_path is not None:
            keys["waveform_dat_path"] = dat_path
        return keys


@frozen(kw_only=True)
class StemRequest:
    """Who asked for a waveform, and of what: for the commands of whoever operates the service.

    Attributes:
        filepath: the stem's key.
        original_filename: as `/completion` has it.
        event_id: of the `/completion` that tells of the waveform.
    """

    filepath: str
    original_filename: str
    user_id: str | None
    track_id: str | None
    upstream_id: str | None
    event_id: str

    @classmethod
    def of(cls, request: AnalysisRequest, origin: Origin) -> StemRequest:
        """What `request` said, and the id of the event that it leads to."""
        return cls(
            filepath=request.filepath,
            original_filename=request.filename,
            user_id=request.user_id,
            track_id=request.track_id,
            upstream_id=request.upstream_id,
            event_id=origin.event_id("completion", "success"),
        )

    def if_it_fits(self) -> StemRequest | None:
        """This, unless a name or an id of unheard-of length would make the document too large."""
        return self if len(_json(asdict(self))) <= MOST_REQUEST_BYTES else None


@frozen(kw_only=True)
class StemDocument(WaveformDocument):
    """A stem's waveform, with the facts that a second delivery of its message reports again.

    Attributes:
        audio_data_hash: SHA-256 of the stem's bytes, 64 hex digits.
        file_size: bytes.
        processing_time: seconds.
        request: None in documents of earlier versions, and where it would be too long.
    """

    audio_data_hash: str
    file_size: int
    processing_time: float
    request: StemRequest | None = None

    def _keys(self) -> dict[str, Any]:
        keys = super()._keys()
        del keys["request"]
        return keys | ({"request": asdict(self.request)} if self.request else {})


@frozen(kw_only=True)
class MixDocument(WaveformDocument):
    """A mix's waveform, with what went into it.

    Attributes:
        stem_count: number of stems mixed.
        gain: linear gain applied after the stems were averaged, 1.0 or less.
    """

    stem_count: int
    gain: float


def _json(keys: dict[str, Any]) -> bytes:
    return json.dumps(keys, separators=(",", ":"), allow_nan=False).encode()


def _request(value: Any, _: Any) -> StemRequest | None:
    """What is legible of the additional key: it never keeps a waveform from being found."""
    try:
        request: StemRequest = _CONVERTER.structure(value, StemRequest)
    except (TypeError, ValueError, cattrs.BaseValidationError):
        return None
    return request


def _levels(value: Any, _: Any) -> Levels | None:
    """What is legible of the additional key, likewise."""
    try:
        return Levels.from_data(value)
    except ValueError:
        return None


def _pixels(value: Any, _: Any) -> list[int] | None:
    """`data`, which has to be a list of whole numbers if it is there."""
    if value is None:
        return None
    # As a whole: one by one, it would take longer than all the rest of the document.
    if not isinstance(value, list) or not set(map(type, value)) <= {int}:
        raise TypeError("data must be a list of whole numbers")
    return value


_CONVERTER = strict_converter()
_CONVERTER.register_structure_hook(StemRequest | None, _request)
_CONVERTER.register_structure_hook(Levels | None, _levels)
_CONVERTER.register_structure_hook(list[int] | None, _pixels)

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
