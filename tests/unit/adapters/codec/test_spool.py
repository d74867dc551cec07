"""The spool: it gives back what it was given, and leaves nothing in the folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from waveflow.adapters.codec.spool import FileSpool

SIGNAL = np.random.default_rng(1).uniform(-1, 1, 100_003).astype(np.float32)


@pytest.mark.parametrize("block_frames", [1_000, 65_536, 100_003, 200_000])
@pytest.mark.parametrize("appended_frames", [777, 65_536])
def test_samples_come_back_in_order_at_every_block_size(
    tmp_path: Path, block_frames: int, appended_frames: int
) -> None:
    with FileSpool(tmp_path) as spool:
        for start in range(0, len(SIGNAL), appended_frames):
            spool.append(SIGNAL[start : start + appended_frames])
        blocks = [block.copy() for block in spool.blocks(block_frames)]
    assert np.array_equal(np.concatenate(blocks), SIGNAL)
    assert all(len(block) == block_frames for block in blocks[:-1])


def test_samples_can_be_read_more_than_once(tmp_path: Path) -> None:
    with FileSpool(tmp_path) as spool:
        spool.append(SIGNAL[:5])
        first = [block.tolist() for block in spool.blocks(10)]
        assert [block.tolist() for block in spool.blocks(10)] == first


def test_an_empty_spool_has_no_blocks(tmp_path: Path) -> None:
    with FileSpool(tmp_path) as spool:
        assert list(spool.blocks(10)) == []


def test_no_file_is_ever_to_be_seen(tmp_path: Path) -> None:
    with FileSpool(tmp_path) as spool:
        spool.append(SIGNAL)
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_isnt_there_is_an_error_of_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSpool(tmp_path / "missing")
