"""Groups of rows by exact keys; NULL is a key like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.interval import Array, Interval
from masksearch_ray.execute.ranks import ranks

__all__ = ["Groups", "group"]

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """N items in G groups.

    Parameters
    ----------
    keys : tuple of Interval
        Exact keys of the groups, G each, in no promised order.
    codes : numpy.ndarray
        int64 ``(N,)``: each item's group.
    order : numpy.ndarray
        int64 ``(N,)``: items sorted by group, within a group as they came.
    offsets : numpy.ndarray
        int64 ``(G + 1,)``: where each group starts in `order`.
    """

    keys: tuple[Interval, ...]
    codes: Index
    order: Index
    offsets: Index

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Index:
        """Items of each group, int64 ``(G,)``."""
        return np.diff(self.offsets)

    def reduce(self, ufunc: np.ufunc, values: Array) -> Array:
        """Reduce ``(N, …)`` values group by group; every group holds at least one item."""
        if len(self) == 0:
            return values[:0]
        return ufunc.reduceat(values[self.order], self.offsets[:-1], axis=0)


def group(keys: Sequence[Interval], n: int) -> Groups:
    """Group N items by exact keys; without keys all are one group (none when N = 0)."""
    codes = np.zeros(n, np.int64)
    for key in keys:
        codes = ranks(codes * (n + 2) + _key_codes(key)) if n else codes
    order = np.argsort(codes, kind="stable")
    count = int(codes.max()) + 1 if n else 0
    offsets = np.searchsorted(codes[order], np.arange(count + 1)).astype(np.int64)
    first = order[offsets[:-1]]
    return Groups(tuple(key.take(first) for key in keys), codes, order, offsets)


def _key_codes(key: Interval) -> Index:
    codes = ranks(key.lower) + 1
    codes[key.surely_null] = 0
    return codes
