"""People's file names: as part of a storage key, as a download, as one of many in an archive."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

from waveflow.domain.keys import folded

_MOST_KEY_BYTES = 160
"""Of a file name within a key: a segment may have 255 bytes, and a time and an id come first."""
_MOST_SHOWN_CHARACTERS = 200
_NAMELESS = "unnamed"


def shown_name(name: str) -> str:
    """`name` without folders, line breaks and the like, in composed letters, and not endless.

    A Mac sends Korean syllables taken apart into their letters; everybody else has them whole.
    """
    whole = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    letters = "".join(letter for letter in whole if unicodedata.category(letter)[0] != "C").strip()
    if letters.strip(". ") == "":
        return _NAMELESS
    return _shortened(letters, lambda text: len(text) <= _MOST_SHOWN_CHARACTERS)


def key_name(name: str) -> str:
    """What stands for `name`, which is a shown one, in a storage key."""
    return _shortened(name, lambda text: len(text.encode()) <= _MOST_KEY_BYTES)


def with_suffix(name: str, suffix: str) -> str:
    """`song.wav` and `.json` to `song.json`."""
    return PurePosixPath(name).stem + suffix


class UniqueNames:
    """Gives each file of an archive a name of its own, whatever a file system takes for equal."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """`name`, or `name (2)` when that is taken, and so on."""
        path = PurePosixPath(name)
        number, candidate = 1, name
        while folded(candidate) in self._taken:
            number += 1
            candidate = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        self._taken.add(folded(candidate))
        return candidate


def _shortened(name: str, fits: Callable[[str], bool]) -> str:
    """`name` with letters left out before its suffix until it fits."""
    path = PurePosixPath(name)
    suffix = path.suffix if len(path.suffix) <= 12 else ""
    stem = name.removesuffix(suffix)
    while stem and not fits(stem + suffix):
        stem = stem[:-1]
    return stem + suffix
