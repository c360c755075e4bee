"""Repeated measurements of one time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Spread", "timed"]

T = TypeVar("T")

_ENOUGH, _LONG = 3, 5.0  # runs, and seconds of all of them, after which a spread is known


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one time, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def low(self) -> float:
        """The smallest."""
        return min(self.seconds)

    @property
    def high(self) -> float:
        """The largest."""
        return max(self.seconds)


def timed(
    work: Callable[[], T], repeats: int, check: Callable[[T], object] | None = None
) -> Spread:
    """Time some work.

    Parameters
    ----------
    work : callable
    repeats : int
        At least 1. Once three runs have taken 5 seconds in all, no more are made.
    check : callable, optional
        Given what every run returned, outside its time; raises if that is wrong.
    """
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - began)
        long = len(seconds) >= _ENOUGH and sum(seconds) > _LONG
        if check is not None:
            check(found)
        if long:
            break
    return Spread(tuple(seconds))
