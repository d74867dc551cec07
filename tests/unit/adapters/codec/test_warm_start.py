"""What compute processes have loaded when the kernels are in the cache."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.twins import JIT_IS_OFF
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.kernels.warmup import warm_up


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
def test_compute_processes_never_load_the_compiler_when_all_is_compiled(tmp_path: Path) -> None:
    warm_up()
    song = write_audio(tmp_path / "song", tone(4_410), kind="wav-16")
    others = psutil.Process().children(recursive=True)
    with IsolatedCodec(SoundfileCodec(), processes=1) as codec:
        codec.analyse(song, 100, AudioLimits())
        processes = set(psutil.Process().children(recursive=True)).difference(others)
        mapped = [Path(f"/proc/{process.pid}/maps").read_text() for process in processes]
    assert len(mapped) >= 2, "the fork server and a child"
    assert all("llvmlite" in maps for maps in mapped), "the kernels were loaded"
    assert not any("site-packages/numba/" in maps for maps in mapped)
