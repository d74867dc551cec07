"""A compute process can do little beside decoding: write no more than a mix, reach nobody."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.hostile_codec import HostileCodec, order
from waveflow.adapters.codec import confinement
from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.fork_server import ForkServer
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.application.extras import Dat, Extras
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import AudioTooLarge, DecoderFailed, UnreadableStem
from waveflow.domain.mixing import require_fits_wav

LIMITS = AudioLimits()
MIX_BYTES = 1 << 22


@pytest.fixture(scope="module")
def codec() -> Iterator[IsolatedCodec]:
    limits = ProcessLimits(file_bytes=MIX_BYTES)
    with IsolatedCodec(HostileCodec(), processes=1, limits=limits) as codec:
        yield codec


def number(codec: IsolatedCodec, folder: Path, command: str) -> int:
    """The number that a file with this command gives."""
    return codec.analyse(order(folder, command), 1, LIMITS).waveform.frames


class TestWriting:
    def test_in_an_analysis_is_limited_to_a_mebibyte(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        assert number(codec, tmp_path, "file-limit") == 1 << 20
        assert number(codec, tmp_path, f"write-at {(1 << 20) - 1}") == 1
        with pytest.raises(DecoderFailed, match="write without end") as error:
            number(codec, tmp_path, f"write-at {1 << 20}")
        assert error.value.code == "decoder_crashed"

    def test_in_an_analysis_that_is_asked_for_a_dat_is_limited_to_a_quarter_of_a_gibibyte(
        self, tmp_path: Path
    ) -> None:
        extras = Extras(dat=Dat(tmp_path / "w.dat"))
        with IsolatedCodec(HostileCodec(), processes=1) as codec:
            source = order(tmp_path, "file-limit")
            assert codec.analyse(source, 1, LIMITS, extras).waveform.frames == 1 << 28

    def test_in_an_analysis_with_a_dat_is_limited_as_in_a_mix_where_that_may_write_less(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        extras = Extras(levels=True, dat=Dat(tmp_path / "w.dat"))
        source = order(tmp_path, "file-limit")
        assert codec.analyse(source, 1, LIMITS, extras).waveform.frames == MIX_BYTES
        assert codec.analyse(source, 1, LIMITS, Extras(levels=True)).waveform.frames == 1 << 20

    @pytest.mark.parametrize("offset", [MIX_BYTES - 1, MIX_BYTES])
    def test_in_a_mix_ends_at_the_limit(
        self, codec: IsolatedCodec, tmp_path: Path, offset: int
    ) -> None:
        sources = [order(tmp_path, f"write-at {offset}")]
        if offset < MIX_BYTES:
            assert codec.mix(sources, tmp_path / "mix", 1, LIMITS).waveform.frames == 1
            return
        with pytest.raises(UnreadableStem) as error:
            codec.mix(sources, tmp_path / "mix", 1, LIMITS)
        assert (error.value.index, error.value.code) == (0, "decoder_crashed")
        assert not (tmp_path / "mix").exists()

    def test_without_end_by_code_that_ignores_errors_ends_all_the_same(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        sources = [order(tmp_path, "write-endlessly")]
        with pytest.raises(UnreadableStem) as error:
            codec.mix(sources, tmp_path / "mix", 1, LIMITS)
        assert error.value.code == "decoder_crashed"
        assert (tmp_path / "endless").stat().st_size <= MIX_BYTES

    @pytest.mark.slow
    def test_has_room_for_the_longest_mix_that_a_wav_file_holds(self, tmp_path: Path) -> None:
        frames = (2**32 - 1024) // 2
        require_fits_wav(frames)
        with pytest.raises(AudioTooLarge):
            require_fits_wav(frames + 1)
        spool_bytes = 4 * frames
        sources = [order(tmp_path, f"write-at {spool_bytes - 1}")]
        with IsolatedCodec(HostileCodec(), processes=1) as codec:
            assert codec.mix(sources, tmp_path / "mix", 1, LIMITS).waveform.frames == 1
        assert (tmp_path / "far").stat().st_size == spool_bytes

    @pytest.mark.slow
    def test_a_lower_limit_of_the_system_is_no_fault_of_the_file(self, tmp_path: Path) -> None:
        program = (
            "import resource, sys; from pathlib import Path\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
            "from tests.support.hostile_codec import HostileCodec, order\n"
            "from waveflow.adapters.codec.isolated import IsolatedCodec\n"
            "from waveflow.domain.audio import AudioLimits\n"
            "folder = Path(sys.argv[1])\n"
            "with IsolatedCodec(HostileCodec(), processes=1) as codec:\n"
            "    try:\n"
            "        codec.mix([order(folder, 'write-at 4096')], folder / 'm', 1, AudioLimits())\n"
            "    except OSError as error:\n"
            "        print(error.errno)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4]), "COVERAGE_RUN": ""},
        )
        assert ran.stdout == f"{errno.EFBIG}\n"


def test_its_output_goes_nowhere(codec: IsolatedCodec, tmp_path: Path) -> None:
    assert number(codec, tmp_path, "outputs-to-nowhere") == 2


@pytest.mark.slow
def test_nothing_that_it_prints_is_a_line_of_the_services_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with IsolatedCodec(HostileCodec(), processes=1) as codec:
        assert number(codec, tmp_path, "print") == 2 * len("forged\n")
    assert capfd.readouterr() == ("", "")


def test_no_memory_image_is_left_when_it_dies(codec: IsolatedCodec, tmp_path: Path) -> None:
    assert number(codec, tmp_path, "core-limit") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own means")
class TestKernel:
    def test_lets_it_make_no_connection(self, codec: IsolatedCodec, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            assert number(codec, tmp_path, f"connect {port}") == errno.EPERM
            socket.create_connection(("127.0.0.1", port)).close()

    @pytest.mark.parametrize("command", ["run-program", "become-a-program", "fork", "open-a-pair"])
    def test_lets_it_start_no_program_no_process_and_open_no_socket(
        self, codec: IsolatedCodec, tmp_path: Path, command: str
    ) -> None:
        assert number(codec, tmp_path, command) == errno.EPERM

    @pytest.mark.parametrize(
        ("command", "refused"),
        [
            ("make-link", errno.EACCES),
            ("make-pipe", errno.EACCES),
            ("make-second-name", errno.EXDEV),
            ("move-away", errno.EXDEV),
        ],
    )
    def test_lets_it_leave_nothing_that_could_be_taken_for_its_result(
        self, codec: IsolatedCodec, tmp_path: Path, command: str, refused: int
    ) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "made").write_text("somebody else's")
        assert number(codec, tmp_path, command) == refused
        assert not os.path.lexists(tmp_path / "made")

    def test_lets_it_have_threads(self, codec: IsolatedCodec, tmp_path: Path) -> None:
        assert number(codec, tmp_path, "start-threads 3") == 3

    def test_lets_it_read_nobody_elses_environment(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        child = number(codec, tmp_path, "pid")
        # Of the same user, in case the child gives up its own rights as a superuser.
        user = None if os.getuid() else 65_534
        with subprocess.Popen(["/bin/sleep", "60"], user=user) as other:
            try:
                refused = number(codec, tmp_path, f"read-environment {other.pid}")
            finally:
                other.kill()
        assert refused in (errno.EACCES, errno.EPERM)
        os.kill(child, 9)

    def test_forbids_so_on_this_machine_and_nothing_is_lacking(self) -> None:
        program = "from waveflow.adapters.codec.confinement import confine; print(confine())"
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        assert ran.stdout == b"()\n"

    def test_refuses_calls_that_go_past_the_library(self) -> None:
        if platform.machine() != "x86_64":
            pytest.skip("the numbers are that processor's")
        calls = {
            "socket": "41, 1, 1, 0",
            "write in x32": "0x40000001, 1, b'x', 1",
            "fork": "57",
            "vfork": "58",
            "clone": "56, 17, 0, 0, 0, 0",
            "clone3": "435, 0, 0",
            "write": "1, 1, b'', 0",
        }
        program = (
            "import ctypes; from waveflow.adapters.codec.confinement import confine; confine()\n"
            "call = ctypes.CDLL(None, use_errno=True).syscall\n"
            f"for arguments in {list(calls.values())}:\n"
            "    print(eval(f'call({arguments})') and ctypes.get_errno())\n"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        refused = dict(zip(calls, map(int, ran.stdout.split()), strict=True))
        assert refused == {
            **dict.fromkeys(calls, errno.EPERM),
            "clone3": errno.ENOSYS,
            "write": 0,
        }

    @pytest.mark.parametrize(
        ("name", "header"),
        [
            # The generic table is that of 64-bit ARM.
            ("aarch64", "asm-generic/unistd.h"),
            ("x86_64", "x86_64-linux-gnu/asm/unistd_64.h"),
        ],
    )
    def test_knows_the_calls_by_these_numbers(self, name: str, header: str) -> None:
        table = Path("/usr/include", header)
        if not table.exists():
            pytest.skip("no kernel headers are installed")
        found = re.findall(r"#define __NR_(\w+) (\d+)", table.read_text())
        numbers = {call: int(number) for call, number in found}
        machine = confinement._MACHINES[name]
        assert machine.refused == {call: numbers[call] for call in machine.refused}
        assert (machine.clone, confinement._CLONE3) == (numbers["clone"], numbers["clone3"])

    def test_refuses_the_same_on_each_machine(self) -> None:
        intel, arm = (confinement._MACHINES[name].refused for name in ("x86_64", "aarch64"))
        assert set(arm) == set(intel) - {"fork", "vfork"}  # There it is `clone` that does these.


def test_what_is_lacking_is_said_once() -> None:
    server = ForkServer()
    with capture_logs() as logs:
        server._warn_of(())
        server._warn_of(("system_call_filter",))
        server._warn_of(("system_call_filter",))
    assert logs == [
        {
            "event": "compute_processes_not_confined",
            "lacking": ("system_call_filter",),
            "log_level": "warning",
        }
    ]


def test_where_the_kernel_refuses_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "_libc", _RefusingLibc)
    assert confinement.confine() == (
        "no_new_privileges",
        "process_separation",
        "system_call_filter",
    )
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert "system_call_filter" in confinement.confine()


class _RefusingLibc:
    def prctl(self, *_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    def syscall(self, *_: object) -> int:
        return -1
