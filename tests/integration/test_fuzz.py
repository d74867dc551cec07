"""The fuzzing campaign: a short run of it, and that it would notice what it looks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from attrs import frozen

from tests.campaigns.fuzz import (
    NUM_PEAKS,
    Findings,
    Fuzzer,
    Plan,
    main,
    run_fuzz,
    table,
    wrong_with,
)
from tests.support.audio_files import KINDS, patch, tone, write_audio
from tests.support.audio_units import flac_frames, ogg_pages, repaired, units_of
from tests.support.flac_writer import Frame, constant, flac, stream_info
from tests.support.mutations import LARGEST_BYTES, mutated
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioFormat, AudioLimits, Container, Encoding
from waveflow.domain.errors import DecoderFailed, InvalidAudio
from waveflow.domain.mixing import Mix
from waveflow.domain.pixels import Pixels
from waveflow.domain.waveform import Analysis, Waveform

NO_PIXELS = Pixels.laid_out(0, 1)


@pytest.mark.slow
def test_a_thousand_mutated_files_give_results_or_codes(tmp_path: Path) -> None:
    findings = run_fuzz(Plan(seed=2026, files=1_000, keep=tmp_path / "kept"))
    assert findings.problems == []
    assert findings.crashes == []
    assert len(findings.outcomes) == 1_000
    codes = {each.outcome for each in findings.outcomes}
    assert codes >= {"result", "invalid_audio", "not_audio", "audio_truncated"}
    formats = {each.origin.split()[0] for each in findings.outcomes}
    assert formats >= {container.value for container in Container}
    assert "seed" not in table(findings)


@frozen
class Scripted(AudioCodec):
    """Does the same with every file."""

    outcome: Analysis | Exception

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        destination.write_bytes(bytes(44 + 2 * 100))
        return Mix(self.analyse(sources[1], num_peaks, limits).waveform, 1.0)


def waveform(peak: float = 0.5, frames: int = 100, rate_hz: int = 8_000) -> Waveform:
    return Waveform(np.full(NUM_PEAKS, peak), frames, rate_hz, NO_PIXELS)


def analysis(found: Waveform, channels: int = 1) -> Analysis:
    return Analysis(found, AudioFormat(Container.WAV, Encoding.PCM_16), channels)


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outcome", "broken"),
    [
        (analysis(waveform()), False),
        (InvalidAudio("Damaged."), False),
        (DecoderFailed("Crashed.", code="decoder_crashed"), False),
        (DecoderFailed("Slow.", code="decoder_timeout"), True),
        (DecoderFailed("Hungry.", code="decoder_out_of_memory"), True),
        (ValueError("a defect"), True),
        (OSError("a defect as well"), True),
        (analysis(waveform(), channels=0), True),
        (analysis(waveform(peak=1.5)), True),
        (analysis(waveform(peak=float("nan"))), True),
    ],
    ids=lambda value: getattr(value, "code", type(value).__name__),
)
def test_a_broken_promise_is_noticed(
    corpus_folder: Path, tmp_path: Path, outcome: Analysis | Exception, broken: bool
) -> None:
    plan = Plan(keep=tmp_path / "kept")
    fuzzer = Fuzzer(plan, corpus_folder, Scripted(outcome))
    # A mix doesn't tell how many channels there were.
    is_about_channels = isinstance(outcome, Analysis) and outcome.channels == 0
    numbers = [n for n in range(99) if not (is_about_channels and fuzzer.file(n)[2])][:8]
    found = [fuzzer.run(number) for number in numbers]
    assert [each.problem is not None for each in found] == [broken] * 8
    is_kept = broken or getattr(outcome, "code", "").startswith("decoder_")
    assert len(list(tmp_path.rglob("*.audio"))) == (8 if is_kept else 0)
    again = Fuzzer(plan, corpus_folder, Scripted(outcome))
    assert [again.file(number) for number in range(8)] == [fuzzer.file(n) for n in range(8)]


@pytest.mark.parametrize(
    "odd",
    [
        Waveform(np.zeros(NUM_PEAKS - 1), 1, 8_000, NO_PIXELS),
        waveform(peak=-0.1),
        waveform(peak=float("inf")),
        waveform(peak=0.5, frames=0),
        waveform(frames=-1),
        waveform(rate_hz=1),
        waveform(frames=10**9),
    ],
)
def test_a_waveform_that_can_not_be_is_noticed(odd: Waveform) -> None:
    assert wrong_with(waveform(), 1.0) is None
    assert wrong_with(odd, 1.0) is not None


class TestRepair:
    def test_gets_a_change_in_a_flac_frame_past_its_checksum(self, tmp_path: Path) -> None:
        path = tmp_path / "audio"
        original = flac(stream_info(3 * 4096), constant(3, Frame(0, (8_192, 0))))
        path.write_bytes(original)
        start, _ = list(flac_frames(original, 42))[1]
        place = original.index((8_192).to_bytes(2, "big"), start)
        changed = patch(path, place, (16_384).to_bytes(2, "big")).read_bytes()
        with pytest.raises(InvalidAudio):
            SoundfileCodec().analyse(path, 3, AudioLimits())
        path.write_bytes(repaired(changed, original))
        found = SoundfileCodec().analyse(path, 3, AudioLimits()).waveform
        assert found.peaks.tolist() == [0.125, 0.25, 0.125]

    def test_gets_a_change_in_an_ogg_page_past_its_checksum(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "audio", tone(20_000), kind="ogg-vorbis")
        original = path.read_bytes()
        assert repaired(original, original) == original
        start, _ = list(ogg_pages(original))[-1]
        changed = patch(path, start + 100, b"\xff").read_bytes()
        fixed = repaired(changed, original)
        assert fixed != changed
        assert fixed[:start] == original[:start]
        path.write_bytes(fixed)
        assert SoundfileCodec().analyse(path, 1, AudioLimits()).waveform.frames == 20_000


@pytest.mark.parametrize("kind", ["wav-24", "aiff-16", "flac-16", "mp3", "ogg-vorbis", "rf64-16"])
def test_the_parts_of_every_format_are_found(tmp_path: Path, kind: str) -> None:
    content = write_audio(tmp_path / "audio", tone(20_000), kind=kind).read_bytes()
    units = units_of(content)
    assert len(units) >= 2
    assert all(start < end <= len(content) for start, end in units)
    assert units[-1][1] >= len(content) - 1


def test_mutants_differ_and_stay_small(tmp_path: Path) -> None:
    contents = [
        write_audio(tmp_path / kind, tone(2_000, 1, 48_000), 48_000, kind=kind).read_bytes()
        for kind in KINDS
    ]
    chance = Random(5)
    mutants = [mutated(chance.choice(contents), contents, chance) for _ in range(300)]
    assert all(len(mutant) <= LARGEST_BYTES for mutant in mutants)
    assert len(set(mutants) - set(contents)) > 280


@pytest.mark.slow
def test_the_command_says_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "7", "--only", "3", "4"]) == 0
    said = capsys.readouterr().out
    assert "seed 7: 2 files" in said
    assert "largest resident memory of a child" in said
    assert Findings().crashes == []
