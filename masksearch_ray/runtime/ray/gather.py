"""Several pieces of work side by side on threads, and what they yield gathered."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["gather"]

T = TypeVar("T")

_LOOK = 0.1  # seconds between looks at whether anybody still wants what cannot be handed over
_PAUSE = 0.05  # seconds in which things come together after the first; each time twice as long


@dataclass(eq=False)
class _Ended:
    """A piece of work is done, or has failed."""

    error: BaseException | None = None


def gather(
    works: Sequence[Callable[[], Iterable[T]]],
    pause: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[T]]:
    """Do all work at once, each piece on a thread of its own; yield what came meanwhile.

    What comes first is handed on at once, then what comes within pauses that grow, and what is
    left as soon as all has ended: whoever takes it has few parts to take, and none late.

    Parameters
    ----------
    works : sequence of callable
        Each gives an iterator; those are held back while nobody takes what they yield. A single
        one is done without a thread.
    pause : float
        The longest, in seconds; 0: hand on at once what is there.
    clock : callable
        Seconds.

    Raises
    ------
    BaseException
        The error of a piece that failed; the others end when they next yield.
    """
    if len(works) == 1:
        yield from ([item] for item in works[0]())
        return
    come: queue.Queue[T | _Ended] = queue.Queue(len(works))
    left = threading.Event()
    for work in works:
        threading.Thread(target=_do, args=(work, come, left), daemon=True).start()
    try:
        yield from _Gathered(come, len(works), pause, clock)
    finally:
        left.set()


def _do(
    work: Callable[[], Iterable[T]], come: queue.Queue[T | _Ended], left: threading.Event
) -> None:
    try:
        for item in work():
            if not _hand(item, come, left):
                return
    except BaseException as error:  # raised again where it is seen
        _hand(_Ended(error), come, left)
    else:
        _hand(_Ended(), come, left)


def _hand(item: T | _Ended, come: queue.Queue[T | _Ended], left: threading.Event) -> bool:
    """Hand something over, unless nobody takes anything any more."""
    while not left.is_set():
        try:
            come.put(item, timeout=_LOOK)
        except queue.Full:
            continue
        return True
    return False


class _Gathered(Generic[T]):
    def __init__(
        self,
        come: queue.Queue[T | _Ended],
        works: int,
        longest: float,
        clock: Callable[[], float],
    ) -> None:
        self._come = come
        self._most = works  # parts held at once, as many as wait to be taken
        self._at_work = works
        self._longest = longest
        self._clock = clock

    def __iter__(self) -> Iterator[list[T]]:
        pause = 0.0
        while self._at_work:
            items = list(self._until(pause))
            if items:
                yield items
            pause = min(max(_PAUSE, 2 * pause), self._longest)

    def _until(self, pause: float) -> Iterator[T]:
        """What comes within a pause, but at least one item if any is to come."""
        until, taken = self._clock() + pause, 0
        while self._at_work and taken < self._most:
            wait = max(0.0, until - self._clock()) if taken else None
            try:
                item = self._come.get(timeout=wait) if wait != 0.0 else self._come.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, _Ended):
                self._at_work -= 1
                if item.error is not None:
                    raise item.error
                continue
            taken += 1
            yield item
