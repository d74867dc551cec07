"""Compile, or load from the cache, every kernel for every sample type, before work waits."""

from __future__ import annotations

import numpy as np

from waveflow.domain.kernels.mixing import add_mono, divide, quantise
from waveflow.domain.kernels.peaks import accumulate_peaks

SAMPLE_TYPES = (np.int16, np.int32, np.float32, np.float64)


def warm_up() -> None:
    """Run each kernel once on a frame of silence for each sample type."""
    peaks = np.zeros(1)
    total = np.zeros(1)
    mixed = np.zeros(1, np.float32)
    for sample_type in SAMPLE_TYPES:
        frame = np.zeros((1, 1), sample_type)
        accumulate_peaks(frame, 0, 1, 1.0, peaks)
        add_mono(frame, 1.0, total)
    divide(total, 1, mixed)
    quantise(mixed, 1.0, np.zeros(1, np.int16))
