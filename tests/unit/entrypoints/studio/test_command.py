"""`waveflow studio`: where it listens, what it needs, and what it says when it can't begin."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.twins import JIT_IS_OFF
from tests.unit.entrypoints.command_line import CommandLine
from waveflow.domain.errors import PermanentError
from waveflow.domain.kernels import cache, warmup
from waveflow.domain.kernels.warmup import warm_up
from waveflow.entrypoints.cli.studio import compile_kernels, has_display
from waveflow.entrypoints.studio import front_end
from waveflow.entrypoints.studio.front_end import NotInstalled, require_installed
from waveflow.entrypoints.studio.opening import opened
from waveflow.entrypoints.studio.serve import Address, StudioServer, listening, serve_studio


def test_it_listens_on_this_machine_alone() -> None:
    with listening(0, or_any=False) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        assert port > 0
        # Without it asyncio leaves Nagle's algorithm on: 40 ms for each answer.
        assert listener.proto == socket.IPPROTO_TCP
    assert Address(8787, "secret").url == "http://127.0.0.1:8787/?token=secret"


def test_a_port_that_is_taken_is_refused_or_replaced() -> None:
    with listening(0, or_any=False) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PermanentError, match=f"127.0.0.1:{port}: .*Choose another port"):
            listening(port, or_any=False)
        with listening(port, or_any=True) as other:
            assert other.getsockname()[1] not in (0, port)


def test_without_the_pages_library_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match=r"needs wavesurfer.js.* `make studio`.*npm"):
        require_installed(tmp_path / "wavesurfer.esm.js")


def test_without_npm_the_script_that_fetches_it_says_what_to_install(tmp_path: Path) -> None:
    for needed in ("sh", "dirname"):
        (tmp_path / needed).symlink_to(shutil.which(needed) or needed)
    script = Path(front_end.__file__).with_name("vendor.sh")
    outcome = subprocess.run(
        ["sh", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.endswith("install Node.js with npm, and run this again.\n")
    assert outcome.stderr.count("\n") == 1


def test_without_the_framework_it_says_how_to_install_it(tmp_path: Path) -> None:
    library = tmp_path / "wavesurfer.esm.js"
    library.write_text("")
    require_installed(library)
    with pytest.raises(NotInstalled, match=r"needs no_such_module.* `make studio`.*\[studio\]"):
        require_installed(library, ("no_such_module", "starlette"))


@pytest.mark.parametrize(
    ("environment", "platform", "is_there"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
    ],
)
def test_a_browser_is_opened_where_it_has_a_window(
    environment: dict[str, str], platform: str, is_there: bool
) -> None:
    assert has_display(environment, platform) is is_there


class TestServing:
    def test_a_signal_ends_it_in_order(self, tmp_path: Path) -> None:
        told: list[Address] = []

        def on_start(address: Address) -> None:
            told.append(address)
            os.kill(os.getpid(), signal.SIGINT)

        before = signal.getsignal(signal.SIGINT)
        with listening(0, or_any=False) as listener:
            port = listener.getsockname()[1]
            serve_studio(tmp_path, listener, max_upload_bytes=1, on_start=on_start)
        assert [address.port for address in told] == [port]
        assert signal.getsignal(signal.SIGINT) is before
        with opened(tmp_path, max_upload_bytes=1):
            pass  # It has let go of the folder.

    def test_a_worker_that_ends_by_itself_ends_it_and_is_told(self, tmp_path: Path) -> None:
        with opened(tmp_path, max_upload_bytes=1) as studio, listening(0, or_any=False) as listener:
            server = StudioServer(studio, listener, lambda _: studio.worker.stop())
            with pytest.raises(PermanentError, match=r"ended by itself.*start the studio again"):
                server.serve_until_ended()

    def test_the_command_tells_where_it_is_and_opens_it(
        self,
        waveflow: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
        folder: Path,
    ) -> None:
        (folder / "library.js").write_text("")
        monkeypatch.setattr("waveflow.entrypoints.studio.front_end.LIBRARY", folder / "library.js")
        opened_urls: list[str] = []

        def browser(url: str) -> None:
            opened_urls.append(url)
            os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr("webbrowser.open", browser)
        outcome = waveflow("studio", "--port", "0", "--open")
        assert (outcome.code, outcome.err) == (0, "")
        where, kept, end = outcome.out.splitlines()
        assert where == f"The studio:   {opened_urls[0]}"
        assert kept == f"It is kept:   {folder / 'waveflow-studio'}"
        assert end == "Control-C ends it."


class TestKernels:
    """They are compiled before there is an address: the first stem would wait in silence."""

    def test_what_is_in_the_cache_is_no_news(self, capsys: pytest.CaptureFixture[str]) -> None:
        warm_up()
        compile_kernels()
        assert capsys.readouterr() == ("", "")

    @pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
    def test_what_is_not_is_compiled_and_said(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        loaded: list[int] = []
        monkeypatch.setattr(cache, "find", lambda name, target: None)
        monkeypatch.setattr(warmup, "warm_up", lambda on_ready: loaded.append(1))
        compile_kernels()
        assert loaded == [1]
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == "Compiling what this processor needs: some 20 seconds, once.\n"


class TestUsage:
    def test_there_is_no_way_to_let_others_in(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("studio", "--host", "0.0.0.0").startswith("No such option")

    @pytest.mark.parametrize(
        "arguments", [["--port", "70000"], ["--max-upload-mb", "0"], ["--port", "any"], ["x"]]
    )
    def test_wrong_values_are_refused(self, waveflow: CommandLine, arguments: list[str]) -> None:
        assert waveflow("studio", *arguments).code == 2

    def test_a_taken_port_is_one_sentence(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, folder: Path
    ) -> None:
        library = folder / "library.js"
        library.write_text("")
        monkeypatch.setattr("waveflow.entrypoints.studio.front_end.LIBRARY", library)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            assert "Choose another port with --port" in waveflow.refused("studio", "--port", port)
