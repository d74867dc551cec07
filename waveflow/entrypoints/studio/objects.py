"""Stems, mixes and their waveforms as files: in parts, not twice, and under their own names."""

from __future__ import annotations

import re
from pathlib import Path

from anyio import to_thread
from attrs import frozen
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from waveflow.domain.errors import ObjectNotFound, PermanentError
from waveflow.entrypoints.studio.archive import Member
from waveflow.entrypoints.studio.media import media_of
from waveflow.entrypoints.studio.names import UniqueNames, with_suffix
from waveflow.entrypoints.studio.records import MixRecord, StemRecord
from waveflow.entrypoints.studio.refusals import Refused
from waveflow.entrypoints.studio.studio import Studio

KINDS = ("audio", "waveform", "dat")
_TYPES = {"waveform": "application/json", "dat": "application/octet-stream"}
_SUFFIXES = {"waveform": ".json", "dat": ".dat"}
_RANGES = re.compile(r"bytes=\s*(\d+-\d*|-\d+)(\s*,\s*(\d+-\d*|-\d+))*\s*", re.ASCII)


@frozen
class Stored:
    """An object that can be asked for: where it is stored, and what it is called."""

    key: str
    name: str


def stored_of(record: StemRecord | MixRecord, kind: str) -> Stored:
    """The object of that kind. Raises `Refused`, 404, while there is none."""
    if isinstance(record, StemRecord):
        audio_key, name = record.key if record.has_audio else None, record.name
    else:
        audio_key, name = record.mix_key, f"{record.mix_id}.wav"
    keys = {"audio": audio_key, "waveform": record.waveform_key, "dat": record.dat_key}
    key = keys[kind]
    if key is None:
        raise Refused(404, f"{name} has no {kind}, or none yet.", "not_there")
    return Stored(key, name if kind == "audio" else with_suffix(name, _SUFFIXES[kind]))


def members_of(studio: Studio) -> list[Member]:
    """All there is to download, under names of its own."""
    names, members = UniqueNames(), []
    with studio.board.looking():
        for folder, records in (("stems", studio.board.stems), ("mixes", studio.board.mixes)):
            for record in records.values():
                for kind in KINDS:
                    try:
                        stored = stored_of(record, kind)
                    except Refused:
                        continue
                    where = folder if kind == "audio" else "waveforms"
                    members.append(Member(names.of(f"{where}/{stored.name}"), stored.key))
    return members


async def object_answer(
    request: Request, studio: Studio, record: StemRecord | MixRecord, kind: str
) -> Response:
    """The object of that kind, or a part of it; with `play` something that browsers play."""
    stored = stored_of(record, kind)
    path = studio.path_of(stored.key)
    media_type = _TYPES.get(kind)
    if media_type is None:
        try:
            media = await to_thread.run_sync(media_of, path)
        except OSError as error:
            raise ObjectNotFound(stored.name) from error
        media_type = media.media_type
        if request.query_params.get("play") == "1" and not media.is_played:
            path, media_type = await _preview(studio, record, stored.name, path), "audio/wav"
            stored = Stored(stored.key, with_suffix(stored.name, ".wav"))
    name = stored.name if request.query_params.get("download") == "1" else None
    return _file_answer(request, path, media_type, name)


async def _preview(studio: Studio, record: StemRecord | MixRecord, name: str, source: Path) -> Path:
    record_id = record.stem_id if isinstance(record, StemRecord) else record.mix_id
    try:
        # A studio that ends waits for no decoder: those end with it.
        return await to_thread.run_sync(
            studio.previews.of, record_id, source, abandon_on_cancel=True
        )
    except PermanentError as error:
        raise Refused(422, f"{name} can't be played. {error}", error.code) from error
    except OSError as error:
        raise Refused(
            507,
            f"{name} can't be made playable: {error.strerror}. Look at the disk with"
            f" {studio.folder}, or download the file as it is.",
            "disk_full",
        ) from error


def _file_answer(request: Request, path: Path, media_type: str, name: str | None) -> Response:
    try:
        info = path.stat()
    except OSError as error:
        raise ObjectNotFound(path.name) from error
    etag = f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if _matches(request.headers, etag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if wanted is not None and not _is_usable(wanted):
        # A range that says nothing is to be ignored; the library would refuse it.
        del MutableHeaders(scope=request.scope)["range"]
    return FileResponse(path, 200, headers, media_type, filename=name, stat_result=info)


def _matches(headers: Headers, etag: str) -> bool:
    wanted = headers.get("if-none-match", "")
    known = [each.strip().removeprefix("W/") for each in wanted.split(",")]
    return etag in known or known == ["*"]


def _is_usable(wanted: str) -> bool:
    if not _RANGES.fullmatch(wanted):
        return False
    ends = [part.strip().split("-") for part in wanted.partition("=")[2].split(",")]
    return all(not first or not last or int(first) <= int(last) for first, last in ends)
