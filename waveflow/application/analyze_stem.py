"""AnalyzeStem: turn a stem into a waveform that a browser can draw."""

from __future__ import annotations

from pathlib import Path

import structlog
from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.commands import AnalysisRequest, Origin
from waveflow.application.documents import (
    StemDocument,
    StemRequest,
    find_document,
    store_document,
)
from waveflow.application.events import StemAnalyzed, StemCompleted
from waveflow.application.ports import AudioCodec, AudioStorage, Notifier
from waveflow.application.tally import Tally
from waveflow.application.transfer import fetch
from waveflow.application.waveform_options import NOTHING_MORE, WaveformOptions, store_dat
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.audio import AudioLimits, require_num_peaks
from waveflow.domain.content import ContentHash
from waveflow.domain.keys import dat_key, require_key, stem_waveform_key

_log = structlog.get_logger(__name__)


@frozen
class AnalyzeStem:
    """Decodes a stem, stores its waveform and reports what it is."""

    storage: AudioStorage
    codec: AudioCodec
    notifier: Notifier
    work_folder: WorkFolder
    limits: AudioLimits = field(factory=AudioLimits)
    clock: Clock = field(factory=Clock)
    tally: Tally = field(factory=Tally)
    options: WaveformOptions = NOTHING_MORE

    def analyze(self, request: AnalysisRequest, origin: Origin) -> StemCompleted:
        """Store the waveform of the stem at `request.filepath` and send `/completion`.

        A result that an earlier delivery of the message left behind is reported again
        without decoding.

        Raises:
            PermanentError: InvalidAudio, UnsupportedAudio, AudioTooLarge, ObjectNotFound,
                EmptyObject or InvalidKey, as the stem deserves.
            TransientError: when the storage, the work folder or the server is unavailable.
        """
        key = stem_waveform_key(request.stem_id, origin.stamp)
        require_key(request.filepath)
        require_num_peaks(request.num_peaks)
        asked = StemRequest.of(request, origin)
        document = find_document(self.storage, key, StemDocument)
        if document is None:
            document = store_document(self.storage, key, self._draw(request, asked, key))
        self._compare_hash(request, document)
        event = completion(request.stem_id, asked, key, document)
        self.notifier.stem_completed(event)
        return event

    def _draw(self, request: AnalysisRequest, asked: StemRequest, key: str) -> StemDocument:
        started_s = self.clock.monotonic_s()
        with self.work_folder.task() as folder:
            source: Path = folder / "stem"
            extras = self.options.extras(folder)

            def reserve(size_bytes: int) -> None:
                likely_bytes = size_bytes + self.options.dat_bytes(size_bytes)
                self.work_folder.reserve(folder, size_bytes, likely_bytes)

            hashed = fetch(self.storage, request.filepath, source, self.limits, reserve)
            analysis = self.codec.analyse(source, request.num_peaks, self.limits, extras)
            store_dat(self.storage, key, extras)
        return StemDocument.of(
            analysis.waveform,
            created_at=self.clock.now_iso(),
            levels=analysis.levels,
            waveform_dat_path=extras.dat and dat_key(key),
            audio_data_hash=hashed.content_hash.hex,
            file_size=hashed.stat.size_bytes,
            processing_time=round(self.clock.monotonic_s() - started_s, 6),
            request=asked.if_it_fits(),
        )

    def _compare_hash(self, request: AnalysisRequest, document: StemDocument) -> None:
        announced = request.audio_hash
        if announced and announced.lower() != document.audio_data_hash:
            self.tally.add("audio_hash_differs")
            _log.warning(
                "audio_hash_differs",
                stem_id=request.stem_id,
                announced=announced,
                computed=document.audio_data_hash,
            )


def completion(stem_id: str, asked: StemRequest, key: str, document: StemDocument) -> StemCompleted:
    """What the server is told of the waveform in `document`, stored under `key`."""
    return StemCompleted(
        event_id=asked.event_id,
        stem_id=stem_id,
        user_id=asked.user_id,
        track_id=asked.track_id,
        upstream_id=asked.upstream_id,
        original_filename=asked.original_filename,
        completed_at=document.created_at,
        processing_time_s=document.processing_time,
        outcome=StemAnalyzed(
            audio_hash=ContentHash(document.audio_data_hash),
            waveform_path=key,
            size_bytes=document.file_size,
            duration_s=document.duration,
            sample_rate_hz=document.sample_rate,
            num_peaks=document.num_peaks,
            levels=document.levels,
            dat_path=document.waveform_dat_path,
        ),
    )
