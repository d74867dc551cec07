"""`waveflow analyze` and `waveflow mix`: waveforms and mixes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waveflow.application.clock import Clock
from waveflow.domain.audio import MAX_PEAKS
from waveflow.entrypoints.cli.output import (
    OUTPUT,
    busy,
    configured,
    json_option,
    print_facts,
    print_json,
    print_result,
    regular_files,
)
from waveflow.entrypoints.cli.stored import (
    id_option,
    perform_stored,
    require_fitting,
    require_option,
    stored_option,
)

if TYPE_CHECKING:
    from waveflow.application.documents import WaveformDocument


@click.command()
@click.argument("source")
@click.option("-o", "--output", type=OUTPUT, help="Write the waveform JSON to this file.")
@click.option(
    "--num-peaks",
    type=click.IntRange(1, MAX_PEAKS),
    help=f"Number of waveform peaks, 1 to {MAX_PEAKS} (the default; with --stored,"
    " DEFAULT_WAVEFORM_PEAKS is).",
)
@click.option(
    "--no-hash",
    is_flag=True,
    help="Leave the file's SHA-256 out: on a long WAV file, it takes the most time.",
)
@stored_option
@id_option("stem")
@id_option("track")
@id_option("user")
@json_option
def analyze(
    source: str,
    output: Path | None,
    num_peaks: int | None,
    no_hash: bool,
    stored: bool,
    stem_id: str | None,
    track_id: str | None,
    user_id: str | None,
    as_json: bool,
) -> None:
    """Draw the waveform of SOURCE: up to 4000 peaks, as JSON.

    \b
    Examples:
      waveflow analyze song.wav -o song.json
      waveflow analyze song.mp3 --num-peaks 800 --json
      waveflow analyze --stored users/u1/projects/t1/stems/a.wav --stem-id s1
    """
    ids = ("stem_id", "track_id", "user_id")
    require_fitting(stored=stored, with_stored=ids, with_files=("output", "no_hash"))
    if not stored:
        [path] = regular_files((source,))
        _analyze_file(path, output, num_peaks or MAX_PEAKS, not no_hash, as_json)
        return
    from waveflow.application.commands import AnalysisRequest

    request = AnalysisRequest(
        stem_id=require_option(stem_id, "--stem-id"),
        filepath=source,
        num_peaks=num_peaks or configured().default_waveform_peaks,
        track_id=track_id,
        user_id=user_id,
    )
    outcome = perform_stored(request, f"Analysing {source}").outcome
    print_result(as_json, {"waveform": outcome.waveform_path, "duration": outcome.duration_s})


def _analyze_file(
    path: Path, output: Path | None, num_peaks: int, with_hash: bool, as_json: bool
) -> None:
    from waveflow.entrypoints.local_files import analyze_file, writable, write_document

    if output:
        writable(output, [path])
    with busy(f"Analysing {path.name}"):
        analysis = analyze_file(path, num_peaks, Clock(), with_hash=with_hash)
    document = analysis.document
    if output:
        write_document(output, document)
    if as_json:
        print_json(json.loads(document.encode()))
        return
    channels = "mono" if analysis.channels == 1 else f"{analysis.channels} channels"
    print_facts(
        {
            "file": path,
            "format": f"{analysis.format}, {channels}",
            **_facts(document),
            "sha256": analysis.content_hash and analysis.content_hash.hex,
            "waveform": output or "(write it with -o FILE, or print it with --json)",
        }
    )


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("-o", "--output", type=OUTPUT, help="The WAV file to write.")
@click.option("--waveform", type=OUTPUT, help="Write the mix's waveform JSON to this file.")
@stored_option
@id_option("stage")
@json_option
def mix(
    sources: tuple[str, ...],
    output: Path | None,
    waveform: Path | None,
    stored: bool,
    stage_id: str | None,
    as_json: bool,
) -> None:
    """Mix SOURCES, of any formats, rates and lengths, into one mono 16-bit WAV.

    The mix is the sum of the stems divided by their number, brought down to 0.95 of full scale
    where it is louder.

    \b
    Examples:
      waveflow mix drums.wav bass.flac lead.mp3 -o mix.wav
      waveflow mix --stored users/u1/projects/t1/stems/a.wav b.wav --stage-id g1
    """
    files = ("output", "waveform")
    require_fitting(stored=stored, with_stored=("stage_id",), with_files=files)
    if not stored:
        if output is None:
            raise click.UsageError("Name the WAV file to write with -o FILE.")
        _mix_files(regular_files(sources), output, waveform, as_json)
        return
    from waveflow.application.commands import MixRequest

    request = MixRequest(stage_id=require_option(stage_id, "--stage-id"), stem_paths=sources)
    outcome = perform_stored(request, f"Mixing {len(sources)} stems").outcome
    print_result(as_json, {"mix": outcome.mix_path, "waveform": outcome.waveform_path})


def _mix_files(paths: list[Path], output: Path, waveform: Path | None, as_json: bool) -> None:
    from waveflow.entrypoints.local_files import mix_files, writable, write_document

    if waveform and waveform.resolve() == output.resolve():
        raise click.UsageError("The mix and its waveform need two different files.")
    if waveform:
        writable(waveform, paths)
    with busy(f"Mixing {len(paths)} stems"):
        document = mix_files(paths, output, MAX_PEAKS, Clock())
    if waveform:
        write_document(waveform, document)
    if as_json:
        facts: dict[str, Any] = json.loads(document.encode())
        print_json({"mix": str(output), **facts})
        return
    gain_db = 20 * math.log10(document.gain)
    stems = {"mix": str(output), "stems": len(paths)}
    print_facts(stems | _facts(document) | {"gain": f"{gain_db:.2f} dB"})


def _facts(document: WaveformDocument) -> dict[str, Any]:
    peak = f"{20 * math.log10(document.amplitude):.1f} dBFS" if document.amplitude else "silence"
    return {
        "duration": f"{document.duration:.3f} s",
        "sample rate": f"{document.sample_rate} Hz",
        "peaks": document.num_peaks,
        "loudest": peak,
    }
