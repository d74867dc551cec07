"""Machine code of kernels: compiled once, kept, found again, and never taken from strangers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tests.support.twins import JIT_IS_OFF
from waveflow.domain.kernels import cache
from waveflow.domain.kernels.native import Kernel, obtained
from waveflow.domain.kernels.target import LEVELS, Target
from waveflow.domain.kernels.warmup import kernels, warm_up

HOST = Target("znver9", frozenset({"+avx2", "+avx512f", "-amx"}))


def features_of(level: str) -> frozenset[str]:
    """What a processor of that level can do, and nothing more."""
    return Target.of_level(level).features


def _double(samples: Any, count: Any) -> Any:
    for at in range(count):
        samples[at] = samples[at] * 2
    return count


def _multiply_and_add(numbers: Any) -> Any:
    numbers[0] = numbers[0] * numbers[1] + numbers[2]
    return 0


DOUBLE = Kernel("double", ("i64", "int32*", "i64"), _double)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where kernels are kept; none lie there, nor anywhere else."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_BESIDE_SOURCE", tmp_path / "beside")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "cache" / "waveflow"


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where nothing can be written."""
    monkeypatch.setattr(cache, "_BESIDE_SOURCE", Path("/proc/kernels"))
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/proc/nowhere")


def test_a_kernel_changes_the_memory_that_it_is_given() -> None:
    samples = np.array([1, -2, 3], np.int32)
    assert DOUBLE(samples, 2) == 2
    assert samples.tolist() == [2, -4, 3]


