"""Taking turns: queries that share a worker get equal shares of its time."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from masksearch_ray.execute.contest import Guide
from masksearch_ray.runtime.control import Watch

__all__ = ["Ledger", "Turn", "Turnstile", "in_turns"]

T = TypeVar("T")

_QUANTUM = 0.02  # seconds that a stage works at least before it steps back
_LOOK = 0.1  # seconds between looks at whether to go on waiting


class Ledger:
    """How much work was done for each query. Decides, without waiting, who is next.

    One that arrives is put beside the one that was served least: neither does it wait until it
    has caught up with a long one, nor do long ones wait for it for ever.
    """

    def __init__(self) -> None:
        self._served: dict[str, float] = {}
        self._stages: dict[str, int] = {}

    def arrive(self, query: str) -> None:
        """Note that a stage of a query begins."""
        if query not in self._served:
            self._served[query] = min(self._served.values(), default=0.0)
        self._stages[query] = self._stages.get(query, 0) + 1

    def charge(self, query: str, seconds: float) -> None:
        """Note work that was done for a query."""
        self._served[query] += seconds

    def depart(self, query: str) -> None:
        """Note that a stage of a query has ended."""
        self._stages[query] -= 1
        if not self._stages[query]:
            del self._stages[query], self._served[query]

    def rank(self, query: str) -> float:
        """Who ranks lowest is next."""
        return self._served[query]


class Turnstile:
    """Lets so many stages work at once; the others wait, those of the least served query least.

    Parameters
    ----------
    places : int
    clock : callable
        Seconds.
    """

    def __init__(self, places: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._free = places
        self._clock = clock
        self._changed = threading.Condition()
        self._ledger = Ledger()
        self._numbers = itertools.count()
        self._waiting: dict[int, Turn] = {}

    def turn(self, query: str) -> Turn:
        """Take part, as one stage of a query; the turn must be closed."""
        with self._changed:
            self._ledger.arrive(query)
            return Turn(self, query, next(self._numbers))

    @property
    def waiting(self) -> int:
        """Stages that wait now."""
        with self._changed:
            return len(self._waiting)

    def _next(self) -> Turn | None:
        if not self._waiting:
            return None
        return min(self._waiting.values(), key=lambda t: (self._ledger.rank(t.query), t.number))

    def _enter(self, turn: Turn, stop: Callable[[], None]) -> None:
        with self._changed:
            self._waiting[turn.number] = turn
            try:
                while not self._free or self._next() is not turn:
                    self._changed.wait(_LOOK)
                    stop()
                self._free -= 1
            finally:
                del self._waiting[turn.number]
                self._changed.notify_all()
            turn.since = self._clock()

    def _leave(self, turn: Turn) -> None:
        with self._changed:
            if turn.since is not None:
                self._ledger.charge(turn.query, self._clock() - turn.since)
                turn.since = None
                self._free += 1
                self._changed.notify_all()

    def _yields(self, turn: Turn) -> bool:
        """Whether somebody waits who was served less."""
        with self._changed:
            other = self._next()
            if other is None or turn.since is None:
                return False
            spent = self._clock() - turn.since
            rank = self._ledger.rank(turn.query) + spent
            return spent >= _QUANTUM and self._ledger.rank(other.query) < rank

    def _depart(self, turn: Turn) -> None:
        with self._changed:
            self._ledger.depart(turn.query)


class Turn:
    """One stage's part in a turnstile; made by `Turnstile.turn`."""

    def __init__(self, turnstile: Turnstile, query: str, number: int) -> None:
        self._turnstile = turnstile
        self.query = query
        self.number = number
        self.since: float | None = None

    def enter(self, stop: Callable[[], None]) -> None:
        """Wait for a place; `stop` ends the waiting by an error."""
        self._turnstile._enter(self, stop)

    def leave(self) -> None:
        """Give the place away."""
        self._turnstile._leave(self)

    def step(self, stop: Callable[[], None]) -> None:
        """Step back where others were served less."""
        if self._turnstile._yields(self):
            self.leave()
            self.enter(stop)

    def close(self) -> None:
        """Take part no longer."""
        self.leave()
        self._turnstile._depart(self)


def in_turns(run: Callable[[Watch], Iterator[T]], watch: Watch, turn: Turn) -> Iterator[T]:
    """Run a stage in its turns; others have its place while the reader of its answer works.

    Parameters
    ----------
    run : callable
        Runs the stage; given what it is to look at between its steps.
    watch : Watch
        Of the query.
    turn : Turn
        Closed in the end.
    """
    try:
        turn.enter(watch.check)
        for found in run(_FairWatch(watch, turn)):
            turn.leave()
            yield found
            turn.enter(watch.check)
    finally:
        turn.close()


class _FairWatch:
    """A query's control that also lets others have their turn between two steps."""

    def __init__(self, watch: Watch, turn: Turn) -> None:
        self._watch = watch
        self._turn = turn

    @property
    def guide(self) -> Guide:
        """What is known of a top-k elsewhere."""
        return self._watch.guide

    @property
    def pausing(self) -> bool:
        """Whether to pause now."""
        return self._watch.pausing

    def check(self) -> None:
        """Stop here if the query is to stop."""
        self._watch.check()

    def step(self) -> None:
        """Stop here if the query is to stop; else let those go first who were served less."""
        self._watch.step()
        self._turn.step(self._watch.check)
