"""Items and what is asked of them, whatever they are: rows, or groups of rows.

Items give sound intervals for any expression and can tighten them by reading tiles; what follows
is the same for both. See docs/architecture.md and He et al., "MaskSearch: Querying Image Masks at
Scale", arXiv 2305.02375, section 3, of which this is the distributed and interval-valued form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.execute.interval import Bools, Interval
from masksearch_ray.execute.ordering import ascending
from masksearch_ray.model.query import Expr, Output, SortKey
from masksearch_ray.model.shard import Steps

__all__ = [
    "Items",
    "Ranked",
    "Ranking",
    "Undecided",
    "settle",
    "settle_values",
]

Index = npt.NDArray[np.int64]
Undecided = Callable[[Index], Bools]
"""Which of some items are still in doubt, given the bounds so far."""


class Ranked(Protocol):
    """What has bounds by which it can be ranked; items are numbered from 0."""

    @property
    def n(self) -> int:
        """Number of items."""

    def evaluate(self, expr: Expr, items: Index | None = None) -> Interval:
        """Intervals of an expression, as tight as known, on all items or on some."""

    def ties(self, items: Index) -> Sequence[Interval]:
        """Exact values that settle ties, ascending."""


class Items(Ranked, Protocol):
    """What can be filtered and ranked, and tightened by reading tiles."""

    def load(self, exprs: Iterable[Expr | None]) -> Steps[None]:
        """Read what expressions need for their first bounds."""

    def refine(
        self, items: Index, exprs: Sequence[Expr], undecided: Undecided, *, whole: bool = False
    ) -> Steps[None]:
        """Read tiles until `undecided` holds for none of the items (ascending).

        With `whole` all tiles in doubt, whatever comes of the first of them: the items are to be
        exact in any case.
        """

    def table(self, outputs: Sequence[Output], items: Index) -> Steps[pa.Table]:
        """The select list on items of which all outputs are exact."""


@dataclass(frozen=True)
class Ranking:
    """What decides which items are in the answer, and where.

    Parameters
    ----------
    where : Expr or None
        Predicate on items.
    order_by : tuple of SortKey
    """

    where: Expr | None
    order_by: tuple[SortKey, ...]

    @property
    def exprs(self) -> list[Expr]:
        """All expressions that have to be decided."""
        keys = [key.expr for key in self.order_by]
        return keys if self.where is None else [self.where, *keys]

    def passing(self, items: Ranked, at: Index) -> tuple[Bools, Bools]:
        """Which items surely, and which possibly, satisfy the predicate."""
        if self.where is None:
            every = np.ones(len(at), np.bool_)
            return every, every
        held = items.evaluate(self.where, at)
        return held.surely, held.possibly

    def keys(self, items: Ranked, at: Index) -> list[tuple[Interval, bool, bool]]:
        """Sort keys of items, ties last."""
        keys = [
            (items.evaluate(key.expr, at), key.descending, key.nulls_first) for key in self.order_by
        ]
        return keys + ascending(items.ties(at))


def settle(items: Items, predicate: Expr | None, at: Index) -> Steps[Bools]:
    """Decide a predicate for certain on ascending items: which satisfy it."""
    if predicate is None:
        return np.ones(len(at), np.bool_)

    def undecided(some: Index) -> Bools:
        held = items.evaluate(predicate, some)
        return held.possibly & ~held.surely

    yield from items.refine(at[undecided(at)], [predicate], undecided)
    return items.evaluate(predicate, at).surely


def settle_values(items: Items, exprs: Sequence[Expr], at: Index) -> Steps[None]:
    """Make expressions exact on ascending items."""

    def undecided(some: Index) -> Bools:
        doubt = np.zeros(len(some), np.bool_)
        for expr in exprs:
            doubt |= ~items.evaluate(expr, some).exact
        return doubt

    yield from items.refine(at[undecided(at)], exprs, undecided, whole=True)
