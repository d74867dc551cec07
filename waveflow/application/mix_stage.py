"""MixStage: mix the stems of a stage into one track."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve, field, frozen

from waveflow.application.breaker import one_asking
from waveflow.application.clock import Clock
from waveflow.application.commands import MixRequest, Origin
from waveflow.application.documents import MixDocument, find_document, store_document
from waveflow.application.events import MixStored, StageMixed
from waveflow.application.ports import AudioCodec, AudioStorage, Notifier
from waveflow.application.side_by_side import Wanted, side_by_side
from waveflow.application.transfer import fetch, store_made
from waveflow.application.waveform_options import NOTHING_MORE, WaveformOptions, store_dat
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.audio import MAX_PEAKS, AudioLimits
from waveflow.domain.errors import InvalidKey, ObjectNotFound, PermanentError, UnreadableStem
from waveflow.domain.keys import basename, dat_key, mix_key, mix_waveform_key, require_key

RESULT_PER_STEM = 3
"""What a mix writes beside its stems, measured in its largest one: 6 bytes per frame, of which a
16-bit mono file has 2. It is less for other PCM, and more for what is compressed a lot."""

FETCHED_AT_ONCE = 4
"""Stems of one mix; a connection carries less than this machine could take in."""


@frozen
class MixStage:
    """Mixes all stems of a stage, stores the mix and its waveform, and reports."""

    storage: AudioStorage
    codec: AudioCodec
    notifier: Notifier
    work_folder: WorkFolder
    limits: AudioLimits = field(factory=AudioLimits)
    clock: Clock = field(factory=Clock)
    options: WaveformOptions = NOTHING_MORE

    def mix(self, request: MixRequest, origin: Origin) -> StageMixed:
        """Mix `request.stem_paths` and send `/mixing-complete`.

        A mix that an earlier delivery of the message left behind is reported again without
        decoding.

        Raises:
            PermanentError: when a stem can't be read; the sentence names it.
            TransientError: when the storage, the work folder or the server is unavailable.
        """
        stored = MixStored(
            mix_key(request.stage_id, origin.stamp),
            mix_waveform_key(request.stage_id, origin.stamp),
        )
        document = self._find_mix(stored) or self._mix(request, stored)
        event = StageMixed(
            event_id=origin.event_id("mixing-complete", "success"),
            stage_id=request.stage_id,
            upstream_id=request.upstream_id,
            task_id=origin.task_id,
            stem_paths=request.stem_paths,
            processed_at=document.created_at,
            outcome=evolve(stored, levels=document.levels, dat_path=document.waveform_dat_path),
        )
        self.notifier.stage_mixed(event)
        return event

    def _find_mix(self, stored: MixStored) -> MixDocument | None:
        """The document of an earlier delivery's mix, if the mix itself is there as well."""
        document = find_document(self.storage, stored.waveform_path, MixDocument)
        if document is None:
            return None
        try:
            self.storage.stat(stored.mix_path)
        except ObjectNotFound:
            return None
        return document

    def _mix(self, request: MixRequest, stored: MixStored) -> MixDocument:
        with self.work_folder.task() as folder:
            with one_asking(stored.mix_path):
                self._reserve_room(request.stem_paths, folder)
                sources = self._fetch_stems(request.stem_paths, folder)
            mixed = folder / "mix.wav"
            extras = self.options.extras(folder)
            try:
                mix = self.codec.mix(sources, mixed, MAX_PEAKS, self.limits, extras)
            except UnreadableStem as error:
                raise _naming(request.stem_paths, error.index, error.cause) from error
            document = MixDocument.of(
                mix.waveform,
                created_at=self.clock.now_iso(),
                levels=mix.levels,
                waveform_dat_path=extras.dat and dat_key(stored.waveform_path),
                stem_count=len(sources),
                gain=mix.gain,
            )
            store_made(self.storage, stored.mix_path, mixed, content_type="audio/wav")
            store_dat(self.storage, stored.waveform_path, extras)
            return store_document(self.storage, stored.waveform_path, document)

    def _reserve_room(self, stem_paths: tuple[str, ...], folder: Path) -> None:
        """For all stems at once: two mixes that hold half of theirs each would get no further."""

        def size_bytes_of(path: str, _: Wanted) -> int:
            with _named(stem_paths, path):
                size_bytes = self.storage.stat(require_key(path)).size_bytes
                self.limits.require_size(size_bytes)
                return size_bytes

        distinct = list(dict.fromkeys(stem_paths))
        sizes = side_by_side(distinct, size_bytes_of, at_once=FETCHED_AT_ONCE)
        stems_bytes = sum(sizes)
        result_bytes = RESULT_PER_STEM * max(sizes) + self.options.dat_bytes(max(sizes))
        self.work_folder.reserve(folder, stems_bytes, stems_bytes + result_bytes)

    def _fetch_stems(self, stem_paths: tuple[str, ...], folder: Path) -> list[Path]:
        """Local copies in the order given; a stem that is named twice is fetched once."""
        copies = {
            path: folder / f"stem-{number}" for number, path in enumerate(dict.fromkeys(stem_paths))
        }

        def fetch_one(path: str, wanted: Wanted) -> None:
            with _named(stem_paths, path):
                fetch(self.storage, require_key(path), copies[path], self.limits, wanted=wanted)

        side_by_side(list(copies), fetch_one, at_once=FETCHED_AT_ONCE)
        return [copies[path] for path in stem_paths]


@contextmanager
def _named(stem_paths: tuple[str, ...], path: str) -> Iterator[None]:
    """Whatever is wrong with the stem at `path` is said of the place where it is named first."""
    try:
        yield
    except PermanentError as error:
        raise _naming(stem_paths, stem_paths.index(path), error) from error


def _naming(stem_paths: tuple[str, ...], index: int, error: PermanentError) -> PermanentError:
    # Without its folders: the sentence reaches browsers, and the path may be another user's.
    name = basename(stem_paths[index])
    reason = {
        ObjectNotFound: "It is not in the storage; upload it again, or mix without it.",
        InvalidKey: "Its storage key is not valid.",
    }.get(type(error), str(error))
    return PermanentError(
        f"Stem {index + 1} of {len(stem_paths)}, {name!r}, can't be mixed. {reason}",
        code=error.code,
    )
