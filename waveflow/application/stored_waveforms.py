"""Finding the stored waveforms of a stem, or of all stems, by what their objects are called."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, islice

from attrs import frozen

from waveflow.application.documents import StemDocument, find_document
from waveflow.application.ports import AudioStorage
from waveflow.application.side_by_side import side_by_side
from waveflow.domain.keys import WAVEFORM_PREFIX, require_id

LOOKED_AT = 3
"""Documents of one stem, from the newest on, until one says who asked for it."""

READ_AT_ONCE = 16
_BATCH = 4 * READ_AT_ONCE
_NAME = re.compile(
    re.escape(WAVEFORM_PREFIX)
    + r"([A-Za-z0-9._-]{1,128})_waveform_(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\.json",
    re.ASCII,
)


@frozen
class StoredWaveform:
    """A waveform that was read, and the stem that it is of."""

    stem_id: str
    key: str
    document: StemDocument


@frozen
class StemWaveforms:
    """The names of one stem's waveforms, or of a stage's, if its mix is called alike.

    Attributes:
        place: where in the walk through all waveforms this is; it grows from one to the next, and
            stays the same while newer waveforms of the stem are stored.
        keys: the newest few, the newest first.
    """

    stem_id: str
    place: str
    keys: tuple[str, ...]


def waveform_keys(storage: AudioStorage, stem_id: str) -> list[str]:
    """The keys of a stem's waveforms, the newest first.

    Raises:
        InvalidKey: when there can be none under that id.
        StorageUnavailable: when the storage doesn't answer, or mayn't be listed.
    """
    prefix = f"{WAVEFORM_PREFIX}{require_id('stemId', stem_id)}_waveform_"
    keys = (stat.key for stat in storage.list(prefix))
    return sorted((key for key in keys if _stem_in(key) == stem_id), reverse=True)


def newest_waveform(
    storage: AudioStorage, stem_id: str, keys: Sequence[str]
) -> StoredWaveform | None:
    """The newest waveform that says who asked for it, else the newest that can be read.

    Args:
        keys: of the stem's waveforms, the newest first.

    Raises:
        StorageUnavailable: when the storage doesn't answer.
    """
    readable: list[StoredWaveform] = []
    for key in keys[:LOOKED_AT]:
        document = find_document(storage, key, StemDocument)
        if document is not None:
            readable.append(StoredWaveform(stem_id, key, document))
            if document.request is not None:
                return readable[-1]
    return readable[0] if readable else None


def all_stems(storage: AudioStorage) -> Iterator[StemWaveforms]:
    """What has a waveform, in the order of keys; memory doesn't grow with their number."""
    for stem_id, group in groupby(_listed(storage), lambda each: each[0]):
        keys = (key for _, key in group)
        oldest = next(keys)
        newest = deque(chain([oldest], keys), LOOKED_AT)
        yield StemWaveforms(stem_id, oldest, tuple(reversed(newest)))


def read_all(
    storage: AudioStorage, stems: Iterator[StemWaveforms]
) -> Iterator[tuple[StemWaveforms, StoredWaveform | None]]:
    """Each with its newest waveform, in their order; None for those of mixes, and for illegible.

    Several are read at once, and a bounded number ahead.

    Raises:
        StorageUnavailable: when the storage doesn't answer.
    """
    while batch := list(islice(stems, _BATCH)):
        found = side_by_side(
            batch,
            lambda stem, _: newest_waveform(storage, stem.stem_id, stem.keys),
            at_once=READ_AT_ONCE,
        )
        yield from zip(batch, found, strict=True)


def _listed(storage: AudioStorage) -> Iterator[tuple[str, str]]:
    for stat in storage.list(WAVEFORM_PREFIX):
        stem_id = _stem_in(stat.key)
        if stem_id is not None:
            yield stem_id, stat.key


def _stem_in(key: str) -> str | None:
    name = _NAME.fullmatch(key)
    return name[1] if name else None
