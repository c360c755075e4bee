"""What was used last, within a budget: the page keeps no more, however long it is open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key; those not used for longest go first. Threads may share it.

    Parameters
    ----------
    budget : int
        What values may weigh together.
    weigh : callable, optional
        Weight of a value; by default each weighs 1.
    """

    def __init__(self, budget: int, weigh: Callable[[T], int] = lambda value: 1) -> None:
        self._budget = budget
        self._weigh = weigh
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._weight = 0

    @property
    def weight(self) -> int:
        """What values weigh together now."""
        return self._weight

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> T | None:
        """Value of a key; None where there is none, or none any more."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Hashable, value: T) -> None:
        """Keep a value, in place of the one that the key had."""
        with self._lock:
            old = self._values.pop(key, None)
            self._weight += self._weigh(value) - (0 if old is None else self._weigh(old))
            self._values[key] = value
            while self._weight > self._budget and len(self._values) > 1:
                self._weight -= self._weigh(self._values.popitem(last=False)[1])
