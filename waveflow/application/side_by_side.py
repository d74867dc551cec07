"""Doing the same with several things at once, as if it were done with one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_ALL = -1
"""Before the first item: what comes up there leaves none wanted."""
Wanted = Callable[[], object]
"""To be called now and then by who works on an item: raises once nobody wants the result."""


def side_by_side(
    items: Sequence[_Item], work: Callable[[_Item, Wanted], _Result], *, at_once: int
) -> list[_Result]:
    """What `work` makes of each item, in their order.

    The calling thread works, too. The others have its context variables, and have ended on
    return. Where there is no room for another thread, fewer do it.

    Once an item has failed, those after it are given up, as they would not have been begun.
    Those before it are waited for, since one of them may fail yet. An interrupt, or whatever else
    is no `Exception`, gives up all of them.

    Args:
        at_once: how many items are worked on at the same time, at most.

    Raises:
        BaseException: the first that is no `Exception`, wherever it came up.
        Exception: that of the first item, in their order, that fails.
    """
    bench = _Bench(items, work)
    helpers: list[_Helper] = []
    try:
        _start(helpers, bench, min(at_once, len(items)) - 1)
        bench.run()
    except BaseException as error:
        bench.end(error)
    _join(helpers, bench)
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
            except Exception as error:
                self._failed(index, error)
            except BaseException as error:
                self.end(error)

    def end(self, error: BaseException) -> None:
        """Nothing is wanted any more, since this has come up."""
        self._failed(_ALL, error)

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


class _Helper:
    """A thread that works at the bench, and tells by itself that it has ended.

    After a `join` that was interrupted Python 3.11 takes a thread that runs for one that has ended.
    """

    def __init__(self, bench: _Bench[_Item, _Result]) -> None:
        """Start it. Raises `RuntimeError` where there is no room for it."""
        self._bench_run = bench.run
        self._ended = Event()
        context = copy_context()  # Each thread needs one of its own.
        run = partial(context.run, self._run)
        self._thread = Thread(target=run, name="side-by-side", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._ended.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._bench_run()
        finally:
            self._ended.set()


def _start(helpers: list[_Helper], bench: _Bench[_Item, _Result], count: int) -> None:
    for _ in range(count):
        try:
            helpers.append(_Helper(bench))
        except RuntimeError:
            break


def _join(helpers: Sequence[_Helper], bench: _Bench[_Item, _Result]) -> None:
    while True:
        try:
            for helper in helpers:
                helper.join()
        except BaseException as error:
            bench.end(error)
        else:
            return
