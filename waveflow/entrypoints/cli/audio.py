"""`waveflow analyze` and `waveflow mix`: waveforms and mixes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waveflow.application.clock import Clock
from waveflow.application.extras import Extras
from waveflow.domain.audio import MAX_PEAKS
from waveflow.entrypoints.cli.level_facts import level_facts
from waveflow.entrypoints.cli.output import (
    OUTPUT,
    SOURCE,
    configured,
    json_option,
    print_facts,
    print_json,
    print_result,
    regular_files,
)
from waveflow.entrypoints.cli.reading import reading
from waveflow.entrypoints.cli.stored import (
    id_option,
    perform_stored,
    require_fitting,
    require_option,
    stored_option,
)
from waveflow.entrypoints.cli.waveform_output import (
    DatChoice,
    dat_file,
    dat_options,
    require_dat,
)
from waveflow.entrypoints.cli.whole_numbers import WholeNumber
from waveflow.entrypoints.new_files import writable, write_document
from waveflow.entrypoints.printable import printable

if TYPE_CHECKING:
    from waveflow.application.documents import WaveformDocument
    from waveflow.application.events import MixStored, StemAnalyzed
    from waveflow.entrypoints.local_files import LocalAnalysis

_OTHER_AUDIO = frozenset({".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff"})


@click.command()
@click.argument("source", type=SOURCE)
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    help="Write the waveform to this file: as JSON, or as audiowaveform's binary data if the name"
    " ends in .dat.",
)
@dat_options
@click.option(
    "--levels", is_flag=True, help="Measure loudness, peaks, clipping and silence as well."
)
@click.option(
    "--num-peaks",
    type=WholeNumber(1, MAX_PEAKS),
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
    samples_per_pixel: int,
    bits: str,
    split_channels: bool,
    levels: bool,
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
      waveflow analyze song.wav -o song.dat --samples-per-pixel 256 --split-channels
      waveflow analyze song.wav --levels
      waveflow analyze song.mp3 --num-peaks 800 --json
      waveflow analyze --stored users/u1/projects/t1/stems/a.wav --stem-id s1
    """
    ids = ("stem_id", "track_id", "user_id")
    require_fitting(stored=stored, with_stored=ids, with_files=("output", "levels", "no_hash"))
    require_dat(output)
    if not stored:
        [path] = regular_files((source,))
        choice = DatChoice(samples_per_pixel, int(bits), split_channels)
        with (
            dat_file(_apart(output, [path]), choice) as dat,
            reading(f"Analysing {path.name}", [path]),
        ):
            extras = Extras(levels, dat)
            analysis = _analysed(path, num_peaks or MAX_PEAKS, not no_hash, extras)
        _show_analysis(path, analysis, output, is_written=dat is not None, as_json=as_json)
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
    facts = {"waveform": outcome.waveform_path, "duration": outcome.duration_s}
    print_result(as_json, facts | _dat(outcome))


def _apart(output: Path | None, sources: list[Path]) -> Path | None:
    """`output`, if it can be written and isn't one of the recordings."""
    if output:
        writable(output, sources)
    return output


def _analysed(path: Path, num_peaks: int, with_hash: bool, extras: Extras) -> LocalAnalysis:
    from waveflow.entrypoints.local_files import analyze_file

    return analyze_file(path, num_peaks, Clock(), with_hash=with_hash, extras=extras)


def _show_analysis(
    path: Path, analysis: LocalAnalysis, output: Path | None, *, is_written: bool, as_json: bool
) -> None:
    document = analysis.document
    if output and not is_written:
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
@click.argument("sources", nargs=-1, required=True, type=SOURCE)
@click.option("-o", "--output", type=OUTPUT, help="The WAV file to write.")
@click.option(
    "--waveform",
    type=OUTPUT,
    help="Write the mix's waveform to this file: as JSON, or as audiowaveform's binary data if the"
    " name ends in .dat.",
)
@click.option(
    "--levels", is_flag=True, help="Measure the mix's loudness, peaks and silence as well."
)
@stored_option
@id_option("stage")
@json_option
def mix(
    sources: tuple[str, ...],
    output: Path | None,
    waveform: Path | None,
    levels: bool,
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
    files = ("output", "waveform", "levels")
    require_fitting(stored=stored, with_stored=("stage_id",), with_files=files)
    if not stored:
        if output is None:
            raise click.UsageError("Name the WAV file to write with -o FILE.")
        if output.suffix.lower() in _OTHER_AUDIO:
            raise click.UsageError(f"A mix is a WAV file; name it {printable(output.stem)}.wav.")
        _mix_files(regular_files(sources), output, waveform, levels, as_json)
        return
    from waveflow.application.commands import MixRequest

    request = MixRequest(stage_id=require_option(stage_id, "--stage-id"), stem_paths=sources)
    outcome = perform_stored(request, f"Mixing {len(sources)} stems").outcome
    facts = {"mix": outcome.mix_path, "waveform": outcome.waveform_path}
    print_result(as_json, facts | _dat(outcome))


def _mix_files(
    paths: list[Path], output: Path, waveform: Path | None, levels: bool, as_json: bool
) -> None:
    from waveflow.entrypoints.local_files import mix_files

    if waveform and waveform.resolve() == output.resolve():
        raise click.UsageError("The mix and its waveform need two different files.")
    with (
        dat_file(_apart(waveform, paths), DatChoice()) as dat,
        reading(f"Mixing {len(paths)} stems", paths),
    ):
        document = mix_files(paths, output, MAX_PEAKS, Clock(), Extras(levels, dat))
    if waveform and dat is None:
        write_document(waveform, document)
    if as_json:
        facts: dict[str, Any] = json.loads(document.encode())
        print_json({"mix": str(output), **facts})
        return
    gain_db = 20 * math.log10(document.gain)
    stems = {"mix": str(output), "stems": len(paths)}
    print_facts(stems | _facts(document) | {"gain": f"{gain_db:.2f} dB"})


def _dat(outcome: StemAnalyzed | MixStored) -> dict[str, Any]:
    return {"dat": outcome.dat_path} if outcome.dat_path else {}


def _facts(document: WaveformDocument) -> dict[str, Any]:
    peak = f"{20 * math.log10(document.amplitude):.1f} dBFS" if document.amplitude else "silence"
    return {
        "duration": f"{document.duration:.3f} s",
        "sample rate": f"{document.sample_rate} Hz",
        "peaks": document.num_peaks,
        "loudest": peak,
        **level_facts(document.levels),
    }
