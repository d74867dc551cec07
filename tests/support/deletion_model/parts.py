"""What a state of the world is made of, and what people may do in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from attrs import field, frozen

from tests.support.deletion_model.rehearsal import Answer, Operation
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import ObjectChanged, ObjectNotFound
from waveflow.domain.keys import OWN_PREFIXES

Store = tuple[tuple[str, bytes], ...]
"""Everything that is stored, as key and content, in key order."""
Recording = tuple[str, bytes]
"""A scope (a track, or a user's files without one), and a content in it."""


@frozen
class Stem:
    """An upload: where it lies, what it holds, whose it is."""

    name: str
    path: str
    content: bytes = b"drums"
    track_id: str | None = "t1"
    user_id: str = "u1"

    @property
    def scope(self) -> str:
        """Where a recording of it has to have a copy: in the track, else with the user."""
        return self.track_id or f"of {self.user_id}"

    def fields(self) -> dict[str, str | None]:
        """What a message about it says beside path and hash."""
        return {"stemId": self.name, "trackId": self.track_id, "userId": self.user_id}


@frozen
class Upload:
    """Somebody stores a stem, over whatever is there; its hash request is sent."""

    stem: Stem

    def __str__(self) -> str:
        return f"somebody uploads {self.stem.content.decode()} to {self.stem.path}"


@frozen
class Remove:
    """Somebody removes an object by hand."""

    path: str

    def __str__(self) -> str:
        return f"somebody removes {self.path}"


Deed = Upload | Remove


class Message(NamedTuple):
    """A message on the queue.

    Attributes:
        key: `hash s` or `duplicate s`, for the stem s; its id, too. `hash s#2` is of its second
            upload, and `duplicate s#2` follows from that.
        settled: `done` or `parked`; empty while it is on the queue.
    """

    key: str
    sent_at_ms: int
    deliveries: int = 0
    settled: str = ""

    @property
    def kind(self) -> str:
        return self.key.split(" ", 1)[0]

    @property
    def stem_name(self) -> str:
        return self.key.split(" ", 1)[1].split("#", 1)[0]


class Running(NamedTuple):
    """A delivery on a worker; `node` is its number in the rehearsal."""

    message: str
    node: int


class State(NamedTuple):
    """All of the world.

    Attributes:
        heard: what the server has heard, each thing once: message, event id, facts.
        hashes: what hashes the server has seen in which track.
        crashes: how many more deliveries may die.
        faults: how many more operations may fail, or lose their answer.
        done: people's deeds that are done, by number.
        by_hand: copies (path and content) that went last by somebody's hand.
        excused: recordings without a copy, the last of which went by somebody's hand.
        unasked: hash requests, by key, whose upload went otherwise than by a deletion of its stem
            that was asked for since.
    """

    store: Store = ()
    messages: tuple[Message, ...] = ()
    running: tuple[Running, ...] = ()
    heard: frozenset[tuple[str, str, str]] = frozenset()
    hashes: frozenset[tuple[str | None, str]] = frozenset()
    crashes: int = 0
    faults: int = 0
    done: frozenset[int] = frozenset()
    by_hand: frozenset[tuple[str, bytes]] = frozenset()
    excused: frozenset[Recording] = frozenset()
    unasked: frozenset[str] = frozenset()

    def message(self, key: str) -> Message:
        """One message on the queue."""
        return next(message for message in self.messages if message.key == key)

    def with_message(self, changed: Message) -> State:
        """This state with one message changed."""
        messages = tuple(changed if each.key == changed.key else each for each in self.messages)
        return self._replace(messages=messages)


@frozen
class Cast:
    """All stems of a scenario, once for each upload."""

    stems: tuple[Stem, ...]
    _known: dict[Store, frozenset[Recording]] = field(factory=dict, init=False)

    def named(self, name: str) -> Stem:
        """The stem of that name."""
        return next(stem for stem in self.stems if stem.name == name)

    def at(self, path: str) -> Stem:
        """A stem that lies there; those that lie at one path are of one track and user."""
        return next(stem for stem in self.stems if stem.path == path)

    def recordings(self, store: Store) -> frozenset[Recording]:
        """The recordings that have a copy."""
        known = self._known.get(store)
        if known is None:
            known = self._known[store] = frozenset(
                (self.at(path).scope, content)
                for path, content in store
                if not path.startswith(OWN_PREFIXES)
            )
        return known


@frozen
class Shelf:
    """Does operations on a real storage, each only once for each content of the storage."""

    make_storage: Callable[[], AudioStorage] = InMemoryAudioStorage
    _known: dict[tuple[Store, Operation], tuple[Store, Answer]] = field(factory=dict, init=False)

    def perform(self, store: Store, operation: Operation) -> tuple[Store, Answer]:
        """What is stored afterwards, and what came of it."""
        known = self._known.get((store, operation))
        if known is None:
            known = self._known[store, operation] = self._perform(store, operation)
        return known

    def _perform(self, store: Store, operation: Operation) -> tuple[Store, Answer]:
        storage = self.make_storage()
        for key, body in store:
            storage.write(key, body, content_type="")
        try:
            answer = _ask(storage, operation)
        except (ObjectNotFound, ObjectChanged) as error:
            answer = Answer(error=type(error))
        after = tuple((stat.key, _content(storage, stat.key)) for stat in storage.list(""))
        return after, answer


def _ask(storage: AudioStorage, operation: Operation) -> Answer:
    key = operation.key
    if operation.method == "read":
        with storage.read(key) as stream:
            return Answer(stream.stat, b"".join(stream))
    if operation.method == "write":
        body, condition = operation.body, operation.condition
        return Answer(storage.write(key, body, content_type="", condition=condition))
    assert operation.method == "delete"
    storage.delete(key, if_match=operation.if_match)
    return Answer()


def _content(storage: AudioStorage, key: str) -> bytes:
    with storage.read(key) as stream:
        return b"".join(stream)
