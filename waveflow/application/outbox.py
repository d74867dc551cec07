"""Outcomes that couldn't be told or settled: kept where the next delivery finds them cheaply."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import cattrs
from attrs import frozen
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union

from waveflow.application.events import (
    DuplicateDeleted,
    Event,
    Failure,
    HashGenerated,
    MixStored,
    StageMixed,
    StemAnalyzed,
    StemCompleted,
)
from waveflow.application.ports import AudioStorage, Notifier
from waveflow.application.strict_json import parse_json, strict_converter
from waveflow.application.transfer import read_record
from waveflow.domain.errors import ObjectChanged, ObjectNotFound
from waveflow.domain.keys import outcome_key
from waveflow.domain.levels import Levels


@frozen
class Outcome:
    """What came of a message's work.

    Attributes:
        untold: the event that the server hasn't taken yet; None when it has, or has none to take.
        park_reason: why the message belongs in the dead-letter queue; None when it is done.
    """

    untold: Event | None
    park_reason: str | None = None

    @property
    def failure_code(self) -> str | None:
        """That of the failure which the server is still to be told of, if it is one."""
        came_of_it = getattr(self.untold, "outcome", None)
        return came_of_it.code if isinstance(came_of_it, Failure) else None


@frozen
class Outbox:
    """Keeps outcomes in the storage, one small object for each message that has one."""

    storage: AudioStorage

    def keep(self, message_id: str, outcome: Outcome) -> None:
        """Remember what came of a message, in place of what was remembered before.

        Raises:
            StorageUnavailable: when the storage doesn't answer.
        """
        body = json.dumps(_CONVERTER.unstructure(outcome), ensure_ascii=False)
        # What isn't Unicode is kept too, and is illegible afterwards: better than not at all.
        self.storage.write(
            outcome_key(message_id),
            body.encode(errors="surrogatepass"),
            content_type="application/json",
        )

    def find(self, message_id: str) -> Outcome | None:
        """What is remembered of a message; None for nothing, or nothing legible.

        Raises:
            StorageUnavailable: when the storage doesn't answer.
        """
        try:
            text, _ = read_record(self.storage, outcome_key(message_id))
            outcome: Outcome = _CONVERTER.structure(parse_json(text), Outcome)
        except (ObjectNotFound, ValueError, TypeError, cattrs.BaseValidationError):
            return None
        return outcome

    def forget(self, message_id: str) -> None:
        """The message is settled: nothing needs to be remembered any more.

        Raises:
            StorageUnavailable: when the storage doesn't answer.
        """
        key = outcome_key(message_id)
        with suppress(ObjectNotFound, ObjectChanged):
            self.storage.delete(key, if_match=self.storage.stat(key).etag)


def send_event(notifier: Notifier, event: Event | None) -> None:
    """Tell the server, if there is anything. Raises `NotifierUnavailable` if it isn't taken."""
    match event:
        case HashGenerated():
            notifier.hash_generated(event)
        case StemCompleted():
            notifier.stem_completed(event)
        case StageMixed():
            notifier.stage_mixed(event)


def _timestamp(value: Any, _: Any) -> Any:
    if value is None or type(value) in (str, int, float):
        return value
    raise TypeError("must be text or a number")


def _make_converter() -> cattrs.Converter:
    converter = strict_converter()
    converter.register_structure_hook(str | int | float | None, _timestamp)
    converter.register_structure_hook(Levels, lambda value, _: Levels.from_data(value))
    converter.register_unstructure_hook(Levels, Levels.as_data)
    # Nothing is kept of what a setting didn't ask for.
    absent = override(omit_if_default=True)
    for kind in (StemAnalyzed, MixStored):
        leave_out = make_dict_unstructure_fn(kind, converter, levels=absent, dat_path=absent)
        converter.register_unstructure_hook(kind, leave_out)
    # Events differ in their fields, so that nothing needs to say which one it is.
    for union in (StemAnalyzed | DuplicateDeleted | Failure, MixStored | Failure):
        configure_tagged_union(union, converter)
    return converter


_CONVERTER = _make_converter()
