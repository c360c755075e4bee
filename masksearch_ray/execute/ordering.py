"""Places in an order: what a row's or group's sort keys can be at best and at worst.

A place is one component a sort key, each a null rank and a value. Every component of the true
place is at or after the optimistic one and at or before the pessimistic one, hence so is the
whole, compared key by key. Ties are settled by the last components: mask_id, or the group's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.interval import Array, Bools, Interval, concatenate
from masksearch_ray.execute.ranks import ranks

__all__ = [
    "Component",
    "Places",
    "Threshold",
    "ascending",
    "comes_before",
    "optimistic",
    "pessimistic",
]

_VALUE = 1  # null rank of a value; NULLs rank 0 (first) or 2 (last)
Threshold = tuple[tuple[int, Any], ...]
"""One place as plain values: (null rank, value) a component."""


@dataclass(frozen=True, eq=False)
class Component:
    """One sort key of N places.

    Parameters
    ----------
    rank : numpy.ndarray
        int8 ``(N,)``: 0 NULL first, 1 a value, 2 NULL last.
    value : numpy.ndarray
        ``(N,)``; neutral where NULL.
    descending : bool
    """

    rank: npt.NDArray[np.int8]
    value: Array
    descending: bool

    def codes(self) -> Array:
        """Numbers in ascending order of the values' wanted order."""
        value = self.value
        if value.dtype == object or value.dtype == np.bool_:
            value = ranks(value)
        if not self.descending:
            return value
        return ~value if value.dtype.kind == "i" else -value


@dataclass(frozen=True, eq=False)
class Places:
    """N places, compared component by component."""

    components: tuple[Component, ...]

    def __len__(self) -> int:
        return len(self.components[0].rank) if self.components else 0

    @classmethod
    def of(cls, keys: Sequence[tuple[Interval, bool, bool]]) -> Places:
        """Places of exact sort keys ``(values, descending, nulls_first)``."""
        return pessimistic(keys)

    @classmethod
    def concat(cls, parts: Sequence[Places]) -> Places | None:
        """Places one after another; None for no parts."""
        if not parts:
            return None
        return cls(
            tuple(
                _joined(components)
                for components in zip(*(p.components for p in parts), strict=True)
            )
        )

    def take(self, index: Array) -> Places:
        """Select some of the places."""
        return Places(
            tuple(Component(c.rank[index], c.value[index], c.descending) for c in self.components)
        )

    def put(self, index: Array, places: Places) -> None:
        """Set some of the places, in place."""
        for held, new in zip(self.components, places.components, strict=True):
            held.rank[index], held.value[index] = new.rank, new.value

    def argsort(self) -> npt.NDArray[np.int64]:
        """Positions from first to last."""
        keys: list[Array] = []
        for component in reversed(self.components):
            keys += [component.codes(), component.rank]
        return np.lexsort(keys)

    def first(self, k: int) -> npt.NDArray[np.int64]:
        """Positions of the k first, in order."""
        if not 0 < k < len(self) or not self.components:
            return self.argsort()[:k]
        # Whatever is after the k-th by the first component alone cannot be among them.
        component = self.components[0]
        codes, rank = component.codes(), component.rank
        last = np.partition(rank, k - 1)[k - 1]
        among = rank == last
        if (left := k - int(np.count_nonzero(rank < last))) < np.count_nonzero(among):
            among &= codes <= np.partition(codes[among], left - 1)[left - 1]
        near = np.flatnonzero(among | (rank < last))
        return near[self.take(near).argsort()[:k]]

    def at(self, position: int) -> Threshold:
        """One place as plain values."""
        return tuple((int(c.rank[position]), _plain(c.value[position])) for c in self.components)

    def reach(self, threshold: Threshold) -> Bools:
        """Whether each place is at or before a threshold."""
        undecided = np.ones(len(self), np.bool_)
        before = np.zeros(len(self), np.bool_)
        for component, (rank, value) in zip(self.components, threshold, strict=True):
            earlier, same = component.rank < rank, component.rank == rank
            if rank == _VALUE:
                held = component.value
                less = held > value if component.descending else held < value
                earlier = earlier | (same & less.astype(np.bool_))
                same = same & (held == value).astype(np.bool_)
            before |= undecided & earlier
            undecided &= same
        return before | undecided


def comes_before(a: Threshold, b: Threshold, descending: Sequence[bool]) -> bool:
    """Whether a place comes before another.

    Parameters
    ----------
    a, b : Threshold
    descending : sequence of bool
        Of the sort keys; what settles ties, after them, ascends.
    """
    for at, ((rank, value), (other_rank, other)) in enumerate(zip(a, b, strict=True)):
        if rank != other_rank:
            return rank < other_rank
        if rank == _VALUE and value != other:
            down = at < len(descending) and descending[at]
            return bool(value > other if down else value < other)
    return False


def _joined(components: Sequence[Component]) -> Component:
    return Component(
        np.concatenate([c.rank for c in components]),
        concatenate([c.value for c in components]),
        components[0].descending,
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def optimistic(keys: Sequence[tuple[Interval, bool, bool]]) -> Places:
    """Earliest places that sort keys ``(values, descending, nulls_first)`` allow."""
    return Places(tuple(_component(v, d, f, early=True) for v, d, f in keys))


def pessimistic(keys: Sequence[tuple[Interval, bool, bool]]) -> Places:
    """Latest places that sort keys ``(values, descending, nulls_first)`` allow."""
    return Places(tuple(_component(v, d, f, early=False) for v, d, f in keys))


def ascending(values: Sequence[Interval]) -> list[tuple[Interval, bool, bool]]:
    """Sort keys for exact values in ascending order, NULLs last."""
    return [(held, False, False) for held in values]


def _component(values: Interval, descending: bool, nulls_first: bool, *, early: bool) -> Component:
    null_rank = 0 if nulls_first else 2
    may = min(_VALUE, null_rank) if early else max(_VALUE, null_rank)
    rank = np.full(len(values), _VALUE, np.int8)
    rank[values.maybe_null] = may
    rank[values.surely_null] = null_rank
    value = values.lower if early != descending else values.upper
    null = rank != _VALUE
    if null.any():
        value = value.copy()
        value[null] = "" if values.type in ("string", "other") else 0
    return Component(rank, value, descending)
