"""Content and its owner: who holds a recording, and whether a copy of it may be deleted."""

from __future__ import annotations

import re
from enum import Enum

from attrs import evolve, field, frozen

from waveflow.domain.errors import DeletionRefused, InvalidMessage

_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _lower_case(text: str) -> str:
    return text.lower()


@frozen
class ContentHash:
    """The SHA-256 of a file's bytes, as 64 lower-case hex digits.

    Raises:
        InvalidMessage: when `hex` is anything else, with code `invalid_hash`.
    """

    hex: str = field(converter=_lower_case)

    def __attrs_post_init__(self) -> None:
        if not _HEX_64.fullmatch(self.hex):
            raise InvalidMessage(
                f"audio_hash {self.hex[:70]!r} is not a SHA-256 hash (64 hex digits).",
                code="invalid_hash",
            )

    def __str__(self) -> str:
        return self.hex


@frozen
class Ownership:
    """A line of the ledger: which copy of a content, within one track, is the one to keep.

    Attributes:
        path: key of the owner.
        etag: version of the owner's object whose bytes were hashed.
        size_bytes: its length.
        token: names the message that made it the owner.
        user_id: whose file it is, where that was said.
        condemned: paths whose deletion has been decided. Such a copy can't become the owner
            any more: a delete that is on its way would take the recording with it.
    """

    path: str
    etag: str
    size_bytes: int
    token: str
    user_id: str | None = None
    condemned: tuple[str, ...] = ()

    def covers(self, track_id: str | None, user_id: str | None) -> bool:
        """Whether a copy of this user may rest on the owner's.

        Within a track it may. Recordings without a track share one scope, whoever's they are.
        """
        if track_id is not None:
            return True
        return user_id is not None and user_id == self.user_id

    def condemning(self, path: str) -> Ownership:
        """This line with `path` among the condemned."""
        return evolve(self, condemned=tuple(sorted({*self.condemned, path})))


class CopyState(Enum):
    """What was found of a copy when it was looked at."""

    HOLDS_CONTENT = "holds the content"
    HOLDS_OTHER = "holds something else"
    GONE = "gone"


class Verdict(Enum):
    """What is to be done with the copy that the server calls a duplicate."""

    DELETE = "delete"
    ALREADY_DELETED = "already deleted"
    TAKE_OVER = "take over"
    REFUSE = "refuse"


@frozen
class Decision:
    """A verdict and, for a refusal, its code."""

    verdict: Verdict
    code: str | None = None


_REASONS = {
    "unknown_content": (
        "No other copy of this recording is known in this track, so the file is kept."
    ),
    "last_copy": "This is the only known copy of the recording, so the file is kept.",
    "content_changed": (
        "The file no longer holds the recording that was called a duplicate, so it is kept."
    ),
    "owner_lost": ("The other copy of this recording is missing or changed, so this file is kept."),
    "content_lost": (
        "Neither this file nor the copy it duplicated holds the recording any more;"
        " restore it from a backup or an earlier version of the object."
    ),
}


def refusal(code: str) -> DeletionRefused:
    """The error that says why a copy is kept."""
    return DeletionRefused(_REASONS[code], code=code)


def may_delete(
    path: str, token: str, ownership: Ownership | None, copy: CopyState, owner: CopyState
) -> Decision:
    """Decide whether the copy at `path` may be deleted.

    It may, only when another path in the same track is on record as the owner and holds the
    content, and this path was just seen to hold it too. Everything else keeps the file.

    Args:
        path: key of the copy that the server calls a duplicate.
        token: names the message that asks.
        ownership: the ledger's line for this content in this track, if there is one.
        copy: what `path` holds.
        owner: what the owner's path holds; the same as `copy` when they are one path.
    """
    if ownership is None:
        return Decision(Verdict.REFUSE, "unknown_content")
    if copy is CopyState.HOLDS_OTHER:
        return Decision(Verdict.REFUSE, "content_changed")
    if ownership.path == path:
        return Decision(Verdict.REFUSE, _why_not_the_owner(token, ownership, copy))
    if copy is CopyState.GONE:
        if owner is CopyState.HOLDS_CONTENT:
            return Decision(Verdict.ALREADY_DELETED)
        return Decision(Verdict.REFUSE, "content_lost")
    if owner is CopyState.HOLDS_CONTENT:
        return Decision(Verdict.DELETE)
    condemned = path in ownership.condemned
    return Decision(Verdict.REFUSE if condemned else Verdict.TAKE_OVER, "owner_lost")


def _why_not_the_owner(token: str, ownership: Ownership, copy: CopyState) -> str:
    if copy is CopyState.GONE:
        return "content_lost"
    # The second delivery of the message that took over must give the first one's answer.
    return "owner_lost" if ownership.token == token else "last_copy"
