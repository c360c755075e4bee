"""What was used last, within a budget of memory."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

__all__ = ["Recent", "default_budget"]

_LARGEST_BUDGET = 4 << 30

T = TypeVar("T")


def default_budget() -> int:
    """Bytes for what is read of a collection: a quarter of the machine's memory, at most 4 GiB."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(_LARGEST_BUDGET, physical // 4)


class Recent(Generic[T]):
    """Values by key; those not used for longest are forgotten first. Threads may share it.

    Whoever holds a value that is forgotten may go on using it.

    Parameters
    ----------
    budget : int
        Bytes that the values may take together; what alone takes more is not kept.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes that the values take now."""
        with self._lock:
            return self._nbytes

    def get(self, key: Hashable) -> T | None:
        """Value of a key; None where there is none, or none any more."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def get_all(self, keys: Iterable[Hashable]) -> list[T | None]:
        """Values of keys, each as `get` gives it."""
        found: list[T | None] = []
        with self._lock:
            for key in keys:
                held = self._values.get(key)
                if held is None:
                    found.append(None)
                else:
                    self._values.move_to_end(key)
                    found.append(held[0])
        return found

    def holds(self, keys: Iterable[Hashable]) -> list[bool]:
        """Whether each key has a value, without using it."""
        with self._lock:
            return [key in self._values for key in keys]

    def put(self, key: Hashable, value: T, nbytes: int) -> None:
        """Keep a value, in place of the one that the key had."""
        with self._lock:
            self._nbytes += nbytes - self._values.pop(key, (value, 0))[1]
            self._values[key] = value, nbytes
            while self._nbytes > self.budget:
                self._nbytes -= self._values.popitem(last=False)[1][1]
