"""Merging what comes one by one, at a cost per part that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["Fold"]

Part = TypeVar("Part")
_FAN = 16  # parts merged at once


class Fold(Generic[Part]):
    """A tree of merges, grown from its leaves as they come.

    Sixteen parts of a level become one of the next, so that each part is merged once a level:
    memory holds sixteen a level, not all of them. Merging each part into one whole at once would
    cost the size of the whole every time.

    Parameters
    ----------
    merge : callable
        Of many parts one; associative and commutative.
    """

    def __init__(self, merge: Callable[[Sequence[Part]], Part]) -> None:
        self._merge = merge
        self._levels: list[list[Part]] = []

    def add(self, part: Part) -> None:
        """Take one more part."""
        for level in self._levels:
            level.append(part)
            if len(level) < _FAN:
                return
            part = self._merge(level)
            level.clear()
        self._levels.append([part])

    def parts(self) -> list[Part]:
        """What is still to be merged, of every level; none if none came."""
        return [part for level in self._levels for part in level]
