"""The demo: a song's stems through all four steps, with nothing to configure."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from rich.console import Console
from rich.table import Table
from rich.text import Text

from waveflow.application.clock import Clock
from waveflow.application.drain import drain
from waveflow.domain.errors import PermanentError
from waveflow.domain.keys import require_key
from waveflow.entrypoints.cli.output import print_json
from waveflow.entrypoints.container import Container, container_for, deliver_to
from waveflow.entrypoints.demo.main_server import ServerStem, StandInServer
from waveflow.entrypoints.demo.pictures import DemoPictures, draw_pictures
from waveflow.entrypoints.logs import configure_logs
from waveflow.entrypoints.settings import Settings

_USER, _TRACK, _STAGE = "demo-user", "demo-track", "demo-stage"


@frozen
class _Upload:
    number: int
    stem_id: str
    path: Path
    title: str

    @property
    def key(self) -> str:
        # One second after the other: two stems may have the same file name.
        minute, second = divmod(39 * 60 + 21 + self.number, 60)
        stamp = f"2025-07-16T07-{minute:02}-{second:02}"
        return require_key(f"users/{_USER}/projects/{_TRACK}/stems/{stamp}_{self.path.name}")


def run_demo(stems: Sequence[Path], output: Path, *, as_json: bool) -> None:
    """Run the four steps on `stems`, or on a synthesised song, and show what came of them.

    Args:
        output: each run makes a folder of its own in it.

    Raises:
        PermanentError: when the mix was not made.
    """
    started_s = time.monotonic()
    if not stems:
        from waveflow.entrypoints.demo.song import require_scipy

        require_scipy()
    folder = _new_folder(output)
    configure_logs("warning", "console")
    console = Console(highlight=False, soft_wrap=True, quiet=as_json)
    settings = Settings(storage="folder", storage_folder=folder / "storage", notifier="memory")
    container = container_for(settings)
    try:
        container.codec()  # its processes load while the song is made
        server = _run(_uploads(stems, folder, console), container, console)
    finally:
        container.shutdown_resources()
    pictures = draw_pictures(server, folder / "storage", folder / "pictures")
    _report(server, pictures, folder, console, time.monotonic() - started_s, as_json=as_json)


def _new_folder(output: Path) -> Path:
    base = Clock().now_iso()[:19].replace(":", "-")
    for attempt in range(1, 1000):
        folder = output / (base if attempt == 1 else f"{base}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise PermanentError(f"No new folder can be made in {output}.")


def _uploads(stems: Sequence[Path], folder: Path, console: Console) -> list[_Upload]:
    if stems:
        return [
            _Upload(number, f"stem-{number}", path, path.name)
            for number, path in enumerate(stems, 1)
        ]
    from waveflow.entrypoints.demo.song import write_song

    console.print("Making a small song …")
    return [
        _Upload(number, stem.stem_id, stem.path, stem.title)
        for number, stem in enumerate(write_song(folder / "stems"), 1)
    ]


def _run(uploads: list[_Upload], container: Container, console: Console) -> StandInServer:
    started_s = time.monotonic()

    def tell(who: str, sentence: str) -> None:
        console.print(
            Text.assemble(
                (f"{time.monotonic() - started_s:7.3f} s  ", "dim"), (f"{who:<7}", "bold"), sentence
            )
        )

    queue = container.queue()
    server = StandInServer(
        send=queue.send,
        user_id=_USER,
        track_id=_TRACK,
        stage_id=_STAGE,
        tell=lambda sentence: tell("server", sentence),
    )
    deliver_to(container, server.receive)
    # Loaded by now or not: no stem's time should show it.
    container.report_health().check_codec()
    for upload in uploads:
        stat = container.storage().write(
            upload.key, upload.path, content_type="application/octet-stream"
        )
        tell("upload", f"{upload.title}: {stat.size_bytes:,} bytes")
        server.upload_finished(upload.stem_id, upload.key, upload.path.name)
    drain(queue, container.handler())
    return server


def _report(
    server: StandInServer,
    pictures: DemoPictures,
    folder: Path,
    console: Console,
    elapsed_s: float,
    *,
    as_json: bool,
) -> None:
    mix = server.mix or {}
    mixed = mix.get("mixed_file_path")
    waveform = mix.get("waveform_data_path")
    storage = folder / "storage"
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "stems": [
                    _facts(stem) | {"pictures": pictures.of_stems.get(stem.stem_id, {})}
                    for stem in server.stems.values()
                ],
                "mix": str(storage / mixed) if mixed else None,
                "mix_waveform": str(storage / waveform) if waveform else None,
                "mix_pictures": pictures.of_mix,
                "repeated_webhooks": server.repeated,
            }
        )
    else:
        console.print(_table(server))
        console.print(f"Webhooks that the server got twice: {server.repeated}")
        if mixed and waveform:
            duration_s = json.loads((storage / waveform).read_text())["duration"]
            console.print(f"The mix ({duration_s:.1f} s): {storage / mixed}")
        console.print(f"Stems, waveforms and ledger: {storage}")
        if pictures.formats:
            formats = " and ".join(map(str.upper, pictures.formats))
            console.print(f"Pictures of stems and mix ({formats}): {pictures.folder}")
        console.print(f"Done in {elapsed_s:.1f} s.")
    if not mixed:
        problem = mix.get("result", {}).get("error", "None of the stems could be used.")
        raise PermanentError(f"There is no mix. {problem}")


def _facts(stem: ServerStem) -> dict[str, Any]:
    completion = stem.completion or {}
    return {
        "stem": stem.original_filename,
        "audio_hash": stem.audio_hash,
        "verdict": _verdict(stem),
        "duration": stem.result.get("duration"),
        "num_peaks": stem.result.get("num_peaks"),
        "processing_time": completion.get("processing_time"),
        "error": stem.result.get("error"),
        "code": stem.result.get("code"),
    }


def _verdict(stem: ServerStem) -> str:
    if stem.result.get("isDuplicate"):
        return "duplicate, deleted"
    if "error" in stem.result:
        return f"failed: {stem.result['code']}"
    return stem.verdict or "unknown"


def _table(server: StandInServer) -> Table:
    table = Table("Stem", "Hash", "Verdict", header_style="bold")
    for column in ("Duration", "Peaks", "Time"):
        table.add_column(column, justify="right")
    for stem in server.stems.values():
        facts = _facts(stem)
        duration_s, seconds = facts["duration"], facts["processing_time"]
        table.add_row(
            Text(stem.original_filename),
            (stem.audio_hash or "–")[:12],
            Text(_verdict(stem)),
            f"{duration_s:.2f} s" if duration_s is not None else "–",
            str(facts["num_peaks"] or "–"),
            f"{seconds * 1000:.0f} ms" if seconds is not None else "–",
        )
    return table
