"""The process dies, or the storage fails, at every step in turn: then the message comes again.

At every step of every such story at least one copy of the recording is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve, field, frozen

from tests.support.storage_doubles import ProcessDiedError, Step, Trouble
from tests.support.workshop import Workshop, duplicate_message, hash_message
from waveflow.domain.errors import StorageUnavailable
from waveflow.domain.keys import OWN_PREFIXES

A, B, C = "users/u1/a.wav", "users/u2/b.wav", "users/u3/c.wav"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"


@frozen
class Story:
    """A message, the state it meets, and the state that is right when it is dealt with.

    Attributes:
        hashed: the uploads, in the order in which they were hashed.
        removed: those that somebody deleted afterwards.
        answer: `owner` of the hash, or status or failure code of the deletion.
    """

    body: str
    hashed: tuple[str, ...]
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    left: tuple[str, ...] = field(kw_only=True)
    owner: str = field(kw_only=True)
    answer: str = field(kw_only=True)

    def begin(self, root: Path) -> Workshop:
        workshop = Workshop(root)
        for number, key in enumerate(self.hashed):
            workshop.upload(key, b"drums")
            workshop.deliver(hash_message(key), message_id=f"hash-{number}")
        for key in self.removed:
            workshop.remove(key)
        for key in self.added:
            workshop.upload(key, b"drums")
        workshop.server.requests.clear()
        workshop.storage.steps.clear()
        return workshop

    def assert_ended(self, workshop: Workshop) -> None:
        stems = [key for key in workshop.objects() if not key.startswith(OWN_PREFIXES)]
        assert stems == list(self.left)
        assert workshop.owner("track456", DRUMS_HASH) == self.owner
        assert _answer(workshop) == self.answer
        ids = {request.event_id for request in workshop.server.requests}
        assert len(ids) == 1


def _answer(workshop: Workshop) -> str:
    body = workshop.server.bodies[-1]
    answer: str = body.get("owner") or body["result"].get("code") or body["status"]
    return answer


def _assert_recording_lives(workshop: Workshop) -> None:
    assert b"drums" in workshop.objects().values()


STORIES = {
    "hash of a first copy": Story(
        hash_message(A), (), added=(A,), left=(A,), owner=A, answer="self"
    ),
    "hash of a second copy": Story(
        hash_message(B), (A,), added=(B,), left=(A, B), owner=A, answer="other"
    ),
    "deletion": Story(
        duplicate_message(B, DRUMS_HASH), (A, B), left=(A,), owner=A, answer="SUCCESS"
    ),
    "deletion of the owner": Story(
        duplicate_message(A, DRUMS_HASH), (A, B), left=(A, B), owner=A, answer="last_copy"
    ),
    "deletion without owner": Story(
        duplicate_message(B, DRUMS_HASH), (A, B), (A,), left=(B,), owner=B, answer="owner_lost"
    ),
}


@pytest.fixture(params=list(STORIES.values()), ids=list(STORIES))
def story(request: pytest.FixtureRequest) -> Story:
    chosen: Story = request.param
    return chosen


def _troubles(
    story: Story, root: Path, moment: str, error: type[BaseException]
) -> Iterator[tuple[Workshop, Trouble]]:
    """The story, with trouble before or after its first step, its second, and so on."""
    for at in count():
        workshop = story.begin(root)
        trouble = Trouble(at, error("as the test wanted"))
        setattr(workshop.storage, moment, _watching(workshop, trouble))
        yield workshop, trouble
        if not trouble.happened:
            assert at >= 2
            return


def _watching(workshop: Workshop, act: Callable[[Step], None]) -> Callable[[Step], None]:
    def watch(step: Step) -> None:
        _assert_recording_lives(workshop)
        act(step)

    return watch


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_dies_anywhere_loses_nothing(
    tmp_path: Path, story: Story, moment: str
) -> None:
    for workshop, trouble in _troubles(story, tmp_path, moment, ProcessDiedError):
        try:
            workshop.deliver(story.body)
        except ProcessDiedError:
            assert workshop.server.requests == []
        else:
            assert not trouble.happened
        _assert_recording_lives(workshop)
        workshop.storage.leave_alone()
        workshop.deliver(story.body, receive_count=2)
        story.assert_ended(workshop)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_storage_that_fails_anywhere_loses_nothing(
    tmp_path: Path, story: Story, moment: str
) -> None:
    for workshop, _ in _troubles(story, tmp_path, moment, StorageUnavailable):
        workshop.deliver(story.body)
        _assert_recording_lives(workshop)
        workshop.storage.leave_alone()
        workshop.deliver(story.body, receive_count=2)
        story.assert_ended(workshop)


def test_a_webhook_in_doubt_is_repeated_word_for_word(tmp_path: Path, story: Story) -> None:
    workshop = story.begin(tmp_path)
    workshop.server.status = 504
    workshop.deliver(story.body)
    workshop.server.status = 200
    workshop.deliver(story.body, receive_count=2)
    story.assert_ended(workshop)
    first, second = workshop.server.requests
    assert first == second


class Overlap:
    """Lets a whole other delivery happen before the step numbered `at`."""

    def __init__(self, at: int, deliver: Callable[[], object]) -> None:
        self._left = at
        self._deliver = deliver
        self.happened = False

    def __call__(self, step: Step) -> None:
        self._left -= 1
        if self._left < 0 and not self.happened:
            self.happened = True
            self._deliver()


def _overlaps(story: Story, root: Path, body: str, message_id: str) -> Iterator[Workshop]:
    """The story, with another delivery within its first step, its second, and so on."""
    for at in count():
        workshop = story.begin(root)
        overlap = Overlap(at, partial(workshop.deliver, body, message_id=message_id))
        workshop.storage.before = _watching(workshop, overlap)
        workshop.deliver(story.body)
        _assert_recording_lives(workshop)
        workshop.deliver(story.body, receive_count=2)
        _assert_recording_lives(workshop)
        yield workshop
        if not overlap.happened:
            return


def test_a_second_delivery_at_the_same_time_loses_nothing(tmp_path: Path, story: Story) -> None:
    for workshop in _overlaps(story, tmp_path, story.body, "message-1"):
        story.assert_ended(workshop)


@pytest.mark.parametrize("other", [A, B, C])
def test_any_other_deletion_at_the_same_time_loses_nothing(
    tmp_path: Path, story: Story, other: str
) -> None:
    story = evolve(story, added=(*story.added, C))
    deletion = duplicate_message(other, DRUMS_HASH)
    for workshop in _overlaps(story, tmp_path, deletion, "message-2"):
        owner = workshop.owner("track456", DRUMS_HASH)
        assert workshop.content(owner) == b"drums"
