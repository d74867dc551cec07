"""Many keys in little memory."""

from __future__ import annotations

from waveflow.application.key_set import KeySet

KEYS = [f"users/u{number}/드럼 ({number}).wav" for number in range(1000)]


def test_it_knows_its_keys_and_no_others() -> None:
    keys = KeySet(iter(KEYS))
    assert len(keys) == 1000
    assert all(keys.meet(key) for key in KEYS)
    assert not any(keys.meet(key + "x") for key in KEYS)


def test_it_remembers_which_were_met() -> None:
    keys = KeySet(KEYS)
    assert keys.meet(KEYS[7])
    assert [key for key in KEYS if keys.has_met(key)] == [KEYS[7]]
    assert not keys.has_met("another")


def test_a_key_counts_once() -> None:
    assert len(KeySet(["a", "b", "a"])) == 2


def test_an_empty_one_has_no_key() -> None:
    keys = KeySet([])
    assert len(keys) == 0
    assert not keys.meet("a")
    assert not keys.has_met("a")
