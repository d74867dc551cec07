"""The studio's web application: what is answered at which path."""

from __future__ import annotations

import mimetypes
import secrets
from pathlib import Path
from typing import Any

from anyio import to_thread
from attrs import frozen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from waveflow.application.strict_json import parse_json, text
from waveflow.entrypoints.studio.archive import zipped
from waveflow.entrypoints.studio.events import Streams
from waveflow.entrypoints.studio.front_end import PAGE, VENDOR
from waveflow.entrypoints.studio.guard import policy_with
from waveflow.entrypoints.studio.objects import KINDS, members_of, object_answer
from waveflow.entrypoints.studio.records import MixRecord, StemRecord
from waveflow.entrypoints.studio.refusals import HANDLED, Refused, answer_for
from waveflow.entrypoints.studio.studio import Studio
from waveflow.entrypoints.studio.uploads import Uploads

_LARGEST_JSON_BYTES = 64 * 1024


@frozen
class _Pages:
    studio: Studio
    uploads: Uploads

    async def index(self, _: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        page = (PAGE / "index.html").read_text(encoding="utf-8").replace("{{csp_nonce}}", nonce)
        headers = {"content-security-policy": policy_with(nonce), "cache-control": "no-store"}
        return HTMLResponse(page, headers=headers)

    async def state(self, _: Request) -> Response:
        state = await to_thread.run_sync(self.studio.board.state)
        return Response(state[1], media_type="application/json")

    async def upload(self, request: Request) -> Response:
        name = request.query_params.get("name", "")
        if not name.strip():
            raise Refused(400, "The upload has no name; say it as ?name=song.wav.", "no_name")
        self.studio.require_room()
        async with self.uploads.taken(request) as file:
            stem_id = await to_thread.run_sync(self.studio.add_stem, name, file)
        return JSONResponse({"stem_id": stem_id}, 201)

    async def song(self, _: Request) -> Response:
        stem_ids = await to_thread.run_sync(self.studio.add_song, abandon_on_cancel=True)
        return JSONResponse({"stem_ids": stem_ids}, 202)

    async def mix(self, request: Request) -> Response:
        stem_ids = _stem_ids(await _json(request))
        mix_id = await to_thread.run_sync(self.studio.ask_for_mix, stem_ids)
        return JSONResponse({"mix_id": mix_id}, 202)

    async def object(self, request: Request) -> Response:
        of, record_id, kind = (request.path_params[name] for name in ("of", "id", "kind"))
        records: dict[str, dict[str, Any]] = {
            "stems": self.studio.board.stems,
            "mixes": self.studio.board.mixes,
        }
        record: StemRecord | MixRecord | None = records.get(of, {}).get(record_id)
        if record is None or kind not in KINDS:
            raise Refused(404, "There is nothing here.", "not_found")
        return await object_answer(request, self.studio, record, kind)

    async def everything(self, _: Request) -> Response:
        members = members_of(self.studio)
        if not members:
            raise Refused(404, "There is nothing to download yet.", "nothing_there")
        return StreamingResponse(
            zipped(members, self.studio.storage),
            media_type="application/zip",
            headers={"content-disposition": 'attachment; filename="waveflow-studio.zip"'},
        )


def application(studio: Studio, streams: Streams, vendor: Path = VENDOR) -> Starlette:
    """The application for `studio`, without the guard that belongs round it.

    Args:
        vendor: the folder with the libraries of others.
    """
    # Whatever this machine's tables say: a browser runs nothing that is called otherwise.
    mimetypes.add_type("text/javascript", ".js")
    pages = _Pages(studio, Uploads(studio.incoming, studio.board.max_upload_bytes))
    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/api/state", pages.state),
            Route("/api/events", streams, methods=["GET"]),
            Route("/api/stems", pages.upload, methods=["PUT"]),
            Route("/api/song", pages.song, methods=["POST"]),
            Route("/api/mixes", pages.mix, methods=["POST"]),
            Route("/api/everything.zip", pages.everything),
            Route("/api/{of}/{id}/{kind}", pages.object),
            Mount("/static", StaticFiles(directory=PAGE, check_dir=False)),
            Mount("/vendor", StaticFiles(directory=vendor, check_dir=False)),
        ],
        exception_handlers=dict.fromkeys(HANDLED, answer_for),
    )


async def _json(request: Request) -> Any:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > _LARGEST_JSON_BYTES:
            raise Refused(413, "That is more than any request has.", "too_large")
    try:
        return parse_json(body)
    except ValueError as error:
        raise Refused(400, f"The request is no JSON: {error}.", "invalid_json") from error


def _stem_ids(document: Any) -> list[str]:
    stem_ids = document.get("stem_ids") if isinstance(document, dict) else None
    if not isinstance(stem_ids, list):
        raise Refused(400, 'Say which stems: {"stem_ids": ["stem-1"]}.', "invalid_json")
    try:
        return [text(stem_id) for stem_id in stem_ids]
    except (TypeError, ValueError) as error:
        raise Refused(400, f"A stem's id {error}.", "invalid_json") from error
