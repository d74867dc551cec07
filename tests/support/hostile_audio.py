"""The hostile set: files that a stranger may upload, and what has to come of each.

`python -m tests.support.hostile_audio FOLDER` writes them all, and `manifest.json` with what is
expected.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.hostile_file import Hostile, Refused
from tests.support.hostile_foreign import hostile_foreign
from tests.support.hostile_lossless import hostile_lossless
from tests.support.hostile_lossy import hostile_lossy
from tests.support.hostile_m4a import hostile_m4a
from tests.support.hostile_wav import hostile_wavs

HOSTILE: dict[str, Hostile] = (
    hostile_wavs() | hostile_lossless() | hostile_lossy() | hostile_m4a() | hostile_foreign()
)
"""Name → file. The names begin with the format, or with `foreign` or `legacy`."""

BOMBS = (
    "flac an hour of silence",
    "flac ten minutes of 8 channels in 14 kB",
    "flac seven hours in 40 kB",
)
"""Those that take seconds, whatever decodes them."""


def manifest_of(entry: Hostile) -> dict[str, Any]:
    """What is expected, for a reader of JSON."""
    expected = entry.expected
    if isinstance(expected, Refused):
        return {"outcome": "refused", "code": expected.code, "words": expected.words}
    return {
        "outcome": "works",
        "frames": expected.frames,
        "sample_rate_hz": expected.sample_rate_hz,
        "channels": expected.channels,
    }


def write_all(folder: Path) -> None:
    """Write every file, numbered, and the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {}
    for number, (name, entry) in enumerate(HOSTILE.items()):
        path = entry.write(folder / f"{number:03}")
        manifest[path.name] = {"name": name, "bytes": path.stat().st_size, **manifest_of(entry)}
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (folder / "manifest.json").write_text(text + "\n")


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
