"""Giving a bucket that was in use before WaveFlow its ledger."""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import frozen

from waveflow.application.ledger import ContentLedger
from waveflow.application.ports import AudioStorage, ObjectStat
from waveflow.application.transfer import hash_object
from waveflow.domain.errors import (
    EmptyObject,
    InvalidKey,
    InvalidMessage,
    ObjectChanged,
    ObjectNotFound,
)
from waveflow.domain.keys import OWN_PREFIXES

_TRACK = "{track}"
_TOKEN = "ledger-build"


@frozen
class LedgerBuild:
    """What a walk found: stems that now own their content, duplicates, and keys passed over."""

    owners: int = 0
    duplicates: int = 0
    passed_over: int = 0


@frozen
class KeyPattern:
    """Where stems lie, such as `users/*/projects/{track}/stems/*`.

    `*` stands for anything within one segment of a key and `{track}` for the track id.
    """

    text: str

    def __attrs_post_init__(self) -> None:
        if self.text.count(_TRACK) != 1:
            raise InvalidMessage(
                f"The pattern {self.text!r} must contain {_TRACK} once, as in"
                " 'users/*/projects/{track}/stems/*'.",
                code="invalid_pattern",
            )

    @property
    def prefix(self) -> str:
        """What every matching key begins with."""
        return re.split(r"\*|\{track\}", self.text, maxsplit=1)[0]

    def track_of(self, key: str) -> str | None:
        """The track id in `key`; None for a key that doesn't match."""
        parts = re.split(r"(\*|\{track\})", self.text)
        groups = {"*": "[^/]*", _TRACK: "(?P<track>[^/]+)"}
        expression = "".join(groups.get(part, re.escape(part)) for part in parts)
        match = re.fullmatch(expression, key, re.DOTALL)
        return match["track"] if match else None


@frozen
class BuildLedger:
    """Walks the stems of a bucket and claims each content for the first copy in key order."""

    storage: AudioStorage
    ledger: ContentLedger

    def build(
        self, pattern: KeyPattern, on_stem: Callable[[ObjectStat], None] = lambda stat: None
    ) -> LedgerBuild:
        """Hash and claim every stem whose key matches; running it again changes nothing.

        Args:
            on_stem: called before each matching stem, to show progress.

        Raises:
            StorageUnavailable: what was claimed so far stays; run it again.
        """
        owners = duplicates = passed_over = 0
        for stat in self.storage.list(pattern.prefix):
            track_id = pattern.track_of(stat.key)
            if track_id is None or stat.key.startswith(OWN_PREFIXES):
                passed_over += 1
                continue
            on_stem(stat)
            try:
                hashed = hash_object(self.storage, stat.key)
                owner = self.ledger.claim(track_id, hashed, _TOKEN)
            except (EmptyObject, InvalidKey, ObjectNotFound, ObjectChanged):
                passed_over += 1
                continue
            if owner.path == stat.key:
                owners += 1
            else:
                duplicates += 1
        return LedgerBuild(owners, duplicates, passed_over)
