"""The dead letters of a queue of SQS: looked at without taking them, and put back on the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import NoReturn

from attrs import define

from waveflow.adapters.aws.clients import sqs_client
from waveflow.adapters.queue.sqs_facts import Once, QueueFacts, region_of
from waveflow.adapters.queue.sqs_letter import DeadLetter, letter_in
from waveflow.adapters.queue.sqs_requests import ClientFactory, SqsRequests
from waveflow.application.clock import Clock
from waveflow.application.ports import MAX_BATCH
from waveflow.domain.errors import LeaseLost, NoDeadLetterQueue, QueueUnavailable, TransientError

LENT_S = 30
"""Short, so that letters come back soon when the process is killed."""

RENEWED_S = 300
"""Whoever still holds a letter when half of the first loan is over reads many of them."""

LONGEST_LOOK_S = 1.0
"""A receive that waits asks all of the servers that a queue is spread over."""

_FRUITLESS = 2


class DeadLetterKept(TransientError):
    """Raised when a dead letter was put back on the queue but couldn't be deleted.

    Attributes:
        new_message_id: its name on the queue.
    """

    def __init__(self, new_message_id: str, cause: TransientError) -> None:
        super().__init__(
            f"It is on the queue again as {new_message_id}, but still a dead letter too: {cause}"
        )
        self.new_message_id = new_message_id


@define
class _Loan:
    receipt: str
    ends_s: float


class SqsDeadLetters:
    """Borrows dead letters, and gives back at the end of its block what it hasn't re-driven.

    For one thread. Every method raises `NoDeadLetterQueue` when there is none, and
    `QueueUnavailable` when SQS doesn't answer.
    """

    def __init__(
        self,
        queue_url: str,
        *,
        dead_letter_queue_url: str | None = None,
        region: str | None = None,
        look_s: float = LONGEST_LOOK_S,
        clock: Clock | None = None,
        new_client: ClientFactory | None = None,
    ) -> None:
        """Nothing is asked of SQS before the first call of a method.

        Args:
            dead_letter_queue_url: None leaves it to the queue's redrive policy.
            region: None takes it from the address of one of Amazon's queues, else from the
                default chain.
            look_s: how long a receive waits for letters, at most `LONGEST_LOOK_S`.
        """
        client: ClientFactory = cache(
            new_client or partial(sqs_client, region or region_of(queue_url), 2)
        )
        wait_s = int(min(look_s, LONGEST_LOOK_S))
        self._wait_s = wait_s
        self._clock = clock or Clock()
        self._queue = SqsRequests(queue_url, client, wait_s)
        self._url = Once(lambda: dead_letter_queue_url or self._queue.find_dead_letter_queue())
        self._dead = Once(lambda: SqsRequests(self._url.get(), client, wait_s))
        self._loans: dict[str, _Loan] = {}
        self._redriven_as: set[str] = set()

    def __enter__(self) -> SqsDeadLetters:
        return self

    def __exit__(self, *_: object) -> None:
        # What can't be given back returns by itself; that must not hide how the block ended.
        with suppress(TransientError):
            self._give_back(list(self._loans))

    def facts(self) -> QueueFacts:
        """What the dead-letter queue says of itself."""
        return self._dead.get().facts(_no_queue_behind)

    @property
    def url(self) -> str:
        """The address of the dead-letter queue."""
        return self._url.get()

    def letters(self, limit: int | None = None) -> Iterator[DeadLetter]:
        """Each dead letter once, in no particular order, borrowed until it is released.

        All are held while the next ones are looked for, so none stands in another's way. What
        was re-driven here and is a dead letter again is left out: it would never end.

        Args:
            limit: how many are borrowed at most; None for all that can be had. Those that
                somebody else is looking at can't.
        """
        seen: set[str] = set()
        fruitless = 0
        while fruitless < _FRUITLESS and (limit is None or len(seen) < limit):
            self._renew()
            most = MAX_BATCH if limit is None else min(limit - len(seen), MAX_BATCH)
            # A standard queue may deliver a message twice.
            fresh = {letter.message_id: letter for letter in self._borrow(most)}
            fresh = {name: letter for name, letter in fresh.items() if name not in seen}
            seen |= set(fresh)
            fruitless = 0 if fresh else fruitless + 1
            for letter in fresh.values():
                if letter.original_message_id not in self._redriven_as:
                    yield letter

    def release(self, letters: Sequence[DeadLetter]) -> None:
        """Let others see the letters again at once."""
        self._give_back([each.message_id for each in letters if each.message_id in self._loans])

    def redrive(
        self, letter: DeadLetter, on_sent: Callable[[str], object] = lambda new_message_id: None
    ) -> str:
        """Put the message on the queue as its sender sent it, then delete the dead letter.

        Args:
            on_sent: told its new id as soon as it is sent, whatever becomes of the dead letter.

        Returns:
            Its new id.

        Raises:
            LeaseLost: when the letter is no longer on loan; nothing was sent.
            DeadLetterKept: when it was sent, but couldn't be deleted.
        """
        self._renew()
        loan = self._loans.get(letter.message_id)
        if loan is None or loan.ends_s <= self._clock.monotonic_s():
            raise LeaseLost("It was held for too long; somebody else may have taken it. Try again.")
        # In this order, whoever dies in between leaves two of it rather than none.
        new_message_id = self._queue.send(letter.body, attributes=letter.attributes)
        self._redriven_as.add(new_message_id)
        try:
            on_sent(new_message_id)
        finally:
            # An error of whoever is told is no reason to leave the message there twice.
            self._delete(letter, loan, new_message_id)
        return new_message_id

    def _delete(self, letter: DeadLetter, loan: _Loan, new_message_id: str) -> None:
        try:
            [problem] = self._dead.get().delete([loan.receipt])
        except QueueUnavailable as error:
            problem = error
        if problem is not None:
            raise DeadLetterKept(new_message_id, problem) from problem
        del self._loans[letter.message_id]

    def _borrow(self, most: int) -> list[DeadLetter]:
        # A loan begins at some moment until the reply: count from the earliest.
        ends_s = self._clock.monotonic_s() + LENT_S
        lent = self._dead.get().receive(most, self._wait_s, LENT_S, ends_s)
        for each in lent:
            self._loans[each.message.message_id] = _Loan(each.message.receipt, ends_s)
        return [letter_in(each) for each in lent]

    def _renew(self) -> None:
        now_s = self._clock.monotonic_s()
        due = [name for name, loan in self._loans.items() if loan.ends_s - now_s < LENT_S / 2]
        self._hide(due, RENEWED_S)

    def _give_back(self, names: Sequence[str]) -> None:
        self._hide(names, 0)
        for name in names:
            self._loans.pop(name, None)

    def _hide(self, names: Sequence[str], seconds: int) -> None:
        for first in range(0, len(names), MAX_BATCH):
            batch = names[first : first + MAX_BATCH]
            ends_s = self._clock.monotonic_s() + seconds
            wanted = [(self._loans[name].receipt, seconds) for name in batch]
            for name, problem in zip(batch, self._dead.get().hide(wanted), strict=True):
                if problem is None:
                    self._loans[name].ends_s = ends_s
                elif isinstance(problem, LeaseLost):
                    del self._loans[name]


def _no_queue_behind() -> NoReturn:
    raise NoDeadLetterQueue("Dead letters that are given up go nowhere.")
