"""Doing the same with several things at once, as if it were done with one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Lock, Thread
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Wanted = Callable[[], object]
"""To be called now and then by who works on an item: raises once nobody wants the result."""


def side_by_side(
    items: Sequence[_Item], work: Callable[[_Item, Wanted], _Result], *, at_once: int
) -> list[_Result]:
    """What `work` makes of each item, in their order.

    The calling thread works, too. The others have its context variables, and have ended on
    return. Where there is no room for another thread, fewer do it.

    Once an item has failed, those after it are given up, as they would not have been begun.
    Those before it are waited for, since one of them may fail yet.

    Args:
        at_once: how many items are worked on at the same time, at most.

    Raises:
        BaseException: that of the first item, in their order, that fails.
    """
    bench = _Bench(items, work)
    helpers = _started(bench, min(at_once, len(items)) - 1)
    bench.run()
    for helper in helpers:
        helper.join()
    return bench.results()


class _GivenUp(Exception):
    """Raised in the middle of an item that is no longer wanted."""


class _Bench(Generic[_Item, _Result]):
    """The items, and what came of them; for any number of threads."""

    def __init__(self, items: Sequence[_Item], work: Callable[[_Item, Wanted], _Result]) -> None:
        self._items = items
        self._work = work
        self._begun = 0
        self._done: dict[int, _Result] = {}
        self._error: BaseException | None = None
        self._wanted = len(items)
        self._lock = Lock()

    def run(self) -> None:
        """Work on one item after the other until none is left that is wanted."""
        while (index := self._next()) is not None:
            try:
                self._done[index] = self._work(self._items[index], self._require(index))
            except BaseException as error:
                self._failed(index, error)

    def results(self) -> list[_Result]:
        """In the order of the items. Raises the error of the first that failed."""
        if self._error is not None:
            raise self._error
        return [self._done[index] for index in range(len(self._items))]

    def _next(self) -> int | None:
        with self._lock:
            if self._begun >= self._wanted:
                return None
            self._begun += 1
            return self._begun - 1

    def _require(self, index: int) -> Wanted:
        def wanted() -> None:
            if index >= self._wanted:
                raise _GivenUp

        return wanted

    def _failed(self, index: int, error: BaseException) -> None:
        with self._lock:
            if index < self._wanted:
                self._wanted, self._error = index, error


def _started(bench: _Bench[_Item, _Result], count: int) -> list[Thread]:
    threads = []
    for _ in range(count):
        context = copy_context()  # Each thread needs one of its own.
        thread = Thread(target=context.run, args=[bench.run], name="side-by-side", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            break
        threads.append(thread)
    return threads
