"""Does a codec decode? Tried on a short file of its own."""

from __future__ import annotations

import wave

from waveflow.application.disk_errors import translated
from waveflow.application.ports import AudioCodec
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import InvalidAudio

_FRAMES = 800


def check_codec(codec: AudioCodec, work_folder: WorkFolder) -> None:
    """Analyse a tenth of a second of silence.

    Raises:
        WaveFlowError: when that doesn't give the right number of frames.
    """
    with work_folder.task() as folder:
        silence = folder / "silence.wav"
        with (
            translated(work_folder.root),
            silence.open("xb") as raw,
            wave.open(raw, "wb") as file,
        ):
            file.setparams((1, 2, 8_000, 0, "NONE", ""))
            file.writeframes(bytes(2 * _FRAMES))
        frames = codec.analyse(silence, 1, AudioLimits()).waveform.frames
    if frames != _FRAMES:
        raise InvalidAudio(f"{_FRAMES} frames of silence were decoded as {frames}.")
