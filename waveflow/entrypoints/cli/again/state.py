"""How far `waveflow again` has come, in a small file, so that it can go on after an end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import click
from attrs import Factory, define

from waveflow.application.clock import Clock

_WRITTEN_EVERY_S = 1.0


@define
class State:
    """The place up to which messages were sent; removed once all of them are.

    Attributes:
        path: None keeps nothing.
        wanted: what the command was asked for; a file of another question is refused.
        place: of the last stem that needs no message any more.
    """

    path: Path | None
    wanted: Mapping[str, object]
    clock: Clock = Factory(Clock)
    place: str = ""
    _written_s: float = 0.0

    def __enter__(self) -> State:
        if self.path is not None:
            if self.path.exists():
                self.place = self._read(self.path)
            # Before the first message goes out: a file that can't be written is of no use.
            self._write(self.path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.path is None:
            return
        if kind is None:
            self.path.unlink(missing_ok=True)
        else:
            self._write(self.path)

    def is_done(self, place: str) -> bool:
        """Whether what stands there was sent by an earlier run."""
        return place <= self.place

    def done(self, place: str) -> None:
        """What stands there needs no message any more."""
        self.place = place
        now_s = self.clock.monotonic_s()
        if self.path is not None and now_s - self._written_s >= _WRITTEN_EVERY_S:
            self._write(self.path)
            self._written_s = now_s

    def _write(self, path: Path) -> None:
        beside = path.with_name(f"{path.name}.new")
        text = json.dumps({"wanted": dict(self.wanted), "place": self.place}, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(path)

    def _read(self, path: Path) -> str:
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            wanted, place = said["wanted"], said["place"]
        except (ValueError, KeyError, TypeError) as error:
            raise click.UsageError(
                f"--state: {path} was not written by this command; name another file."
            ) from error
        if wanted != dict(self.wanted) or not isinstance(place, str):
            raise click.UsageError(
                f"--state: {path} belongs to another run ({json.dumps(wanted)[:200]});"
                " name another file, or remove it."
            )
        return place
