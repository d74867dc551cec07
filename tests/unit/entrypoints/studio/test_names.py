"""File names of people, as keys, downloads and members of an archive."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveflow.domain.keys import require_key
from waveflow.entrypoints.studio.names import UniqueNames, key_name, shown_name, with_suffix


def test_letters_that_a_mac_takes_apart_are_put_together() -> None:
    apart = unicodedata.normalize("NFD", "드럼.wav")
    assert len(apart) > len("드럼.wav")
    assert shown_name(apart) == "드럼.wav"


@pytest.mark.parametrize("name", ["", " ", ".", "..", "/", "a/..", "\x00", "\u200b"])
def test_what_is_no_name_gets_one(name: str) -> None:
    assert shown_name(name) == "unnamed"


def test_a_long_name_keeps_its_suffix_and_whole_letters() -> None:
    assert key_name("가" * 100 + ".flac") == "가" * 51 + ".flac"
    assert key_name("short.wav") == "short.wav"
    assert len(shown_name("x." + "y" * 500)) == 200


@given(st.text(max_size=400))
def test_any_name_can_be_part_of_a_key(name: str) -> None:
    part = key_name(shown_name(name))
    assert require_key(f"stems/{part}") == f"stems/{part}"
    assert "/" not in part
    assert len(part.encode()) <= 160


def test_a_result_is_called_as_its_stem() -> None:
    assert with_suffix("song.final.wav", ".json") == "song.final.json"
    assert with_suffix("song", ".dat") == "song.dat"


def test_names_that_a_file_system_takes_for_equal_are_made_different() -> None:
    names = UniqueNames()
    given_names = [
        "stems/a.wav",
        "stems/A.wav",
        "stems/a.wav",
        "waveforms/a.wav",
        "stems/a (2).wav",
    ]
    assert [names.of(name) for name in given_names] == [
        "stems/a.wav",
        "stems/A (2).wav",
        "stems/a (3).wav",
        "waveforms/a.wav",
        "stems/a (2) (2).wav",
    ]
