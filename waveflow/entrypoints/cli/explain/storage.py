"""What the storage knows of a stem or a stage."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from waveflow.application.documents import MixDocument, StemDocument, find_document
from waveflow.application.events import Event, StageMixed
from waveflow.application.ledger import ContentLedger
from waveflow.application.outbox import Outbox
from waveflow.application.removals import find_removal, removal_in
from waveflow.application.stored_waveforms import waveform_keys
from waveflow.domain.content import ContentHash
from waveflow.domain.errors import InvalidKey, ObjectNotFound, PermanentError
from waveflow.domain.keys import MIX_PREFIX, OUTCOME_PREFIX, REMOVAL_PREFIX, removal_key
from waveflow.entrypoints.cli.explain.findings import Inquiry, message_in
from waveflow.entrypoints.cli.moments import moment

if TYPE_CHECKING:
    from waveflow.adapters.storage.s3_history import ObjectVersion
    from waveflow.application.ports import AudioStorage
    from waveflow.application.removals import Removal

MOST_OBJECTS = 50
"""Of each kind: waveforms of one stem, removals of one stem."""
MOST_OUTCOMES = 200
"""More wait only while the server is away, and then it is known why."""

WAVEFORMS, DATS, MIXES, REMOVALS, UPLOADS, LEDGER, OUTCOMES = (
    "waveforms",
    "dat",
    "mixes",
    "removals",
    "upload",
    "ledger",
    "outcomes",
)


def ask_storage(
    inquiry: Inquiry,
    storage: AudioStorage,
    history: Callable[[str], list[ObjectVersion]] | None,
) -> None:
    """Look for everything that is stored about it; no listing is longer than a page or two.

    Args:
        history: the versions of an object; None where the storage keeps none.
    """
    with inquiry.asking(WAVEFORMS):
        for each in sorted(inquiry.ids):
            _ask_waveforms(inquiry, storage, each)
    with inquiry.asking(MIXES):
        for each in sorted(inquiry.ids):
            _ask_mixes(inquiry, storage, each)
    with inquiry.asking(REMOVALS):
        for each in sorted(inquiry.ids):
            _ask_removals(inquiry, storage, each)
    for key in inquiry.keys:
        _ask_upload(inquiry, storage, key, history)
    with inquiry.asking(LEDGER):
        _ask_ledger(inquiry, storage)
    with inquiry.asking(OUTCOMES):
        _ask_outcomes(inquiry, storage)


def not_asked(inquiry: Inquiry, why: str) -> None:
    """Say of everything that is stored that it couldn't be asked."""
    uploads = (f"{UPLOADS} {key}" for key in inquiry.keys)
    for source in (WAVEFORMS, MIXES, REMOVALS, *uploads, LEDGER, OUTCOMES):
        inquiry.unknown[source] = why


def _ask_waveforms(inquiry: Inquiry, storage: AudioStorage, stem_id: str) -> None:
    for key in waveform_keys(storage, stem_id)[:MOST_OBJECTS]:
        document = find_document(storage, key, StemDocument)
        if document is None:
            inquiry.found(WAVEFORMS, f"{key} is no waveform that can be read.", key=key)
            continue
        asked = document.request
        if asked is not None:
            inquiry.message_ids.add(message_in(asked.event_id))
            inquiry.knows_upload(asked.filepath, asked.track_id, document.audio_data_hash)
        inquiry.found(
            WAVEFORMS,
            f"The waveform {key} was stored, {document.num_peaks} peaks of"
            f" {document.duration:.3f} s, drawn from {document.file_size} bytes.",
            at=document.created_at,
            key=key,
            audio_hash=document.audio_data_hash,
            knows_request=asked is not None,
        )
        _ask_dat(inquiry, storage, document)


def _ask_mixes(inquiry: Inquiry, storage: AudioStorage, stage_id: str) -> None:
    for key in waveform_keys(storage, f"{stage_id}_mixed")[:MOST_OBJECTS]:
        document = find_document(storage, key, MixDocument)
        if document is not None:
            inquiry.found(
                MIXES,
                f"The waveform {key} of a mix of {document.stem_count} stems was stored.",
                at=document.created_at,
                key=key,
            )
            _ask_dat(inquiry, storage, document)
    for stat in islice(storage.list(f"{MIX_PREFIX}{stage_id}_mixed_"), MOST_OBJECTS):
        inquiry.found(
            MIXES, f"The mix {stat.key} is stored, {stat.size_bytes} bytes.", key=stat.key
        )


def _ask_dat(inquiry: Inquiry, storage: AudioStorage, document: StemDocument | MixDocument) -> None:
    key = document.waveform_dat_path
    if key is None:
        return
    with inquiry.asking(f"{DATS} {key}"):
        try:
            size_bytes = storage.stat(key).size_bytes
        except (ObjectNotFound, InvalidKey):
            inquiry.found(DATS, f"The waveform data {key} is not stored.", key=key, is_stored=False)
        else:
            sentence = f"The waveform data {key} is stored, {size_bytes} bytes."
            inquiry.found(DATS, sentence, key=key, is_stored=True)


