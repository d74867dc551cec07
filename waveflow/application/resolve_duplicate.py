"""ResolveDuplicate: delete the copy that the server calls a duplicate, and never the last one."""

from __future__ import annotations

from contextlib import suppress

import structlog
from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.commands import DuplicateRequest, Origin
from waveflow.application.events import DuplicateDeleted, StemCompleted
from waveflow.application.ledger import ContentLedger
from waveflow.application.ports import AudioStorage, Notifier
from waveflow.application.removals import Removal, record_removal
from waveflow.application.tally import Tally
from waveflow.application.transfer import HashedObject, hash_object
from waveflow.domain.content import (
    ContentHash,
    CopyState,
    Verdict,
    may_delete,
    refusal,
)
from waveflow.domain.errors import EmptyObject, ObjectNotFound
from waveflow.domain.keys import require_id, require_stem_key

_log = structlog.get_logger(__name__)


@frozen
class _Copy:
    """A copy as it was seen; `hashed` is there when the object is."""

    state: CopyState
    hashed: HashedObject | None = None


@frozen
class ResolveDuplicate:
    """Deletes a verified duplicate by its ETag, or refuses and says why.

    Both copies are read and hashed, the owner last. The removal goes on record, for a hash
    request of the copy that is delivered again. Then the ledger line that all of this rests on
    is rewritten by its ETag: it condemns the copy, and a line that has changed meanwhile stops
    the deletion.
    """

    storage: AudioStorage
    ledger: ContentLedger
    notifier: Notifier
    clock: Clock = field(factory=Clock)
    tally: Tally = field(factory=Tally)

    def resolve(self, request: DuplicateRequest, origin: Origin) -> StemCompleted:
        """Delete the copy at `request.filepath` and send `/completion`.

        Raises:
            DeletionRefused: when the copy is kept; its code says why.
            PermanentError: InvalidKey or InvalidMessage.
            TransientError: when the storage or the server is unavailable, or an object
                changed while it was looked at; deciding anew is safe.
        """
        started_s = self.clock.monotonic_s()
        require_id("stemId", request.stem_id)
        require_stem_key(request.filepath)
        content_hash = ContentHash(request.audio_hash)
        self._delete_if_duplicate(request, content_hash, origin)
        event = StemCompleted(
            event_id=origin.event_id("completion", "success"),
            stem_id=request.stem_id,
            user_id=request.user_id,
            track_id=request.track_id,
            upstream_id=None,
            original_filename=request.filename,
            completed_at=self.clock.now_iso(),
            processing_time_s=round(self.clock.monotonic_s() - started_s, 6),
            outcome=DuplicateDeleted(content_hash),
        )
        self.notifier.stem_completed(event)
        return event

    def _delete_if_duplicate(
        self, request: DuplicateRequest, content_hash: ContentHash, origin: Origin
    ) -> None:
        line = self.ledger.find(request.track_id, content_hash)
        if line is None or not line.ownership.covers(request.track_id, request.user_id):
            raise refusal("unknown_content")
        ownership, token = line.ownership, origin.message_id
        copy = self._look_at(request.filepath, content_hash)
        owner = (
            copy
            if ownership.path == request.filepath
            else self._look_at(ownership.path, content_hash)
        )
        decision = may_delete(request.filepath, token, ownership, copy.state, owner.state)
        if decision.verdict in (Verdict.DELETE, Verdict.ALREADY_DELETED):
            # Before the line, so that nothing comes between the line and the delete.
            removal = _removal(request, content_hash, origin, kept=ownership.path)
            record_removal(self.storage, removal)
        if decision.verdict is Verdict.DELETE and copy.hashed:
            self.ledger.condemn(request.track_id, content_hash, line, request.filepath)
            # Gone since it was hashed is what the server wanted.
            with suppress(ObjectNotFound):
                self.storage.delete(request.filepath, if_match=copy.hashed.stat.etag)
            self.tally.add("duplicate_deleted")
            # The one thing that can't be undone: whoever looks for a recording finds this line.
            _log.info(
                "duplicate_deleted",
                stem_id=request.stem_id,
                track_id=request.track_id,
                filepath=request.filepath,
                kept=ownership.path,
                audio_hash=content_hash.hex,
            )
        if decision.verdict is Verdict.TAKE_OVER and copy.hashed:
            self.ledger.take_over(
                request.track_id, copy.hashed, line, token, user_id=request.user_id
            )
        if decision.code:
            raise refusal(decision.code)

    def _look_at(self, path: str, content_hash: ContentHash) -> _Copy:
        try:
            hashed = hash_object(self.storage, path)
        except ObjectNotFound:
            return _Copy(CopyState.GONE)
        except EmptyObject:
            return _Copy(CopyState.HOLDS_OTHER)
        if hashed.content_hash != content_hash:
            return _Copy(CopyState.HOLDS_OTHER, hashed)
        return _Copy(CopyState.HOLDS_CONTENT, hashed)


def _removal(
    request: DuplicateRequest, content_hash: ContentHash, origin: Origin, *, kept: str
) -> Removal:
    return Removal(
        path=request.filepath,
        stem_id=request.stem_id,
        track_id=request.track_id,
        audio_hash=content_hash.hex,
        kept=kept,
        message_id=origin.message_id,
        asked_at_ms=origin.sent_at_ms,
    )
