"""The studio without its page: what can be done with stems and mixes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from attrs import define, field

from waveflow.adapters.storage.paths import locate
from waveflow.application.clock import Clock
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.demo.main_server import StandInServer
from waveflow.entrypoints.studio import records
from waveflow.entrypoints.studio.board import Board
from waveflow.entrypoints.studio.names import key_name, shown_name
from waveflow.entrypoints.studio.previews import Previews
from waveflow.entrypoints.studio.records import MixRecord, StemRecord
from waveflow.entrypoints.studio.work import EmbeddedWorker

MOST_STEMS = 200
MOST_MIXES = 100


class StudioRefusal(PermanentError):
    """Raised when the studio can't do what the page asks for; the sentence says what can be done.

    The code is `full`, `song_is_being_made`, `unknown_stem`, `no_stems` or `not_mixable`.
    """

    default_code = "refused"


def demo_song(folder: Path) -> list[Path]:
    """The demo song's stems, as files in `folder`. Raises `PermanentError` without SciPy."""
    from waveflow.entrypoints.demo.song import require_scipy, write_song

    require_scipy()
    return [stem.path for stem in write_song(folder)]


@define
class Studio:
    """Stems and mixes of one folder, from upload to download; for any number of threads.

    Made with `opening.opened`. The board's lock keeps webhooks, the server's decisions and what
    the board says of them in one order.
    """

    folder: Path
    board: Board
    server: StandInServer
    storage: AudioStorage
    previews: Previews
    worker: EmbeddedWorker
    clock: Clock
    make_song: Callable[[Path], Sequence[Path]] = demo_song
    _uploads: int = 0
    _making_song: Lock = field(factory=Lock)

    @property
    def incoming(self) -> Path:
        """Where files lie that aren't stored yet; emptied at the start."""
        return self.folder / "incoming"

    def path_of(self, key: str) -> Path:
        """The file of an object. Raises `InvalidKey`."""
        place = locate(key)
        return Path(self.folder, "storage", *place.folders, place.name)

    def require_room(self) -> None:
        """Raises `StudioRefusal` when there are as many stems as one studio takes."""
        if len(self.board.stems) >= MOST_STEMS:
            raise StudioRefusal(
                f"The studio holds {MOST_STEMS} stems, and takes no more. Start another one with"
                " --folder and the name of a new folder.",
                code="full",
            )

    def add_stem(self, name: str, file: Path) -> str:
        """Store the stem at `file` and have it hashed; returns its id.

        Raises:
            StudioRefusal: when there are as many as one studio takes.
            StorageUnavailable: when the folder can't take it.
        """
        with self.board.looking():
            self.require_room()
            self._uploads += 1
            stem_id = f"stem-{self._uploads}"
        shown = shown_name(name)
        key = self.server.key_for(stem_id, key_name(shown), self.clock.now_iso())
        stat = self.storage.write(key, file, content_type="application/octet-stream")
        with self.board.changing(keep=True):
            stem = StemRecord(stem_id, shown, key, stat.size_bytes, self.clock.unix_s())
            stem.take(records.QUEUED, "It is stored, and its message on the queue.", 0.0)
            self.board.stems[stem_id] = stem
            self.server.upload_finished(stem_id, key, shown)
        return stem_id

    def add_song(self) -> list[str]:
        """Upload the demo song's stems, as soon as it is made; returns their ids.

        Raises:
            StudioRefusal: when it is being made already, or there is no room for it.
            PermanentError: without SciPy, which makes it.
        """
        self.require_room()
        if not self._making_song.acquire(blocking=False):
            raise StudioRefusal(
                "The song is being made already; its stems come in a few seconds.",
                code="song_is_being_made",
            )
        try:
            with TemporaryDirectory(dir=self.incoming) as folder:
                stems = self.make_song(Path(folder))
                return [self.add_stem(stem.name, stem) for stem in (*stems, _broken_off(stems[0]))]
        finally:
            self._making_song.release()

    def ask_for_mix(self, stem_ids: Sequence[str]) -> str:
        """Have these stems mixed, each once; returns the mix's id.

        Raises:
            StudioRefusal: when there is none, or one of them can't be mixed.
        """
        with self.board.changing(keep=True):
            stems = [self._mixable(stem_id) for stem_id in dict.fromkeys(stem_ids)]
            if not stems:
                raise StudioRefusal("No stems are chosen; choose one or more.", code="no_stems")
            if len(self.board.mixes) >= MOST_MIXES:
                raise StudioRefusal(
                    f"The studio holds {MOST_MIXES} mixes, and makes no more. Start another one"
                    " with --folder and the name of a new folder.",
                    code="full",
                )
            mix_id = f"mix-{len(self.board.mixes) + 1}"
            self.board.mixes[mix_id] = MixRecord(mix_id, [stem.stem_id for stem in stems])
            self.server.ask_for_mix(mix_id, [stem.key for stem in stems])
        return mix_id

    def _mixable(self, stem_id: str) -> StemRecord:
        stem = self.board.stems.get(stem_id)
        if stem is None:
            raise StudioRefusal(
                f"There is no stem {stem_id[:100]!r}; reload the page.", code="unknown_stem"
            )
        reasons = {
            records.DONE: None,
            records.DUPLICATE: "is a duplicate and was deleted; choose the stem that it repeats",
            records.FAILED: "has failed; upload it again as its sentence says, or mix without it",
        }
        reason = reasons.get(stem.step, "is not done yet; wait until its waveform is there")
        if reason is not None:
            raise StudioRefusal(f"{stem.name} {reason}.", code="not_mixable")
        return stem


def _broken_off(stem: Path) -> Path:
    """A copy of the file, as it looks when an upload or an export ends too early."""
    part = stem.with_name(f"{stem.stem} (broken off){stem.suffix}")
    content = stem.read_bytes()
    part.write_bytes(content[: len(content) * 2 // 3])
    return part
