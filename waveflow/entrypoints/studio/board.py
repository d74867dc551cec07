"""The board: all stems and mixes, who wants to know of changes, and where they are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import cattrs
import structlog
from attrs import define, field
from cattrs.errors import BaseValidationError

from waveflow.application.strict_json import parse_json, strict_converter
from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.studio.records import MixRecord, StemRecord

_log = structlog.get_logger(__name__)

_VERSION = 1
_ID = re.compile(r"(stem|mix)-[0-9]{1,9}")


@define
class Board:
    """What the studio knows, for any number of threads.

    Attributes:
        file: where all of it is kept from one start to the next.
        version: another one after every change.
    """

    file: Path
    max_upload_bytes: int
    stems: dict[str, StemRecord] = field(factory=dict)
    mixes: dict[str, MixRecord] = field(factory=dict)
    version: int = 0
    _lock: RLock = field(factory=RLock)
    _listeners: list[Callable[[], object]] = field(factory=list)
    _shown: tuple[int, bytes] = (-1, b"")

    @contextmanager
    def changing(self, *, keep: bool = False) -> Iterator[None]:
        """Nobody else looks or changes anything within the block; afterwards all are told.

        Args:
            keep: write it down: it has to be there after the next start.
        """
        with self._lock:
            yield
            self.version += 1
            if keep:
                self._write()
            for listener in tuple(self._listeners):
                listener()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Nobody changes anything within the block."""
        with self._lock:
            yield

    @contextmanager
    def told(self, listener: Callable[[], object]) -> Iterator[None]:
        """Call `listener`, which must not wait for anything, after each change in the block."""
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def state(self) -> tuple[int, bytes]:
        """The version, and what the page is told, as JSON on one line."""
        with self._lock:
            if self._shown[0] != self.version:
                self._shown = self.version, _json(self._as_data())
            return self._shown

    def read(self) -> None:
        """Take in what an earlier run has left, if there is any.

        Raises:
            PermanentError: when it can't be understood.
        """
        try:
            kept = parse_json(self.file.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise self._illegible(str(error)) from error
        converter = strict_converter()
        converter.register_structure_hook(bool, _truth)
        try:
            if kept["version"] != _VERSION:
                raise self._illegible(f"it is of version {kept['version']}, not {_VERSION}")
            stems = converter.structure(kept["stems"], list[StemRecord])
            mixes = converter.structure(kept["mixes"], list[MixRecord])
        except (BaseValidationError, KeyError, TypeError) as error:
            raise self._illegible("it is not what the studio wrote") from error
        self.stems = {stem.stem_id: stem for stem in stems}
        self.mixes = {mix.mix_id: mix for mix in mixes}
        ids = [*self.stems, *self.mixes]
        mixed = {stem_id for mix in mixes for stem_id in mix.stem_ids}
        if not all(map(_ID.fullmatch, ids)) or not mixed <= self.stems.keys():
            raise self._illegible("it is not what the studio wrote")

    def _illegible(self, why: str) -> PermanentError:
        return PermanentError(
            f"{self.file} can't be read: {why}. Choose another folder with --folder, or remove"
            " that file: the recordings stay, but the page forgets them."
        )

    def _as_data(self) -> dict[str, Any]:
        names = {stem.stem_id: stem.name for stem in self.stems.values()}
        return {
            "limits": {"max_upload_bytes": self.max_upload_bytes},
            "stems": [stem.as_data(names) for stem in self.stems.values()],
            "mixes": [mix.as_data() for mix in self.mixes.values()],
        }

    def _write(self) -> None:
        """Whole or not at all: the process may be killed in the middle of it."""
        kept = {
            "version": _VERSION,
            "stems": cattrs.unstructure(list(self.stems.values())),
            "mixes": cattrs.unstructure(list(self.mixes.values())),
        }
        new = self.file.with_suffix(".new")
        try:
            new.write_bytes(_json(kept))
            new.replace(self.file)
        except OSError as error:
            # What it is about has happened all the same; the next change writes all of it.
            _log.warning("studio_not_written", file=str(self.file), reason=str(error))


def _truth(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
