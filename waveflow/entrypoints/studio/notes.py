"""What happens to stems and mixes, noted on the board as the worker and the server tell it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from waveflow.adapters.notifier.wire import COMPLETION, HASH_CHECK, MIXING_COMPLETE, WebhookRequest
from waveflow.application.clock import Clock
from waveflow.application.commands import (
    AnalysisRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    MixRequest,
)
from waveflow.application.ports import AudioStorage
from waveflow.application.strict_json import parse_json
from waveflow.domain.errors import ObjectNotFound, TransientError
from waveflow.entrypoints.demo.main_server import ServerStem, StandInServer
from waveflow.entrypoints.studio import records
from waveflow.entrypoints.studio.advice import problem_of
from waveflow.entrypoints.studio.board import Board
from waveflow.entrypoints.studio.records import Measured, MixRecord, StemRecord

_BEGUN: Mapping[type[Command], tuple[str, str]] = {
    HashRequest: (records.HASHING, "The worker reads it and computes its SHA-256."),
    AnalysisRequest: (records.ANALYZING, "The worker decodes it and draws its waveform."),
    DuplicateRequest: (
        records.REMOVING,
        "The worker makes sure that the other copy holds the recording, and deletes this one.",
    ),
}


@frozen
class Notes:
    """Writes on the board what has happened; every sentence stands for an event that took place."""

    board: Board
    server: StandInServer
    storage: AudioStorage
    clock: Clock

    def begins(self, command: Command) -> None:
        """A slot has taken a message up."""
        if isinstance(command, MixRequest):
            self._mix_is(command.stage_id, records.MIXING)
        elif type(command) in _BEGUN:
            self._stem_is(command, *_BEGUN[type(command)])

    def waits(self, command: Command, error: TransientError) -> None:
        """It couldn't be done now, and comes again."""
        if isinstance(command, MixRequest):
            self._mix_is(command.stage_id, records.QUEUED)
        elif type(command) in _BEGUN:
            sentence = f"It can't be done now, and is tried again soon. {error}"
            self._stem_is(command, records.QUEUED, sentence)

    def heard(self, request: WebhookRequest) -> None:
        """The server has handled a webhook."""
        body = request.body
        stem = self.board.stems.get(str(body.get("stemId")))
        if request.endpoint == MIXING_COMPLETE:
            mix = self.board.mixes.get(body["stageId"])
            # Of another mix of that stage, the server has kept nothing.
            if mix is not None and self.server.mixes[mix.mix_id].outcome is body:
                self._mixed(mix, body)
        elif stem is not None and request.endpoint == HASH_CHECK:
            self._decided(stem, self.server.stems[stem.stem_id])
        elif stem is not None and request.endpoint == COMPLETION:
            self._completed(stem, body)

    def exists(self, key: str) -> bool:
        """Whether an object is in the storage."""
        try:
            self.storage.stat(key)
        except ObjectNotFound:
            return False
        return True

    def _mix_is(self, mix_id: str, step: str) -> None:
        mix = self.board.mixes.get(mix_id)
        if mix is not None and not mix.has_ended:
            with self.board.changing():
                mix.step = step

    def _stem_is(self, command: Any, step: str, sentence: str) -> None:
        stem = self.board.stems.get(command.stem_id)
        if stem is not None and not stem.has_ended:
            self._take(stem, step, sentence)

    def _take(self, stem: StemRecord, step: str, sentence: str) -> None:
        with self.board.changing(keep=step in records.ENDS):
            stem.take(step, sentence, self.clock.unix_s())

    def _decided(self, stem: StemRecord, known: ServerStem) -> None:
        stem.audio_hash, stem.verdict = known.audio_hash, known.verdict
        stem.duplicate_of = known.duplicate_of
        sentence = "The server doesn't know this hash: it asks for the waveform."
        if known.verdict == "duplicate":
            sentence = (
                f"The server knows this hash, of {self._first(stem)}: it asks for this copy's"
                " deletion."
            )
        if not stem.has_ended:
            self._take(stem, records.DECIDING, sentence)

    def _completed(self, stem: StemRecord, body: dict[str, Any]) -> None:
        if stem.has_ended:
            return  # It is told twice.
        result = body["result"]
        stem.has_audio = self.exists(stem.key)
        if "error" in result:
            stem.error = problem_of(result)
            if stem.audio_hash and (stem.verdict == "new" or stem.error.code == "owner_lost"):
                # Uploading it again must not end as a duplicate of what has failed.
                self.server.forget_hash(stem.audio_hash)
            self._take(stem, records.FAILED, stem.error.sentence)
        elif result.get("isDuplicate"):
            self._take(
                stem, records.DUPLICATE, f"Deleted: {self._first(stem)} holds the same recording."
            )
        else:
            stem.waveform_key = result["waveform_data_path"]
            stem.dat_key = result.get("waveform_dat_path")
            stem.measured = measured = Measured(
                result["duration"],
                result["sample_rate"],
                result["num_peaks"],
                body["processing_time"],
                result.get("levels"),
            )
            self._take(
                stem,
                records.DONE,
                f"Its waveform is drawn: {measured.duration_s:.2f} s at"
                f" {measured.sample_rate_hz:,} Hz, in {measured.processing_time_s:.2f} s.",
            )

    def _first(self, stem: StemRecord) -> str:
        first = self.board.stems.get(stem.duplicate_of or "")
        return first.name if first else "another upload"

    def _mixed(self, mix: MixRecord, body: dict[str, Any]) -> None:
        waveform_key = body["waveform_data_path"]
        document: dict[str, Any] = {}
        if waveform_key:
            with self.storage.read(waveform_key) as stream:
                document = parse_json(b"".join(stream))
        with self.board.changing(keep=True):
            mix.mix_key, mix.waveform_key = body["mixed_file_path"], waveform_key
            mix.dat_key = body.get("waveform_dat_path")
            mix.levels = body.get("levels")
            if document:
                mix.duration_s = document["duration"]
                mix.gain_db = round(20 * math.log10(document["gain"]), 2)
            mix.error = problem_of(body["result"]) if "result" in body else None
            mix.step = records.FAILED if mix.error else records.DONE
