"""What WaveFlow writes can't be named as a stem to be hashed or deleted, however it is spelt."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.workshop import Workshop, message
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.commands import DuplicateRequest, HashRequest, Origin
from waveflow.application.ingest_stem import IngestStem
from waveflow.application.ledger import ContentLedger
from waveflow.application.ports import AudioStorage
from waveflow.application.resolve_duplicate import ResolveDuplicate
from waveflow.domain.errors import InvalidKey
from waveflow.domain.keys import OWN_PREFIXES, require_stem_key

CONTENT = b"sound"
AUDIO_HASH = hashlib.sha256(CONTENT).hexdigest()


def spellings(name: str) -> list[str]:
    """Keys that are below the folder of that name, or that some storage takes for such."""
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in name)
    circled = "".join(chr(ord(letter) - ord("a") + 0x24D0) for letter in name)
    return [
        f"{name}/x",
        f"{name}/t1/{AUDIO_HASH}",
        f"{name.upper()}/x",
        f"{name.capitalize()}/x",
        f"./{name}/x",
        f"/{name}/x",
        f"//{name}/x",
        f"{name}//x",
        f"users/../{name}/x",
        f"{name}\0/x",
        f"{name}\u200b/x",
        f"\u200d{name}/x",
        f"{name[0]}\u00ad{name[1:]}/x",
        f"\ufeff{name}/x",
        f"{name}\uff0fx",
        f"{full_width}/x",
        f"{circled}/x",
        f"{name[0]}\u202e{name[1:]}/x",
        f"{name[:-1]}{name[-1].upper()}\u2060/x",
    ]


OWN_NAMES = [prefix.removesuffix("/") for prefix in OWN_PREFIXES]
EVERY_SPELLING = [spelling for name in OWN_NAMES for spelling in spellings(name)]


def test_all_five_prefixes_are_covered() -> None:
    assert sorted(OWN_NAMES) == ["ledger", "mixed", "outcomes", "removed", "waveforms"]


@pytest.mark.parametrize("key", EVERY_SPELLING)
def test_no_spelling_names_a_stem(key: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        require_stem_key(key)
    assert caught.value.code in ("protected_key", "invalid_key")


@pytest.mark.parametrize(
    "key",
    [
        "ledger",
        "ledger.wav",
        "ledgers/x.wav",
        "users/ledger/x.wav",
        "users/u1/mixed/x.wav",
        "my mixed/x.wav",
        "mixed-down/x.wav",
        "\u043bedger/x.wav",
        "\u202eusers/x.wav",
    ],
)
def test_what_only_looks_like_it_is_an_ordinary_stem(key: str) -> None:
    assert require_stem_key(key) == key


@pytest.fixture(params=["memory", "folder"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AudioStorage:
    if request.param == "memory":
        return InMemoryAudioStorage()
    return FolderAudioStorage(tmp_path / "storage")


def test_no_use_case_deletes_or_hashes_it_on_any_storage(storage: AudioStorage) -> None:
    original = "users/u1/original.wav"
    origin = Origin("message-1", 1_704_103_200_123, "task-1")
    ledger, notifier = ContentLedger(storage), InMemoryNotifier()
    ingest = IngestStem(storage=storage, ledger=ledger, notifier=notifier)
    resolve = ResolveDuplicate(storage=storage, ledger=ledger, notifier=notifier)
    for key in [original, *(f"{name}/x" for name in OWN_NAMES)]:
        storage.write(key, CONTENT, content_type="audio/wav")
    ingest.ingest(HashRequest(stem_id="s1", filepath=original, track_id="t1"), origin)
    before = list(storage.list(""))
    for key in EVERY_SPELLING:
        with pytest.raises(InvalidKey):
            ingest.ingest(HashRequest(stem_id="s2", filepath=key, track_id="t1"), origin)
        with pytest.raises(InvalidKey):
            resolve.resolve(
                DuplicateRequest(
                    stem_id="s2",
                    filepath=key,
                    audio_hash=AUDIO_HASH,
                    track_id="t1",
                ),
                origin,
            )
    assert list(storage.list("")) == before


@pytest.mark.parametrize("name", OWN_NAMES)
def test_a_message_that_names_it_fails_and_changes_nothing(workshop: Workshop, name: str) -> None:
    for key in spellings(name):
        before = len(workshop.server.requests)
        asked = message("process_duplicate_file", stemId="s1", filepath=key, audio_hash=AUDIO_HASH)
        workshop.deliver(asked)
        [body] = workshop.server.bodies[before:]
        assert body["status"] == "FAILED"
        assert body["result"]["code"] in ("protected_key", "invalid_key", "invalid_message")
    assert workshop.storage.steps == []
