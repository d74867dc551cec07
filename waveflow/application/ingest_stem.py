"""IngestStem: hash an upload, claim its content, tell the server."""

from __future__ import annotations

import structlog
from attrs import frozen

from waveflow.application.commands import HashRequest, Origin
from waveflow.application.events import HashGenerated
from waveflow.application.ledger import ContentLedger
from waveflow.application.ports import AudioStorage, Notifier
from waveflow.application.removals import StemRemoved, find_removal
from waveflow.application.transfer import HashedObject, hash_object
from waveflow.domain.errors import ObjectNotFound
from waveflow.domain.keys import require_id, require_stem_key

_log = structlog.get_logger(__name__)


@frozen
class IngestStem:
    """Streams an uploaded stem through SHA-256 and reports its hash and its owner."""

    storage: AudioStorage
    ledger: ContentLedger
    notifier: Notifier

    def ingest(self, request: HashRequest, origin: Origin) -> HashGenerated:
        """Hash the stem at `request.filepath` and send `/hash-check`.

        Raises:
            PermanentError: ObjectNotFound, EmptyObject or InvalidKey.
            StemRemoved: an ObjectNotFound that the server needn't hear of.
            TransientError: when the storage or the server is unavailable.
        """
        require_id("stemId", request.stem_id)
        require_stem_key(request.filepath)
        hashed = self._hash(request, origin)
        owner = self.ledger.claim(
            request.track_id, hashed, origin.message_id, user_id=request.user_id
        )
        is_duplicate = owner.path != request.filepath and owner.covers(
            request.track_id, request.user_id
        )
        event = HashGenerated(
            event_id=origin.event_id("hash-check", "hash_generated"),
            stem_id=request.stem_id,
            user_id=request.user_id,
            track_id=request.track_id,
            stage_id=request.stage_id,
            filepath=request.filepath,
            audio_hash=hashed.content_hash,
            timestamp=request.timestamp,
            original_filename=request.filename,
            duplicate_of=owner.path if is_duplicate else None,
        )
        self.notifier.hash_generated(event)
        return event

    def _hash(self, request: HashRequest, origin: Origin) -> HashedObject:
        try:
            return hash_object(self.storage, request.filepath)
        except ObjectNotFound as error:
            removal = find_removal(self.storage, request.stem_id, request.filepath)
            # An older removal was of an upload before the one that this request is about.
            if removal is None or removal.asked_at_ms < origin.sent_at_ms:
                raise
            _log.info(
                "stem_was_removed",
                stem_id=request.stem_id,
                filepath=request.filepath,
                kept=removal.kept,
                audio_hash=removal.audio_hash,
                asked_by=removal.message_id,
            )
            raise StemRemoved(str(error)) from error
