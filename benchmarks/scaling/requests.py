"""Which requests a message makes: counted in the fault matrix, which saw every one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import frozen

from benchmarks.scaling.load import Stem
from waveflow.adapters.storage.s3_parts import IN_ONE_PIECE_BYTES, PART_BYTES


@frozen
class Requests:
    """Requests of one message, without the parts of large stems.

    Attributes:
        reads: GET and HEAD to S3.
        writes: PUT to S3.
        deletes: DELETE to S3, which costs nothing.
    """

    reads: int
    writes: int
    deletes: int = 0


MIX_READS_PER_STEM = 2
"""HEAD and GET."""

PER_MESSAGE: Mapping[str, Requests] = {
    "hash": Requests(reads=1, writes=1),
    "duplicate": Requests(reads=5, writes=2, deletes=1),
    "analysis": Requests(reads=2, writes=1),
    "mix": Requests(reads=1, writes=2),
}
"""docs/fault-matrix.md: "hash of a new stem", "duplicate that is deleted", "analysis" and "mix of
three stems", that without what it does for each stem. A test reads them there."""

READS_BEFORE = {"hash": 1, "duplicate": 4, "analysis": 2, "mix": 3}
"""Those that follow each other before the work: their latencies add up."""

WRITES = {"hash": 1, "duplicate": 4, "analysis": 1, "mix": 2}
"""Those after it: PUT, and what a deletion needs."""


def parts_of(stem: Stem) -> int:
    """How many GETs read one stem."""
    return 1 if stem.bytes <= IN_ONE_PIECE_BYTES else math.ceil(stem.bytes / PART_BYTES)
