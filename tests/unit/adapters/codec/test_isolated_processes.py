"""The compute processes come and go as they should."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from tests.support.hostile_codec import HostileCodec, OddError, events, order
from tests.support.processes import descendants, eventually, running
from waveflow.adapters.codec import isolated
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.seats import ComputeEnding, ComputeUnavailable
from waveflow.domain.audio import AudioLimits

LIMITS = AudioLimits()


def frames(codec: IsolatedCodec, folder: Path, command: str) -> int:
    """The number that a file with this command gives."""
    return codec.analyse(order(folder, command), 1, LIMITS).waveform.frames


def parent(pid: int) -> int:
    """The process that forked this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture(scope="module")
def codec() -> Iterator[IsolatedCodec]:
    with IsolatedCodec(HostileCodec(), processes=1) as codec:
        yield codec


class TestChildren:
    def test_are_replaced_after_so_many_tasks(self, tmp_path: Path) -> None:
        with IsolatedCodec(HostileCodec(), processes=1, tasks_per_process=3) as codec:
            pids = [frames(codec, tmp_path, "pid") for _ in range(7)]
        assert [pids.index(pid) for pid in pids] == [0, 0, 0, 3, 3, 3, 6]
        assert not running(set(pids))

    def test_that_keep_a_thread_are_replaced_all_the_same(self, tmp_path: Path) -> None:
        with IsolatedCodec(HostileCodec(), processes=1, tasks_per_process=1) as codec:
            first = frames(codec, tmp_path, "leave-a-thread")
            assert frames(codec, tmp_path, "pid") != first
        assert not running({first})

    def test_that_die_while_idle_are_replaced(self, codec: IsolatedCodec, tmp_path: Path) -> None:
        idle = frames(codec, tmp_path, "pid")
        os.kill(idle, signal.SIGKILL)
        assert eventually(lambda: not running({idle}))
        assert frames(codec, tmp_path, "pid") != idle

    def test_outlive_the_thread_that_started_them(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        os.kill(frames(codec, tmp_path, "pid"), signal.SIGKILL)
        pids: list[int] = []
        thread = Thread(target=lambda: pids.append(frames(codec, tmp_path, "pid")))
        thread.start()
        thread.join()
        assert frames(codec, tmp_path, "pid") == pids[0]

    def test_go_with_the_fork_server_which_is_started_again(
        self, codec: IsolatedCodec, tmp_path: Path
    ) -> None:
        child = frames(codec, tmp_path, "pid")
        server = parent(child)
        os.kill(server, signal.SIGKILL)
        assert eventually(lambda: not running({child}))
        assert parent(frames(codec, tmp_path, "pid")) != server

    def test_have_one_blas_thread_and_leave_the_environment_alone(
        self, codec: IsolatedCodec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The command line leaves it in the environment, and so do tests of it.
        monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        assert frames(codec, tmp_path, "blas-threads") == 1
        assert os.environ.get("OPENBLAS_NUM_THREADS") is None

    def test_hold_no_credentials(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "WAVEFLOW_WEBHOOK_SECRET"):
            monkeypatch.setenv(name, "very secret")
        with IsolatedCodec(HostileCodec(), processes=1) as codec:
            child = frames(codec, tmp_path, "pid")
            for pid in (child, parent(child)):
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                assert b"PATH=" in environment
                assert b"very secret" not in environment

    def test_of_two_codecs_dont_know_each_other(self, codec: IsolatedCodec, tmp_path: Path) -> None:
        with IsolatedCodec(HostileCodec()) as other:
            assert frames(other, tmp_path, "answer 2") == 2
            assert frames(codec, tmp_path, "answer 1") == 1
        assert frames(codec, tmp_path, "answer 3") == 3

    def test_that_cant_be_started_are_unavailable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        codec = IsolatedCodec(HostileCodec())
        monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
        with pytest.raises(ComputeUnavailable):
            codec.start()
        with pytest.raises(ComputeUnavailable):
            frames(codec, tmp_path, "answer 1")
        codec.close()

    def test_of_a_fork_server_that_ends_at_once_are_unavailable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with IsolatedCodec(HostileCodec()) as codec, pytest.raises(ComputeUnavailable):
            frames(codec, tmp_path, "answer 1")


class _LeavesOnArrival:
    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (3,)


@pytest.mark.slow
def test_a_process_that_ends_before_its_first_task_says_how(tmp_path: Path) -> None:
    codec = HostileCodec(trace=_LeavesOnArrival())  # type: ignore[arg-type]
    with IsolatedCodec(codec) as isolated, pytest.raises(ComputeUnavailable, match="exit code 3"):
        frames(isolated, tmp_path, "answer 1")


def test_a_codec_that_cannot_travel_is_a_defect(tmp_path: Path) -> None:
    codec = HostileCodec(trace=lambda: None)  # type: ignore[arg-type]
    with IsolatedCodec(codec) as isolated, pytest.raises((AttributeError, TypeError)):
        frames(isolated, tmp_path, "answer 1")


def test_a_codec_that_does_not_arrive_is_not_the_files_fault(tmp_path: Path) -> None:
    codec = HostileCodec(trace=OddError(1, 2))  # type: ignore[arg-type]
    with IsolatedCodec(codec) as isolated, pytest.raises(TypeError, match="OddError"):
        frames(isolated, tmp_path, "answer 1")


class TestClosing:
    @pytest.mark.slow
    def test_breaks_off_what_runs_and_what_waits(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(isolated, "CLOSE_GRACE_S", 0.2)
        before = descendants(os.getpid())
        trace = tmp_path / "trace"
        codec = IsolatedCodec(HostileCodec(trace))
        (tmp_path / "orders").mkdir()
        paths = [order(tmp_path / "orders", command) for command in ("pause", "spin", "answer 1")]
        with ThreadPoolExecutor() as executor:
            futures = [executor.submit(codec.analyse, path, 1, LIMITS) for path in paths[:2]]
            assert eventually(lambda: len(events(trace)) == 2)
            futures.append(executor.submit(codec.analyse, paths[2], 1, LIMITS))
            codec.close()
        assert [type(future.exception()) for future in futures] == [ComputeEnding] * 3
        assert descendants(os.getpid()) <= before

    @pytest.mark.slow
    def test_lets_a_task_finish_that_is_nearly_done(self, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        codec = IsolatedCodec(HostileCodec(trace))
        path = order(tmp_path, "sleep 0.3")
        with ThreadPoolExecutor() as executor:
            future: Future[object] = executor.submit(codec.analyse, path, 1, LIMITS)
            assert eventually(lambda: events(trace))
            codec.close()
        assert future.exception() is None

    def test_leaves_no_process(self, tmp_path: Path) -> None:
        before = descendants(os.getpid())
        with IsolatedCodec(HostileCodec()) as codec:
            frames(codec, tmp_path, "pid")
        assert descendants(os.getpid()) <= before

    def test_twice_is_as_good_as_once_and_nothing_can_be_asked_afterwards(
        self, tmp_path: Path
    ) -> None:
        codec = IsolatedCodec(HostileCodec())
        codec.close()
        codec.close()
        with pytest.raises(ComputeUnavailable):
            frames(codec, tmp_path, "answer 1")
        with pytest.raises(ComputeUnavailable):
            codec.start()

    def test_before_everything_is_loaded_does_not_wait_for_it(self) -> None:
        before = descendants(os.getpid())
        codec = IsolatedCodec(HostileCodec())
        codec.start()
        codec.close()
        assert descendants(os.getpid()) <= before
