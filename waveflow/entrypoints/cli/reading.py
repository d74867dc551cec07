"""How far this process has read its files, as Linux tells it of open descriptors.

Decoders read in libraries of their own, which tell nobody. What the system knows costs nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from waveflow.entrypoints.cli.progress import Reach, busy, is_watched, reached_bar

_DESCRIPTORS = Path("/proc/self/fd")
_EVERY_S = 0.1
_Identity = tuple[int, int]


@contextmanager
def reading(doing: str, paths: Sequence[Path]) -> Iterator[None]:
    """Show how much of `paths` is read meanwhile, on a terminal only.

    Elsewhere than on Linux: that it takes its time.
    """
    if not is_watched() or not _DESCRIPTORS.is_dir():
        with busy(doing):
            yield
        return
    sizes = {_identity(path.stat()): path.stat().st_size for path in paths}
    ended = threading.Event()
    with reached_bar(doing, sum(sizes.values())) as reach:
        looking = threading.Thread(target=_look, args=(sizes, reach, ended), daemon=True)
        looking.start()
        try:
            yield
        finally:
            ended.set()
            looking.join()


def _look(sizes: Iterable[_Identity], reach: Reach, ended: threading.Event) -> None:
    reached = 0
    while not ended.wait(_EVERY_S):
        # Who opens a file once more begins at its start; a bar doesn't go back for that.
        reached = max(reached, bytes_read(sizes))
        reach(reached)


def bytes_read(files: Iterable[_Identity]) -> int:
    """How many bytes of `files`, named by device and inode, have been read through what is open.

    Who hashes a file and decodes it has it open twice: the slower one counts.
    """
    places: dict[_Identity, int] = {}
    for descriptor in _DESCRIPTORS.iterdir():
        try:
            file = _identity(descriptor.stat())
            if file in files:
                place = _place(descriptor.name)
                places[file] = min(place, places.get(file, place))
        except (OSError, ValueError):
            continue  # It was closed meanwhile.
    return sum(places.values())


def _place(descriptor: str) -> int:
    # The first line is `pos:` and the offset.
    return int(Path(f"/proc/self/fdinfo/{descriptor}").read_text().split(maxsplit=2)[1])


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino
