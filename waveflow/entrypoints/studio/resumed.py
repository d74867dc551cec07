"""Going on where an earlier run of the studio ended: its queue was in memory, its board wasn't."""

from __future__ import annotations

from waveflow.adapters.notifier.wire import SUCCESS
from waveflow.entrypoints.demo.main_server import ServerMix, ServerStem, StandInServer
from waveflow.entrypoints.studio import records
from waveflow.entrypoints.studio.board import Board
from waveflow.entrypoints.studio.notes import Notes
from waveflow.entrypoints.studio.records import MixRecord, Problem, StemRecord

GONE = Problem(
    "The upload is no longer in the studio's folder, and nothing was made of it. Upload it again.",
    "object_not_found",
)


def resume(board: Board, server: StandInServer, notes: Notes) -> int:
    """Let the server know what there is, and ask again for what had not ended.

    Returns:
        How many uploads there were: the number in the last one's id.
    """
    with board.changing():
        for stem in board.stems.values():
            _resume_stem(stem, server, notes)
        for mix in board.mixes.values():
            _resume_mix(mix, board, server, notes)
    return max((int(stem_id.rpartition("-")[2]) for stem_id in board.stems), default=0)


def _resume_stem(stem: StemRecord, server: StandInServer, notes: Notes) -> None:
    stem.has_audio = notes.exists(stem.key)
    if stem.waveform_key and not notes.exists(stem.waveform_key):
        stem.waveform_key = stem.dat_key = None
    known = ServerStem(
        stem.stem_id,
        stem.key,
        stem.name,
        stem.audio_hash,
        stem.verdict if stem.has_audio and stem.step != records.FAILED else None,
        stem.duplicate_of,
    )
    server.know(known)
    if stem.has_ended:
        return
    now_s = notes.clock.unix_s()
    if not stem.has_audio and stem.verdict == "duplicate":
        stem.take(records.DUPLICATE, "Deleted, just before the studio ended.", now_s)
        return
    if not stem.has_audio:
        stem.error = GONE
        stem.take(records.FAILED, GONE.sentence, now_s)
        return
    stem.take(records.QUEUED, "The studio was started again: its message is sent anew.", now_s)
    if stem.verdict == "new":
        # Its own hash must not meet it as another stem's.
        server.ask_for_waveform(known)
    else:
        server.upload_finished(stem.stem_id, stem.key, stem.name)


def _resume_mix(mix: MixRecord, board: Board, server: StandInServer, notes: Notes) -> None:
    if mix.mix_key and not notes.exists(mix.mix_key):
        mix.mix_key = mix.waveform_key = mix.dat_key = None
    paths = [board.stems[stem_id].key for stem_id in mix.stem_ids]
    if mix.has_ended:
        server.mixes[mix.mix_id] = ServerMix(mix.mix_id, paths, {"status": SUCCESS})
        return
    mix.step = records.QUEUED
    server.ask_for_mix(mix.mix_id, paths)
