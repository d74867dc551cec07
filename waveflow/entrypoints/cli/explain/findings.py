"""What `waveflow explain` has found out so far, and what it could not ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from attrs import Factory, define, field, frozen

from waveflow.domain.errors import InvalidKey, WaveFlowError
from waveflow.domain.keys import require_id, require_key
from waveflow.entrypoints.cli.moments import unix_s_of
from waveflow.entrypoints.settings import SettingsError


def message_in(webhook_id: str) -> str:
    """The message whose event has that id."""
    return webhook_id.removeprefix("msg_").split(".")[0]


@frozen
class Finding:
    """One thing that is known, in a sentence.

    Attributes:
        at: when it happened, ISO 8601 in UTC; None for what is so now.
        source: where it is known from.
    """

    at: str | None
    source: str
    sentence: str
    facts: Mapping[str, Any] = field(factory=dict)


@define
class Inquiry:
    """A question about a stem, a stage, a message or an upload, and what is known so far.

    Attributes:
        ids: of stems or stages.
        message_ids: of messages about them.
        keys: of uploads, in the order in which they became known.
        contents: track and hash of what was uploaded.
        unknown: by source, why it couldn't be asked.
        track_id: the track, if whoever asks knows it better.
    """

    ids: set[str] = Factory(set)
    message_ids: set[str] = Factory(set)
    keys: dict[str, None] = Factory(dict)
    contents: dict[tuple[str | None, str], None] = Factory(dict)
    findings: list[Finding] = Factory(list)
    unknown: dict[str, str] = Factory(dict)
    track_id: str | None = None

    @classmethod
    def about(cls, what: str) -> Inquiry:
        """An inquiry about an id, the id of a webhook, or a key.

        Raises:
            InvalidKey: for what can be neither.
        """
        if "/" in what:
            return cls(keys={require_key(what): None})
        if what.startswith("msg_"):
            return cls(message_ids={message_in(what)})
        require_id("The id", what)
        return cls(ids={what}, message_ids={what})

    def found(self, source: str, sentence: str, at: str | None = None, **facts: Any) -> None:
        """Something is known."""
        self.findings.append(Finding(at, source, sentence, facts))

    def of(self, source: str) -> list[Finding]:
        """What is known from there."""
        return [finding for finding in self.findings if finding.source == source]

    def in_time(self, source: str) -> list[Finding]:
        """The same, in the order in which it happened: the logs of two workers may be joined."""
        return [finding for finding in self.timeline() if finding.source == source]

    @contextmanager
    def asking(self, source: str) -> Iterator[None]:
        """Within the block `source` is asked; that it can't be is no reason to stop."""
        try:
            yield
        except (SettingsError, WaveFlowError) as error:
            self.unknown[source] = str(error)

    def timeline(self) -> list[Finding]:
        """All that is known, in the order in which it happened; what is so now comes last."""
        return sorted(self.findings, key=lambda each: unix_s_of(each.at or "") or float("inf"))

    def knows_subject(self, name: str | None) -> None:
        """Remember the id of a stem or a stage; what can be none is said by strangers."""
        with suppress(InvalidKey):
            self.ids.add(require_id("The id", name or ""))

    def knows_upload(self, key: str | None, track_id: str | None, audio_hash: str | None) -> None:
        """Remember what an upload is called and holds, as far as it was said."""
        with suppress(InvalidKey):
            self.keys.setdefault(require_key(key or ""))
        if audio_hash:
            self.contents.setdefault((self.track_id or track_id, audio_hash))
