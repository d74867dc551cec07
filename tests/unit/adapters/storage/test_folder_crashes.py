"""A storage in a folder when writers die halfway, or race with other processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.contracts.storage_actions import content, keys, put
from tests.unit.adapters.storage.folder_actions import SCRATCH, SlowWrite, parts, python
from waveflow.adapters.storage.atomic import staged_file
from waveflow.adapters.storage.paths import locate, open_folder
from waveflow.application.ports import AudioStorage, IfAbsent, IfMatch
from waveflow.domain.errors import ObjectChanged

MIB = 1024 * 1024

WRITE_STANDARD_INPUT = """
import sys
from pathlib import Path
from waveflow.adapters.storage import atomic
from waveflow.adapters.storage.folder import FolderAudioStorage
atomic.open_local = lambda path: path.open("rb", buffering=0)  # A pipe, for once.
storage = FolderAudioStorage(Path(sys.argv[1]))
storage.write(sys.argv[2], Path("/dev/stdin"), content_type="audio/wav")
"""
HOLD_THE_LOCK = """
import sys
from pathlib import Path
from waveflow.adapters.storage.atomic import exclusive
with exclusive(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
RACE = """
import sys
from pathlib import Path
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.application.ports import IfAbsent
from waveflow.domain.errors import ObjectChanged, ObjectNotFound
storage = FolderAudioStorage(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    action, key, etag = line.split()
    try:
        if action == "delete":
            storage.delete(key, if_match=etag)
        else:
            storage.write(key, b"mine", content_type="audio/wav", condition=IfAbsent())
    except (ObjectChanged, ObjectNotFound):
        continue
    print(key)
"""


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL: nothing in the process gets to clean up."""
    process.kill()
    process.communicate()


def race(root: Path, orders: list[str]) -> list[list[str]]:
    """The keys for which each of two processes, given the same orders, succeeded."""
    racers = [python(RACE, root) for _ in range(2)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("".join(orders))
        racer.stdin.flush()
    return [racer.communicate(timeout=30)[0].split() for racer in racers]


class TestWritersThatDie:
    def test_a_half_written_object_is_not_seen(self, storage: AudioStorage, root: Path) -> None:
        old = put(storage, "song.wav", b"old")
        with SlowWrite(storage, "song.wav") as write, SlowWrite(storage, "new.wav"):
            assert len(parts(root)) == 2
            assert list(storage.list("")) == [old]
            assert content(storage, "song.wav") == b"old"
        assert content(storage, "song.wav") == bytes(MIB)
        assert storage.stat("song.wav") == write.outcome.result()
        assert parts(root) == []

    def test_a_writer_that_is_killed_leaves_the_old_version(
        self, storage: AudioStorage, root: Path
    ) -> None:
        old = put(storage, "song.wav", b"old")
        writer = python(WRITE_STANDARD_INPUT, root, "song.wav")
        assert writer.stdin is not None
        writer.stdin.write("x" * MIB)
        writer.stdin.flush()
        kill(writer)
        assert len(parts(root)) == 1
        assert list(storage.list("")) == [old]
        assert content(storage, "song.wav") == b"old"
        put(storage, "song.wav", b"new", IfMatch(old.etag))
        assert content(storage, "song.wav") == b"new"

    def test_the_lock_of_a_process_that_is_killed_is_free(
        self, storage: AudioStorage, root: Path
    ) -> None:
        holder = python(HOLD_THE_LOCK, root)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        kill(holder)
        put(storage, "song.wav", b"sound")
        assert content(storage, "song.wav") == b"sound"

    def test_a_body_that_fails_leaves_the_old_version_and_nothing_else(
        self, storage: AudioStorage, root: Path
    ) -> None:
        old = put(storage, "song.wav", b"old")
        with pytest.raises(OSError, match="Input/output error"):
            put(storage, "song.wav", Path("/proc/self/mem"))
        assert storage.stat("song.wav") == old
        assert parts(root) == []

    def test_what_dead_writers_left_an_hour_ago_is_removed_by_the_next_write(
        self, storage: AudioStorage, root: Path
    ) -> None:
        put(storage, "song.wav")
        for name, age_s in (("dead.part", 3700), ("alive.part", 3500), ("notes.txt", 3700)):
            (root / SCRATCH / name).touch()
            moment = (root / "song.wav").stat().st_mtime - age_s
            os.utime(root / SCRATCH / name, (moment, moment))
        put(storage, "song.wav")
        assert sorted(path.name for path in (root / SCRATCH).iterdir()) == [
            "alive.part",
            "lock",
            "notes.txt",
        ]


class TestRaces:
    def test_of_two_processes_one_writes_if_absent(self, storage: AudioStorage, root: Path) -> None:
        orders = [f"write ledger/{number:02} -\n" for number in range(50)]
        first, second = race(root, orders)
        assert sorted(first + second) == [f"ledger/{number:02}" for number in range(50)]
        assert keys(storage, "") == sorted(first + second)

    def test_of_two_processes_one_deletes(self, storage: AudioStorage, root: Path) -> None:
        written = [put(storage, f"stems/{number:02}.wav") for number in range(50)]
        first, second = race(root, [f"delete {stat.key} {stat.etag}\n" for stat in written])
        assert sorted(first + second) == [stat.key for stat in written]
        assert keys(storage, "") == []

    def test_a_condition_that_fails_during_the_copy_keeps_the_other_version(
        self, storage: AudioStorage
    ) -> None:
        with SlowWrite(storage, "song.wav", IfAbsent()) as write:
            winner = put(storage, "song.wav", b"winner", IfAbsent())
        with pytest.raises(ObjectChanged):
            write.outcome.result()
        assert storage.stat("song.wav") == winner

    def test_a_condition_that_fails_is_noticed_before_the_copy(
        self, storage: AudioStorage, root: Path
    ) -> None:
        put(storage, "song.wav")
        with pytest.raises(ObjectChanged):
            put(storage, "song.wav", root / "missing.wav", IfAbsent())

    def test_if_absent_loses_against_a_program_that_knows_of_no_lock(
        self, storage: AudioStorage, root: Path
    ) -> None:
        with staged_file(root) as staged, open_folder(root, []) as folder:
            staged.fill(b"ours")
            (root / "song.wav").write_bytes(b"theirs")
            with pytest.raises(ObjectChanged):
                staged.put(folder, locate("song.wav"), only_if_absent=True)
        assert content(storage, "song.wav") == b"theirs"
        assert parts(root) == []

    def test_a_folder_that_was_emptied_during_the_copy_is_made_again(
        self, storage: AudioStorage
    ) -> None:
        only = put(storage, "users/only.wav")
        with SlowWrite(storage, "users/new.wav"):
            storage.delete("users/only.wav", if_match=only.etag)
        assert keys(storage, "") == ["users/new.wav"]
