"""Which stems there are to be analysed again, and what their messages have to say."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import field, frozen

from waveflow.domain.errors import ObjectNotFound, PermanentError
from waveflow.domain.keys import require_key

if TYPE_CHECKING:
    from waveflow.application.ports import AudioStorage
    from waveflow.application.stored_waveforms import StoredWaveform

_COLUMNS = {
    "stemid": "stemId",
    "filepath": "filepath",
    "userid": "userId",
    "trackid": "trackId",
    "upstreamid": "upstreamId",
    "originalfilename": "original_filename",
    "audiohash": "audio_hash",
    "numpeaks": "num_peaks",
}
"""Of a file of ids, by their names without underscores and in lower case."""

_CHECKED_AT_ONCE = 16


@frozen
class Candidate:
    """A stem that might be analysed again.

    Attributes:
        place: where it stands in its source; it grows from one to the next.
        filepath: None where the source doesn't say.
        fields: of its message, under their names on the wire.
    """

    stem_id: str
    place: str
    filepath: str | None = None
    fields: Mapping[str, Any] = field(factory=dict)


def of_waveforms(storage: AudioStorage, num_peaks: int | None) -> Iterator[Candidate]:
    """What has a waveform that can be read, in the order of their keys.

    Args:
        num_peaks: None for as many as each has.
    """
    from waveflow.application.stored_waveforms import all_stems, read_all

    for stem, found in read_all(storage, all_stems(storage)):
        if found is not None:
            yield _of_waveform(found, stem.place, num_peaks)


def of_stem(
    storage: AudioStorage, stem_id: str, key: str | None, num_peaks: int | None
) -> Candidate:
    """One stem, by its newest waveform, by its key, or by both.

    Raises:
        ObjectNotFound: when no key is given and no waveform says one.
        InvalidKey: when the id or the key can't be a stem's.
    """
    from waveflow.application.stored_waveforms import newest_waveform, waveform_keys

    found = newest_waveform(storage, stem_id, waveform_keys(storage, stem_id))
    known = _of_waveform(found, "", num_peaks) if found else Candidate(stem_id, "")
    if key is None and known.filepath is None:
        raise ObjectNotFound(
            f"No stored waveform says which upload the stem {stem_id!r} is;"
            f" name it: waveflow again --stem-id {stem_id} KEY."
        )
    if key is None or key == known.filepath:
        return known
    given = {"stemId": stem_id, "filepath": require_key(key), "num_peaks": num_peaks}
    return Candidate(stem_id, "", key, _present(given))


def of_file(path: Path, num_peaks: int | None) -> Iterator[Candidate]:
    """The rows of a CSV file with a header. Wrong usage when it has no stem ids or no keys."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = csv.DictReader(file)
            names = _columns(path, rows.fieldnames or ())
            for number, row in enumerate(rows, 1):
                fields = {name: row.get(column) or None for column, name in names.items()}
                yield Candidate(
                    fields["stemId"] or "",
                    f"{number:012d}",
                    fields["filepath"],
                    _present(fields | _number_of_peaks(fields.get("num_peaks"), num_peaks)),
                )
        except (csv.Error, UnicodeDecodeError) as error:
            raise click.UsageError(f"--ids: {path} is no CSV file in UTF-8: {error}.") from error


def count_rows(path: Path) -> int:
    """How many stems a file of ids names."""
    return sum(1 for _ in of_file(path, None))


def checked(
    storage: AudioStorage, candidates: Iterator[Candidate]
) -> Iterator[tuple[Candidate, bool]]:
    """Each with whether its upload is stored, in their order.

    Raises:
        StorageUnavailable: when the storage doesn't answer.
    """
    from waveflow.application.side_by_side import side_by_side

    while batch := list(islice(candidates, 4 * _CHECKED_AT_ONCE)):
        found = side_by_side(
            batch, lambda each, _: _is_stored(storage, each), at_once=_CHECKED_AT_ONCE
        )
        yield from zip(batch, found, strict=True)


def _is_stored(storage: AudioStorage, candidate: Candidate) -> bool:
    try:
        storage.stat(candidate.filepath or "")
    except PermanentError:
        return False
    return True


def _of_waveform(found: StoredWaveform, place: str, num_peaks: int | None) -> Candidate:
    asked, document = found.document.request, found.document
    if asked is None:
        return Candidate(found.stem_id, place)
    fields = {
        "stemId": found.stem_id,
        "filepath": asked.filepath,
        "audio_hash": document.audio_data_hash,
        "userId": asked.user_id,
        "trackId": asked.track_id,
        "original_filename": asked.original_filename,
        "upstreamId": asked.upstream_id,
        "num_peaks": num_peaks or document.num_peaks,
    }
    return Candidate(found.stem_id, place, asked.filepath, _present(fields))


def _columns(path: Path, header: Sequence[str]) -> dict[str, str]:
    """The columns that are known, each with its name on the wire."""
    names = {column: _COLUMNS.get(column.strip().lower().replace("_", "")) for column in header}
    known = {column: name for column, name in names.items() if name}
    if not {"stemId", "filepath"} <= set(known.values()):
        raise click.UsageError(
            f"--ids: the first line of {path} has to name the columns, stemId and filepath"
            f" among them; it is {','.join(header)[:200]!r}."
        )
    if len(set(known.values())) < len(known):
        raise click.UsageError(f"--ids: {path} has two columns of the same meaning.")
    return known


def _number_of_peaks(text: str | None, num_peaks: int | None) -> dict[str, Any]:
    if num_peaks is not None or text is None:
        return {"num_peaks": num_peaks}
    # What is no number is left as it is: the check of the message says so.
    return {"num_peaks": int(text) if re.fullmatch("[0-9]{1,9}", text) else text}


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
