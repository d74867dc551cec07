"""Waves to draw, and what was drawn."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image

from tests.support.audio_files import write_audio
from waveflow.entrypoints.pictures.render import Wish, render
from waveflow.entrypoints.pictures.wave import Wave

SVG = "{http://www.w3.org/2000/svg}"


def wave_of(
    low: Sequence[Sequence[float]],
    high: Sequence[Sequence[float]],
    rms: Sequence[Sequence[float]] | None = None,
    *,
    duration_s: float = 1.0,
) -> Wave:
    """A wave of these amplitudes."""
    lanes = np.array(low, np.float64), np.array(high, np.float64)
    return Wave(*lanes, None if rms is None else np.array(rms), duration_s, 44_100, len(low))


@frozen
class Files:
    """Audio in a folder of its own, and pictures of it."""

    folder: Path

    def audio(self, samples: NDArray[Any], *, sample_rate_hz: int = 8000) -> Path:
        """A file of these samples, (frames,) or (frames, channels)."""
        frames = samples.reshape(len(samples), *samples.shape[1:] or (1,)).astype(np.float32)
        return write_audio(self.folder / "song.wav", frames, sample_rate_hz, kind="wav-float")

    def opacity(self, samples: NDArray[Any], **wishes: Any) -> NDArray[Any]:
        """How much a picture covers of each pixel, 0 to 255, (height, width)."""
        return alpha(self.png(samples, **wishes))

    def png(self, samples: NDArray[Any], **wishes: Any) -> bytes:
        return render(self.audio(samples), Wish("png", **({"axis": False} | wishes))).content

    def svg(self, samples: NDArray[Any], **wishes: Any) -> ET.Element:
        content = render(self.audio(samples), Wish("svg", **({"axis": False} | wishes))).content
        return ET.fromstring(content)


def opened(content: bytes) -> Image.Image:
    """A PNG, checked from end to end."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def alpha(content: bytes) -> NDArray[Any]:
    """The opacity of each pixel of a PNG."""
    return np.asarray(opened(content).convert("RGBA"))[:, :, 3]


def colours(content: bytes) -> NDArray[Any]:
    """The colour of each pixel of a PNG, (height, width, 3)."""
    return np.asarray(opened(content).convert("RGBA"))[:, :, :3]


def square(seconds: float = 1.0, level: float = 1.0, sample_rate_hz: int = 8000) -> NDArray[Any]:
    """1 kHz, as a square wave."""
    frames = np.arange(round(seconds * sample_rate_hz))
    return np.where(frames % 8 < 4, level, -level)
