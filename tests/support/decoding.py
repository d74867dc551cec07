"""What the product decodes a file to, by the decoder of its choice or by libsndfile."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from waveflow.adapters.codec.decoders import table
from waveflow.adapters.codec.reader import open_reader


def read_all(path: Path, block_frames: int = 65_536) -> NDArray[Any]:
    """All frames of a file. Each block is valid until the next only, and copied."""
    with open_reader(path) as reader:
        blocks = [reader.read(0).copy()]
        while len(block := reader.read(block_frames)):
            blocks.append(block.copy())
        return np.concatenate(blocks)


def by_libsndfile(path: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[Any]:
    """The same, where there is no other decoder."""
    only = MappingProxyType(dict.fromkeys(table.DECODERS, (table.LIBSNDFILE,)))
    with monkeypatch.context() as patched:
        patched.setattr(table, "DECODERS", only)
        return read_all(path)
