"""Requests about several messages at once: who waits for whom, and what the reply says of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define

from waveflow.adapters.queue.sqs_errors import refusal
from waveflow.application.ports import MAX_BATCH
from waveflow.domain.errors import QueueUnavailable, TransientError

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchResultTypeDef,
        DeleteMessageBatchResultTypeDef,
    )

    BatchReply = ChangeMessageVisibilityBatchResultTypeDef | DeleteMessageBatchResultTypeDef

Item = TypeVar("Item")
Outcome = TransientError | None


MOMENT_S = 0.025
"""Little against the shortest loan, and enough for the next of a few busy threads to come."""


@define(eq=False)
class _Entry(Generic[Item]):
    item: Item
    is_done: bool = False
    error: TransientError | None = None


class Together(Generic[Item]):
    """Sends what several threads want sent, together as far as that takes no time to speak of.

    The thread that finds nobody sending sends for all that wait, after a moment in which others
    may come, if any are to be expected; there is no thread of its own. What arrives while a
    request is under way shares the next one.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Item]], Sequence[Outcome]],
        most: int = MAX_BATCH,
        expected: Callable[[], int] = lambda: 1,
        moment_s: float = MOMENT_S,
    ) -> None:
        """Begin with nobody waiting.

        Args:
            send: sends up to `most` items and says, in their order, what became of each.
            expected: how many items there are at most, those included that wait already.
            moment_s: for how long they are waited for.
        """
        self._send = send
        self._most = most
        self._expected = expected
        self._moment_s = moment_s
        self._waiting: list[_Entry[Item]] = []
        self._is_sending = False
        self._enough = 0
        self._changed = Condition()

    def submit(self, item: Item) -> None:
        """Return when the item has been sent.

        Raises:
            TransientError: what became of it instead.
        """
        entry = _Entry(item)
        if self._has_to_send(entry):
            self._send_next()
        if entry.error is not None:
            raise entry.error

    def _has_to_send(self, entry: _Entry[Item]) -> bool:
        with self._changed:
            self._waiting.append(entry)
            try:
                if len(self._waiting) == self._enough:
                    self._changed.notify_all()
                self._changed.wait_for(lambda: entry.is_done or self._is_next(entry))
            except BaseException:
                # Whoever is interrupted must not stay at the head of those who wait.
                if entry in self._waiting:
                    self._waiting.remove(entry)
                self._changed.notify_all()
                raise
            self._is_sending = self._is_sending or not entry.is_done
            return not entry.is_done

    def _is_next(self, entry: _Entry[Item]) -> bool:
        # Only the one at the head sends: then its own item is always in what it sends.
        return not self._is_sending and self._waiting[0] is entry

    def _send_next(self) -> None:
        batch: list[_Entry[Item]] = []
        try:
            self._gather(batch)
            outcomes = self._send([entry.item for entry in batch])
            answered = list(zip(batch, outcomes, strict=True))
        except BaseException as defect:
            broken = f"The request that several threads waited for was broken off ({defect!r})."
            self._finish([(entry, QueueUnavailable(broken)) for entry in batch])
            raise
        self._finish(answered)

    def _gather(self, batch: list[_Entry[Item]]) -> None:
        with self._changed:
            try:
                self._enough = min(self._most, self._expected())
                self._changed.wait_for(lambda: len(self._waiting) >= self._enough, self._moment_s)
            finally:
                self._enough = 0
                batch += self._waiting[: self._most]
                del self._waiting[: self._most]

    def _finish(self, answered: Sequence[tuple[_Entry[Item], Outcome]]) -> None:
        with self._changed:
            for entry, outcome in answered:
                entry.error = outcome
                entry.is_done = True
            self._is_sending = False
            self._changed.notify_all()


def outcomes_of(reply: BatchReply, count: int) -> list[Outcome]:
    """What a reply says of the entries with the ids 0 to `count` - 1, in that order."""
    failed = {entry.get("Id"): entry for entry in reply.get("Failed") or []}
    successful = {entry.get("Id") for entry in reply.get("Successful") or []}
    outcomes: list[Outcome] = []
    for key in map(str, range(count)):
        if key in failed:
            outcomes.append(refusal(failed[key].get("Code", ""), failed[key].get("Message", "")))
        elif key in successful:
            outcomes.append(None)
        else:
            outcomes.append(QueueUnavailable("SQS left a message out of its reply; try again."))
    return outcomes
