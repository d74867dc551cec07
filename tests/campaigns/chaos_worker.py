"""`python -m tests.campaigns.chaos_worker` is `waveflow worker` with a decoder that can crash."""

from __future__ import annotations

import sys

from tests.campaigns.chaos_codec import CrashingCodec
from waveflow.adapters.codec import soundfile_codec


def main() -> None:
    """Put the codec in the place of production's, before anything else is imported; then work."""
    soundfile_codec.SoundfileCodec = CrashingCodec  # type: ignore[misc]

    from waveflow.entrypoints.cli import main as waveflow

    sys.argv[1:] = ["worker"]
    waveflow()


if __name__ == "__main__":
    main()