def test_every_kernel_has_a_name_of_its_own() -> None:
    names = [kernel.name for kernel in kernels()]
    assert len(names) == len(set(names)) > 40


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
class TestCompiling:
    def test_what_was_compiled_is_found_the_next_time(self, folder: Path) -> None:
        target = Target.of_this_machine()
        first, second = obtained(DOUBLE, target), obtained(DOUBLE, target)
        assert (first.is_new, second.is_new) == (True, False)
        assert first.content == second.content
        assert first.kept_in == second.kept_in
        assert first.kept_in is not None
        assert first.kept_in.is_relative_to(folder)

    def test_only_a_fused_kernel_leaves_a_product_unrounded(self) -> None:
        kinds = ("i64", "float64*")
        plain = Kernel("plain", kinds, _multiply_and_add)
        fused = Kernel("fused", kinds, _multiply_and_add, fused=True)
        third = 1.0 / 3.0
        rounded = np.array([third, 3.0, -1.0])
        exact = rounded.copy()
        plain(rounded)
        fused(exact)
        assert rounded[0] == 0.0
        has_it = "+fma" in Target.of_this_machine().abilities
        assert exact[0] == (-(2.0**-54) if has_it else 0.0)

    @pytest.mark.usefixtures("nowhere")
    def test_where_nothing_can_be_kept_it_is_compiled_each_time(self) -> None:
        codes = [obtained(DOUBLE, Target.of_this_machine()) for _ in range(2)]
        assert [(code.kept_in, code.is_new) for code in codes] == [(None, True)] * 2

    def test_code_for_another_processor_is_made_on_this_one(self) -> None:
        other = Target("sapphirerapids", frozenset({"+avx512f", "+avx2"}))
        program = (
            "from tests.unit.domain.kernels.test_native import DOUBLE\n"
            "from waveflow.domain.kernels.native import obtained\n"
            "from waveflow.domain.kernels.target import Target\n"
            "print(Target.of_this_machine().cpu)\n"
            "print(obtained(DOUBLE, Target.of_this_machine()).kept_in.name)"
        )
        environment = os.environ | {
            "NUMBA_CPU_NAME": other.cpu,
            "NUMBA_CPU_FEATURES": other.flags,
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        cpu, place = done.stdout.decode().split()
        assert cpu == "sapphirerapids"
        assert place.startswith("sapphirerapids-")


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
class TestAColdProcess:
    PROGRAM = (
        "import json, sys\n"
        "import numpy as np\n"
        "from waveflow.domain.kernels.peaks import accumulate_peaks\n"
        "from waveflow.domain.kernels.warmup import warm_up\n"
        "news = sum(code.is_new for code in warm_up())\n"
        "peaks = np.zeros(2)\n"
        "low, high = np.array([9.0]), np.array([-9.0])\n"
        "block = np.array([[1, 2], [-3, -5]], np.int16)\n"
        "accumulate_peaks(block, 0, 2, 0.5, peaks, 2, low, high)\n"
        "found = [*peaks.tolist(), *low.tolist(), *high.tolist()]\n"
        "print(json.dumps([news, 'numba' in sys.modules, found]))"
    )

    def test_with_all_kernels_kept_it_compiles_nothing_and_never_imports_numba(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        warm_up()
        done = subprocess.run([sys.executable, "-c", self.PROGRAM], capture_output=True, check=True)
        assert json.loads(done.stdout) == [0, False, [1.5, 4.0, -4.0, 1.5]]

    @pytest.mark.slow
    def test_kernels_that_were_compiled_in_different_ones_keep_apart(self, tmp_path: Path) -> None:
        """Numba calls the insides of both by the same name."""
        beside = f"cache._BESIDE_SOURCE = Path({str(tmp_path / 'beside')!r})"
        for channels in (3, 5):
            _run(f"{_PEAKS}; {beside}; PEAKS['int16_{channels}'].load()")
        largest = _run(
            f"{_PEAKS}; {beside}; import numpy as np",
            "def largest(channels):",
            "    peaks = np.zeros(1)",
            "    samples = np.ones((4, channels), np.int16)",
            "    accumulate_peaks(samples, 0, 4, 1.0, peaks, 4, peaks.copy(), peaks.copy())",
            "    return peaks[0]",
            "print(*[largest(channels) for channels in (3, 5)])",
        )
        assert largest.split() == ["3.0", "5.0"]


_PEAKS = (
    "from pathlib import Path; from waveflow.domain.kernels import cache;"
    " from waveflow.domain.kernels.peaks import PEAKS, accumulate_peaks"
)


def _run(*lines: str) -> str:
    """What a new process prints that runs these lines."""
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class TestCache:
    def test_nothing_is_found_before_it_was_kept(self) -> None:
        assert cache.find("double", HOST) is None

    def test_what_was_kept_is_found(self) -> None:
        place = cache.keep("double", HOST, b"code")
        assert cache.find("double", HOST) == (b"code", place)
        assert cache.find("triple", HOST) is None

    def test_the_latest_code_counts(self) -> None:
        cache.keep("double", HOST, b"old")
        cache.keep("double", HOST, b"new")
        found = cache.find("double", HOST)
        assert found is not None
        assert found[0] == b"new"

    @pytest.mark.parametrize(
        ("features", "is_found"),
        [
            ({"+avx2"}, True),
            ({"+avx2", "+avx512f", "-sse4a"}, True),
            ({"+avx2", "+avx512f", "+gfni"}, False),
        ],
    )
    def test_code_for_the_same_processor_with_fewer_features_runs_here(
        self, features: set[str], is_found: bool
    ) -> None:
        cache.keep("double", evolve(HOST, features=frozenset(features)), b"code")
        assert (cache.find("double", HOST) is not None) is is_found

    def test_code_for_another_processor_is_not_run(self) -> None:
        cache.keep("double", evolve(HOST, cpu="sapphirerapids"), b"code")
        assert cache.find("double", HOST) is None

    @pytest.mark.parametrize(("lacking", "level"), [("", "x86-64-v4"), ("avx512vl", "x86-64-v3")])
    def test_portable_code_runs_wherever_nothing_is_missing_the_best_first(
        self, lacking: str, level: str
    ) -> None:
        places = {name: cache.keep("double", Target.of_level(name), b"code") for name in LEVELS}
        here = evolve(HOST, features=features_of("x86-64-v4") - {f"+{lacking}"})
        assert cache.find("double", here) == (b"code", places[level])

    def test_where_a_feature_of_every_level_is_missing_nothing_is_found(self) -> None:
        for name in LEVELS:
            cache.keep("double", Target.of_level(name), b"code")
        here = evolve(HOST, features=features_of("x86-64-v4") - {"+fma"})
        assert cache.find("double", here) is None

    def test_code_for_this_very_processor_comes_before_portable_code_in_whatever_folder(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = evolve(HOST, features=features_of("x86-64-v4"))
        with monkeypatch.context() as elsewhere:
            elsewhere.delenv("NUMBA_CACHE_DIR")
            native = cache.keep("double", here, b"native")
        portable = cache.keep("double", Target.of_level("x86-64-v4"), b"portable")
        assert native is not None
        assert portable is not None
        assert native.parents[1] != portable.parents[1]
        assert cache.find("double", here) == (b"native", native)

    def test_a_level_whose_code_says_too_little_is_held_to_all_of_it(self) -> None:
        cache.keep("double", Target("x86-64-v3", frozenset({"+avx2"})), b"code")
        assert cache.find("double", HOST) is None
        able = evolve(HOST, features=features_of("x86-64-v3"))
        assert cache.find("double", able) is not None

    def test_who_compiles_for_a_level_gets_no_other_ones_code(self) -> None:
        cache.keep("double", Target.of_level("x86-64-v3"), b"code")
        assert cache.find("double", Target.of_level("x86-64-v4")) is None

    @pytest.mark.parametrize("mode", [0o646, 0o664])
    def test_a_file_that_others_may_write_is_not_run(self, mode: int) -> None:
        place = cache.keep("double", HOST, b"code")
        assert place is not None
        (place / "double.o").chmod(mode)
        assert cache.find("double", HOST) is None

    @pytest.mark.parametrize("above", [0, 1])
    def test_nor_is_one_in_a_folder_that_others_may_write(self, above: int) -> None:
        place = cache.keep("double", HOST, b"code")
        assert place is not None
        [place, place.parent][above].chmod(0o777)
        assert cache.find("double", HOST) is None
        assert cache.keep("double", HOST, b"code") not in (None, place)

    def test_nor_is_what_a_link_leads_to(self, tmp_path: Path) -> None:
        place = cache.keep("double", HOST, b"code")
        assert place is not None
        (place / "double.o").rename(tmp_path / "elsewhere")
        (place / "double.o").symlink_to(tmp_path / "elsewhere")
        assert cache.find("double", HOST) is None
        (place / "double.o").unlink()
        (tmp_path / "elsewhere").rename(place / "double.o")
        assert cache.find("double", HOST) is not None
        place.rename(tmp_path / "place")
        place.symlink_to(tmp_path / "place")
        assert cache.find("double", HOST) is None

    @pytest.mark.parametrize(
        "damage",
        [lambda code: b"", lambda code: code[:-1], lambda code: bytes(len(code))],
        ids=["empty", "cut", "zeros"],
    )
    def test_a_damaged_file_is_not_run_and_is_replaced(
        self, damage: Callable[[bytes], bytes]
    ) -> None:
        place = cache.keep("double", HOST, b"code")
        assert place is not None
        (place / "double.o").write_bytes(damage((place / "double.o").read_bytes()))
        assert cache.find("double", HOST) is None
        cache.keep("double", HOST, b"code")
        assert cache.find("double", HOST) == (b"code", place)

    @pytest.mark.parametrize("features", [b"", b"\xff\xfe", b"-avx512f"])
    def test_code_that_doesnt_say_what_it_needs_is_not_run(self, features: bytes) -> None:
        lesser = evolve(HOST, features=frozenset({"+avx2"}))
        place = cache.keep("double", lesser, b"code")
        assert place is not None
        (place / "features.txt").write_bytes(features)
        assert cache.find("double", HOST) is None
        assert cache.find("double", lesser) is not None

    def test_a_file_of_another_user_is_not_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        place = cache.keep("double", HOST, b"code")
        assert place is not None
        owner = (place / "double.o").stat().st_uid
        if owner == 0:
            try:
                os.chown(place / "double.o", 12_345, -1)
            except PermissionError:
                pytest.skip("files can't be given away here")
        else:
            monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        assert cache.find("double", HOST) is None

    @pytest.mark.usefixtures("nowhere")
    def test_where_nothing_can_be_written_nothing_is_kept(self) -> None:
        assert cache.keep("double", HOST, b"code") is None
        assert cache.find("double", HOST) is None

    def test_a_home_that_is_unknown_is_no_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_home() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(cache, "_BESIDE_SOURCE", Path("/proc/kernels"))
        monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", no_home)
        assert cache.keep("double", HOST, b"code") is None


class TestTarget:
    def test_this_machine_can_run_what_is_compiled_for_it(self) -> None:
        here = Target.of_this_machine()
        assert here.can_run(here)
        assert here.abilities

    @pytest.mark.parametrize("name", ["NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"])
    def test_half_a_processor_is_none(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        here = Target.of_this_machine()
        monkeypatch.setenv(name, "+avx2")
        assert Target.of_this_machine.__wrapped__(Target) == here

    def test_a_levels_name_says_it_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v3")
        monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
        level = Target.of_this_machine.__wrapped__(Target)
        assert level == Target.of_level("x86-64-v3")
        assert "+avx2" in level.abilities
        assert "+avx512f" not in level.abilities

    def test_the_flags_list_what_there_is_and_what_isnt(self) -> None:
        assert HOST.flags == "+avx2,+avx512f,-amx"
