"""The ledger: for each content in each track, which copy of it is the one to keep."""

from __future__ import annotations

import json
from contextlib import suppress

import cattrs
from attrs import asdict, frozen

from waveflow.application.ports import AudioStorage, IfAbsent, IfMatch
from waveflow.application.strict_json import parse_json, strict_converter
from waveflow.application.transfer import MAX_RECORD_BYTES, HashedObject, read_record
from waveflow.domain.content import ContentHash, Ownership
from waveflow.domain.errors import (
    InvalidKey,
    ObjectChanged,
    ObjectNotFound,
    StorageUnavailable,
)
from waveflow.domain.keys import ledger_key, require_key

_CONVERTER = strict_converter()


@frozen
class LedgerLine:
    """An ownership as it stands in the ledger, and the version of the line itself."""

    ownership: Ownership
    etag: str


@frozen
class ContentLedger:
    """Ownership of contents, kept as one small object per content and track.

    Scoped by track, as the server's own check is: a copy in one musician's project never
    rests on another project's file.
    """

    storage: AudioStorage

    def claim(
        self,
        track_id: str | None,
        hashed: HashedObject,
        token: str,
        *,
        user_id: str | None = None,
    ) -> Ownership:
        """Become the owner of a content, unless it has one; return who owns it now.

        The first to write wins. A reply that got lost makes the winner see a line already
        there: it is read back, and it is the winner's own.

        Args:
            token: names the message that claims.
        """
        stat = hashed.stat
        mine = Ownership(stat.key, stat.etag, stat.size_bytes, token, user_id)
        key = ledger_key(track_id, hashed.content_hash)
        with suppress(ObjectChanged):
            self._write(key, mine, IfAbsent())
            return mine
        line = self.find(track_id, hashed.content_hash)
        if line is None:
            raise ObjectChanged(f"The ledger line {key!r} vanished while it was claimed.")
        return line.ownership

    def find(self, track_id: str | None, content_hash: ContentHash) -> LedgerLine | None:
        """The line of a content in a track, if there is one.

        Raises:
            StorageUnavailable: when the line can't be understood; nothing may rest on it.
        """
        key = ledger_key(track_id, content_hash)
        try:
            text, stat = read_record(self.storage, key)
            ownership = _CONVERTER.structure(parse_json(text), Ownership)
            require_key(ownership.path)
        except ObjectNotFound:
            return None
        except (ValueError, TypeError, cattrs.BaseValidationError, InvalidKey) as error:
            raise StorageUnavailable(
                f"The ledger line {key!r} can't be read: look at it, and delete it if it is"
                " damaged (the next hash of the stem writes it anew)."
            ) from error
        return LedgerLine(ownership, stat.etag)

    def condemn(
        self, track_id: str | None, content_hash: ContentHash, line: LedgerLine, path: str
    ) -> None:
        """Write down that the copy at `path` is about to be deleted, because of `line`.

        Written also when it stands there already: it proves that the line still holds.

        Raises:
            ObjectChanged: when the line is no longer the one that was looked at.
        """
        condemning = line.ownership.condemning(path)
        self._write(ledger_key(track_id, content_hash), condemning, IfMatch(line.etag))

    def take_over(
        self,
        track_id: str | None,
        hashed: HashedObject,
        line: LedgerLine,
        token: str,
        *,
        user_id: str | None = None,
    ) -> None:
        """Make `hashed` the owner in place of the one in `line`, who has lost the content.

        Raises:
            ObjectChanged: when the line is no longer the one that was looked at.
        """
        stat, condemned = hashed.stat, line.ownership.condemned
        heir = Ownership(stat.key, stat.etag, stat.size_bytes, token, user_id, condemned)
        key = ledger_key(track_id, hashed.content_hash)
        self._write(key, heir, IfMatch(line.etag))

    def _write(self, key: str, ownership: Ownership, condition: IfAbsent | IfMatch) -> None:
        body = json.dumps(asdict(ownership), ensure_ascii=False, sort_keys=True).encode()
        if len(body) > MAX_RECORD_BYTES:
            # It could not be read any more. The copy is kept.
            raise StorageUnavailable(f"The ledger line {key!r} is full: thousands of duplicates.")
        self.storage.write(key, body, content_type="application/json", condition=condition)
