"""`waveflow again --dry-run` on a folder: which stems would be analysed, and which can't be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest

from tests.support.waveform_documents import stem_document, store_stem
from tests.unit.entrypoints.command_line import CommandLine, Outcome, WriteSong
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.entrypoints.cli.again.state import State
from waveflow.entrypoints.cli.output import NO_BUCKET

STEMS = "users/u1/projects/t1/stems"
KEYS = {"s1": f"{STEMS}/드럼 (최종).wav", "s2": f"{STEMS}/bass.wav", "s3": "users/u10/vox.wav"}
NEVER = f"{STEMS}/never.wav"


@pytest.fixture
def storage(folder_storage: Path) -> Path:
    """Three stems that were analysed and an upload that never was."""
    song = WriteSong(folder_storage)
    song(NEVER)
    for stem_id, key in KEYS.items():
        song(key)
        store_stem(FolderAudioStorage(folder_storage), stem_id, stem_document(key))
    return folder_storage


def rows(outcome: Outcome) -> list[dict[str, Any]]:
    return outcome.lines[:-1]


def sums(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = outcome.lines[-1]["sums"]
    return found


class TestPrefix:
    def test_stems_come_from_their_waveforms_and_unknown_uploads_are_listed(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        outcome = waveflow("again", "users/u1/", "--dry-run", "--json")
        assert rows(outcome) == [
            {"stem_id": "s1", "filepath": KEYS["s1"]},
            {"stem_id": "s2", "filepath": KEYS["s2"]},
            {
                "left_out": "unknown",
                "problem": "no known stem; name its id with --ids",
                "filepath": NEVER,
            },
        ]
        assert outcome.code == 1

    @pytest.mark.parametrize(
        ("where", "stems"),
        [
            ("users/u1", ["s1", "s2"]),
            ("users", ["s1", "s2", "s3"]),
            (KEYS["s2"], ["s2"]),
            (f"{STEMS}/b", []),
        ],
    )
    def test_a_prefix_is_whole_parts_of_a_key(
        self, waveflow: CommandLine, storage: Path, where: str, stems: list[str]
    ) -> None:
        WriteSong(storage)(f"{KEYS['s2']}.bak.wav")
        outcome = waveflow("again", where, "--dry-run", "--json")
        assert [each["stem_id"] for each in outcome.lines if "stem_id" in each] == stems

    def test_it_says_how_many_requests_it_takes_and_what_they_cost(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        found = sums(waveflow("again", "users/u1/", "--dry-run", "--json"))
        assert found == {
            "to_send": 2,
            "unknown": 1,
            "list_requests": 1,
            "get_requests": 3,
            "sqs_requests": 2,
            # One listing, three reads, two messages; two reads, a write, two requests each.
            "cost_usd": 0.000007,
            "workers_cost_usd": 0.000013,
        }

    def test_what_waveflow_writes_is_no_upload(self, waveflow: CommandLine, storage: Path) -> None:
        outcome = waveflow("again", "waveforms", "--dry-run")
        assert outcome.code == 1
        assert "No upload is called 'waveforms' or lies below it" in outcome.err

    def test_a_stem_whose_upload_is_gone_is_left_out(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        (storage / KEYS["s2"]).unlink()
        (storage / NEVER).unlink()
        outcome = waveflow("again", "users/", "--dry-run")
        assert outcome.code == 1
        assert f"s2 {KEYS['s2']}: its upload is not stored any more" in outcome.err
        assert "s2" not in outcome.out

    def test_waveforms_of_earlier_versions_are_counted(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        for path in (storage / "waveforms").iterdir():
            path.write_bytes(stem_document(None).encode())
        outcome = waveflow("again", "users/u10/", "--dry-run", "--json")
        assert (sums(outcome)["waveforms_without_filepath"], sums(outcome)["unknown"]) == (3, 1)


class TestIds:
    @pytest.fixture
    def ids(self, folder: Path) -> Path:
        path = folder / "stems.csv"
        path.write_text(
            "\ufeffstem_id,FilePath,trackId,created\n"
            f's1,"{KEYS["s1"]}",t1,2026\n'
            f"n1,{NEVER},,2026\n"
            "n2,gone.wav,t1,2026\n"
            f"a/b,{KEYS['s2']},t1,2026\n"
            "n3,,t1,2026\n",
            encoding="utf-8",
        )
        return path

    def test_rows_name_the_stems_and_their_uploads_are_looked_up(
        self, waveflow: CommandLine, storage: Path, ids: Path
    ) -> None:
        outcome = waveflow("again", "--ids", ids, "--dry-run", "--json")
        assert [each["stem_id"] for each in rows(outcome) if "left_out" not in each] == ["s1", "n1"]
        left_out = {
            each["stem_id"]: each["left_out"] for each in rows(outcome) if "left_out" in each
        }
        assert left_out == {"n2": "gone", "a/b": "refused", "n3": "refused"}
        assert outcome.code == 1

    def test_with_a_prefix_uploads_that_no_row_names_are_listed(
        self, waveflow: CommandLine, storage: Path, ids: Path
    ) -> None:
        outcome = waveflow("again", "users/", "--ids", ids, "--dry-run", "--json")
        unknown = [each for each in rows(outcome) if each.get("left_out") == "unknown"]
        assert [each["filepath"] for each in unknown] == [KEYS["s3"]]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "has to name the columns, stemId and filepath among them; it is ''."),
            ("stemId,path\ns1,a\n", "it is 'stemId,path'."),
            ("stemId,stem_id,filepath\na,b,c\n", "has two columns of the same meaning."),
        ],
    )
    def test_a_file_without_the_columns_is_wrong_usage(
        self, waveflow: CommandLine, storage: Path, folder: Path, text: str, problem: str
    ) -> None:
        (folder / "odd.csv").write_text(text)
        outcome = waveflow("again", "--ids", "odd.csv", "--dry-run")
        assert outcome.code == 2
        assert problem in outcome.err

    def test_a_file_that_is_no_text_is_wrong_usage(
        self, waveflow: CommandLine, storage: Path, folder: Path
    ) -> None:
        (folder / "odd.csv").write_bytes(b"stemId,filepath\n\xff\xfe,a\n")
        outcome = waveflow("again", "--ids", "odd.csv", "--dry-run")
        assert outcome.code == 2
        assert "no CSV file in UTF-8" in outcome.err

    @pytest.mark.parametrize("peaks", ["many", "9" * 5000, "-1"])
    def test_a_number_of_peaks_that_is_none_is_refused(
        self, waveflow: CommandLine, storage: Path, folder: Path, peaks: str
    ) -> None:
        (folder / "odd.csv").write_text(f"stemId,filepath,num_peaks\ns2,{KEYS['s2']},{peaks}\n")
        outcome = waveflow("again", "--ids", "odd.csv", "--dry-run", "--json")
        assert rows(outcome)[0]["left_out"] == "refused"


class TestOneStem:
    def test_its_key_comes_from_its_waveform(self, waveflow: CommandLine, storage: Path) -> None:
        outcome = waveflow("again", "--stem-id", "s1", "--dry-run")
        assert (outcome.code, outcome.out) == (0, f"s1 -> (dry run)  {KEYS['s1']}\n")

    def test_one_that_was_never_analysed_needs_its_key(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        complaint = waveflow.refused("again", "--stem-id", "n1", "--dry-run")
        assert "waveflow again --stem-id n1 KEY" in complaint
        outcome = waveflow("again", "--stem-id", "n1", NEVER, "--dry-run", "--json")
        assert outcome.lines == [{"stem_id": "n1", "filepath": NEVER}]

    def test_one_whose_upload_is_gone_is_refused(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        (storage / KEYS["s1"]).unlink()
        assert "waveflow explain s1" in waveflow.refused("again", "--stem-id", "s1", "--dry-run")


class TestState:
    WANTED: ClassVar[dict[str, object]] = {"where": "users/", "ids": None}

    def test_it_goes_on_where_it_was(self, tmp_path: Path) -> None:
        path = tmp_path / "again.json"
        state = State(path, self.WANTED)
        state.__enter__()
        state.done("b")
        state.__exit__(RuntimeError, RuntimeError(), None)
        with State(path, self.WANTED) as state:
            assert state.is_done("a")
            assert state.is_done("b")
            assert not state.is_done("c")

    def test_another_bucket_is_another_run(
        self,
        waveflow: CommandLine,
        storage: Path,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/stems"
        about = {"where": "users/", "ids": None, "num_peaks": None, "queue": queue}
        path = folder / "again.json"
        path.write_text(
            json.dumps({"wanted": about | {"bucket": "staging"}, "place": "waveforms/z"})
        )
        monkeypatch.setenv("SQS_QUEUE_URL", queue)
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        arguments = ("again", "users/", "--state", path, "--yes")
        monkeypatch.setenv("S3_BUCKET_NAME", "production")
        assert f"--state: {path} belongs to another run" in waveflow(*arguments).err
        monkeypatch.setenv("S3_BUCKET_NAME", "staging")
        assert f"--state: {path} belongs to" in waveflow(*arguments, "--num-peaks", "800").err
        assert waveflow(*arguments, "--json").lines[-1] == {
            "sums": {"sent_before": 3, "unknown": 1}
        }

    def test_it_is_gone_when_all_is_done(self, tmp_path: Path) -> None:
        path = tmp_path / "again.json"
        with State(path, self.WANTED) as state:
            assert path.exists()
            state.done("a")
        assert list(tmp_path.iterdir()) == []

    def test_one_that_can_not_be_written_is_known_before_anything_is_sent(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(OSError, match="No such file"), State(tmp_path / "no" / "f", {}):
            pytest.fail("it was begun")

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"wanted": {}, "place": "a"}', "null"])
    def test_a_file_of_something_else_is_wrong_usage(
        self, waveflow: CommandLine, storage: Path, folder: Path, text: str
    ) -> None:
        (folder / "odd.json").write_text(text)
        with (
            pytest.raises(click.UsageError, match="--state: "),
            State(folder / "odd.json", self.WANTED),
        ):
            pytest.fail("it was begun")
        assert (folder / "odd.json").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Say which: a prefix, --ids FILE, or --stem-id ID."),
        (("--stem-id", "s1", "--state", "f"), "--ids and --state go with many stems"),
        (("users/", "--per-second", "0"), "Invalid value for '--per-second'"),
        (("users/", "--num-peaks", "4001"), "Invalid value for '--num-peaks'"),
    ],
)
def test_wrong_usage_is_said(
    waveflow: CommandLine, storage: Path, arguments: tuple[str, ...], problem: str
) -> None:
    assert waveflow.misused("again", *arguments).startswith(problem)


def test_without_a_bucket_there_is_nothing_to_list(waveflow: CommandLine, folder: Path) -> None:
    complaint = waveflow.complaint(2, "again", "users/", "--dry-run")
    assert complaint == NO_BUCKET
    assert list(folder.iterdir()) == []


def test_without_a_queue_nothing_can_be_sent(waveflow: CommandLine, storage: Path) -> None:
    complaint = waveflow.complaint(2, "again", "--stem-id", "s1")
    assert complaint == "SQS_QUEUE_URL is not set; set it to the address of the queue."
