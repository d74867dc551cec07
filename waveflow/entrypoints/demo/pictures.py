"""Pictures of what the demo made: of each stem that was analysed, and of the mix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from waveflow.entrypoints.demo.main_server import StandInServer
from waveflow.entrypoints.pictures.render import Format, Wish, draw, has_pillow
from waveflow.entrypoints.pictures.sizes import DEFAULT_WIDTH
from waveflow.entrypoints.pictures.sources import read_wave

_MIX = "mix"

Files = Mapping[str, str]
"""Format of a picture -> where it is."""


@frozen
class DemoPictures:
    """Where the pictures are; without Pillow there are only SVGs.

    Attributes:
        of_stems: by the ids of the stems; those that failed, or were deleted, have none.
        of_mix: none without a mix.
    """

    folder: Path
    of_stems: Mapping[str, Files]
    of_mix: Files

    @property
    def formats(self) -> list[str]:
        """Of the pictures that there are."""
        return sorted({kind for files in (*self.of_stems.values(), self.of_mix) for kind in files})


def draw_pictures(server: StandInServer, storage: Path, folder: Path) -> DemoPictures:
    """Draw the stems and the mix that lie in `storage`, into `folder`, which is made for it.

    The loudest sample reaches the edges, as in the front end.
    """
    stems = {
        stem.stem_id: _draw(storage / stem.filepath, stem.original_filename, folder / stem.stem_id)
        for stem in server.stems.values()
        if stem.playable
    }
    mixed = (server.mix or {}).get("mixed_file_path")
    return DemoPictures(
        folder, stems, _draw(storage / mixed, "Mix", folder / _MIX) if mixed else {}
    )


def _draw(source: Path, name: str, destination: Path) -> Files:
    destination.parent.mkdir(exist_ok=True)
    wave = read_wave(source, DEFAULT_WIDTH, split_channels=False)
    formats: tuple[Format, ...] = ("png", "svg") if has_pillow() else ("svg",)
    files: dict[str, str] = {}
    for kind in formats:
        path = destination.with_name(f"{destination.name}.{kind}")
        path.write_bytes(draw(wave, Wish(kind, normalised=True), name).content)
        files[kind] = str(path)
    return files
