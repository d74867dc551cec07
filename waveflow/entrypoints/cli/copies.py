"""`waveflow ingest` and `waveflow resolve-duplicate`: which files are the same recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.cli.output import (
    FILE,
    SOURCE,
    json_option,
    print_json,
    print_result,
    regular_files,
)
from waveflow.entrypoints.cli.progress import bytes_bar
from waveflow.entrypoints.cli.stored import (
    id_option,
    perform_stored,
    require_fitting,
    require_option,
    stored_option,
)
from waveflow.entrypoints.printable import printable


@click.command()
@click.argument("sources", nargs=-1, required=True, type=SOURCE)
@stored_option
@id_option("stem")
@id_option("track")
@id_option("user")
@id_option("stage")
@json_option
def ingest(
    sources: tuple[str, ...],
    stored: bool,
    stem_id: str | None,
    track_id: str | None,
    user_id: str | None,
    stage_id: str | None,
    as_json: bool,
) -> None:
    """Hash files (SHA-256) and say which hold the same recording.

    \b
    Examples:
      waveflow ingest take1.wav take2.wav
      waveflow ingest --stored users/u1/projects/t1/stems/a.wav --stem-id s1 --track-id t1
    """
    ids = ("stem_id", "track_id", "user_id", "stage_id")
    require_fitting(stored=stored, with_stored=ids, with_files=())
    if not stored:
        _ingest_files(regular_files(sources), as_json)
        return
    from waveflow.application.commands import HashRequest

    if len(sources) != 1:
        raise click.UsageError("--stored takes one key at a time.")
    request = HashRequest(
        stem_id=require_option(stem_id, "--stem-id"),
        filepath=sources[0],
        track_id=track_id,
        user_id=user_id,
        stage_id=stage_id,
    )
    event = perform_stored(request, f"Hashing {request.filepath}")
    print_result(
        as_json,
        {
            "filepath": event.filepath,
            "audio_hash": event.audio_hash.hex,
            "duplicate_of": event.duplicate_of,
        },
    )


def _ingest_files(paths: list[Path], as_json: bool) -> None:
    from waveflow.entrypoints.local_files import hash_file

    first: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    problems: list[PermanentError] = []
    with bytes_bar("Hashing", sum(path.stat().st_size for path in paths)) as advance:
        for path in paths:
            row: dict[str, Any] = {"filepath": str(path), "file_size": path.stat().st_size}
            try:
                audio_hash = hash_file(path, advance).hex
            except (PermanentError, OSError) as error:
                problems.append(_problem(path, error))
                rows.append(row | {"error": str(problems[-1]), "code": problems[-1].code})
                continue
            owner = first.setdefault(audio_hash, str(path))
            duplicate_of = None if owner == str(path) else owner
            rows.append(row | {"audio_hash": audio_hash, "duplicate_of": duplicate_of})
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            if "audio_hash" in row:
                duplicate = f"  (same as {row['duplicate_of']})" if row["duplicate_of"] else ""
                click.echo(printable(f"{row['audio_hash']}  {row['filepath']}{duplicate}"))
    if problems:
        sentences = " ".join(map(str, problems))
        raise PermanentError(sentences, code=problems[0].code)


def _problem(path: Path, error: PermanentError | OSError) -> PermanentError:
    if isinstance(error, OSError):
        return PermanentError(f"{path} can't be read ({error.strerror}).", code="unreadable_file")
    return error


@click.command("resolve-duplicate")
@click.argument("copy", type=SOURCE)
@click.option("--keep", type=FILE, help="The local file that holds the same recording.")
@stored_option
@click.option("--audio-hash", help="With --stored: the hash that made it a duplicate.")
@id_option("stem")
@id_option("track")
@id_option("user")
@json_option
def resolve_duplicate(
    copy: str,
    keep: Path | None,
    stored: bool,
    audio_hash: str | None,
    stem_id: str | None,
    track_id: str | None,
    user_id: str | None,
    as_json: bool,
) -> None:
    """Delete COPY, if another file is proved to hold the same recording.

    \b
    Examples:
      waveflow resolve-duplicate "take (1).wav" --keep take.wav
      waveflow resolve-duplicate --stored users/u1/projects/t1/stems/b.wav \\
          --stem-id s2 --track-id t1 --audio-hash 9f86d0...
    """
    ids = ("audio_hash", "stem_id", "track_id", "user_id")
    require_fitting(stored=stored, with_stored=ids, with_files=("keep",))
    if not stored:
        if keep is None:
            raise click.UsageError("Name the file that holds the same recording with --keep.")
        _resolve_files(copy, keep, as_json)
        return
    from waveflow.application.commands import DuplicateRequest

    request = DuplicateRequest(
        stem_id=require_option(stem_id, "--stem-id"),
        filepath=copy,
        audio_hash=require_option(audio_hash, "--audio-hash"),
        track_id=track_id,
        user_id=user_id,
    )
    perform_stored(request, f"Comparing {copy}")
    print_result(as_json, {"deleted": copy, "audio_hash": request.audio_hash})


def _resolve_files(copy: str, keep: Path, as_json: bool) -> None:
    from waveflow.entrypoints.local_files import delete_duplicate

    regular_files((str(keep), copy))
    content_hash = delete_duplicate(Path(copy), keep)
    print_result(as_json, {"deleted": copy, "kept": str(keep), "audio_hash": content_hash.hex})