def _ask_removals(inquiry: Inquiry, storage: AudioStorage, stem_id: str) -> None:
    # By the paths that are known: the name of a record has no path, only its hash.
    for key in inquiry.keys:
        _removal_found(inquiry, find_removal(storage, stem_id, key))
    known = {finding.facts["record"] for finding in inquiry.of(REMOVALS)}
    for stat in islice(storage.list(f"{REMOVAL_PREFIX}{stem_id}_"), MOST_OBJECTS):
        if stat.key not in known:
            _removal_found(inquiry, removal_in(storage, stat.key))


def _removal_found(inquiry: Inquiry, removal: Removal | None) -> None:
    if removal is None:
        return
    inquiry.knows_upload(removal.path, removal.track_id, removal.audio_hash)
    inquiry.message_ids.add(removal.message_id)
    inquiry.found(
        REMOVALS,
        f"The server asked to delete {removal.path} as a duplicate; {removal.kept} held the same"
        " recording.",
        at=moment(removal.asked_at_ms / 1000),
        record=removal_key(removal.stem_id, removal.path),
        path=removal.path,
        kept=removal.kept,
        message_id=removal.message_id,
    )


def _ask_upload(
    inquiry: Inquiry,
    storage: AudioStorage,
    key: str,
    history: Callable[[str], list[ObjectVersion]] | None,
) -> None:
    with inquiry.asking(f"{UPLOADS} {key}"):
        try:
            stat = storage.stat(key)
        except ObjectNotFound:
            inquiry.found(UPLOADS, f"{key} is not stored.", key=key, is_stored=False)
        except InvalidKey as error:
            inquiry.found(UPLOADS, str(error), key=key, is_stored=False)
            return
        else:
            size = f"{stat.size_bytes} bytes"
            inquiry.found(UPLOADS, f"{key} is stored, {size}.", key=key, is_stored=True)
    with inquiry.asking(f"versions of {key}"):
        if history is None:
            inquiry.unknown[f"versions of {key}"] = "This storage keeps no versions and no times."
            return
        for version in history(key):
            _version_found(inquiry, key, version)


def _version_found(inquiry: Inquiry, key: str, version: ObjectVersion) -> None:
    is_deletion = version.size_bytes is None
    size = "" if is_deletion else f", {version.size_bytes} bytes"
    name = "" if version.version_id == "null" else f" (version {version.version_id})"
    inquiry.found(
        "versions",
        f"{key} was {'deleted' if is_deletion else 'uploaded'}{size}{name}.",
        at=version.at,
        key=key,
        version_id=version.version_id,
        is_deletion=is_deletion,
        is_current=version.is_current,
    )


def _ask_ledger(inquiry: Inquiry, storage: AudioStorage) -> None:
    if not inquiry.contents and not inquiry.of(MIXES):
        inquiry.unknown[LEDGER] = "Neither its track nor its hash is known from anywhere else."
    ledger = ContentLedger(storage)
    for track_id, audio_hash in inquiry.contents:
        try:
            line = ledger.find(track_id, ContentHash(audio_hash))
        except PermanentError as error:
            inquiry.unknown[LEDGER] = str(error)
            continue
        where = f"in track {track_id}" if track_id else "without a track"
        if line is None:
            inquiry.found(LEDGER, f"No copy of {audio_hash} is on record {where}.", owner=None)
            continue
        owner = line.ownership.path
        inquiry.found(
            LEDGER,
            f"The copy of {audio_hash} to keep {where} is {owner}.",
            owner=owner,
            condemned=list(line.ownership.condemned),
        )


def _ask_outcomes(inquiry: Inquiry, storage: AudioStorage) -> None:
    outbox, looked_at = Outbox(storage), 0
    for stat in islice(storage.list(OUTCOME_PREFIX), MOST_OUTCOMES):
        looked_at += 1
        message_id = stat.key.removeprefix(OUTCOME_PREFIX).removesuffix(".json")
        outcome = outbox.find(message_id)
        if outcome is None or not _is_about(inquiry, message_id, outcome.untold):
            continue
        untold = "" if outcome.untold is None else f" {outcome.untold.event_id} is not told yet:"
        inquiry.found(
            OUTCOMES,
            f"The work of message {message_id} is done;{untold} its next delivery tells and"
            " settles it.",
            message_id=message_id,
            event_id=outcome.untold and outcome.untold.event_id,
            code=outcome.failure_code,
            park_reason=outcome.park_reason,
        )
    if looked_at == MOST_OUTCOMES:
        inquiry.unknown[OUTCOMES] = f"Only the first {MOST_OUTCOMES} of outcomes/ were looked at."


def _is_about(inquiry: Inquiry, message_id: str, untold: Event | None) -> bool:
    subject = untold.stage_id if isinstance(untold, StageMixed) else untold and untold.stem_id
    return message_id in inquiry.message_ids or subject in inquiry.ids
