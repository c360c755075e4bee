"""Filter and exact top-k over items, whatever the items are: rows, or groups of rows.

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
from masksearch_ray.execute.ordering import (
    Places,
    Threshold,
    ascending,
    optimistic,
    pessimistic,
)
from masksearch_ray.model.query import Expr, Output, SortKey
from masksearch_ray.model.shard import Poll, Steps

__all__ = [
    "Items",
    "Ranked",
    "Ranking",
    "Undecided",
    "offer",
    "settle",
    "settle_values",
    "survey",
    "top",
]

Index = npt.NDArray[np.int64]
Undecided = Callable[[Index], Bools]
"""Which of some items are still in doubt, given the bounds so far."""

_FIRST_BATCH = 8  # small, as every row of it is read whatever the others turn out to be
_GROWTH = 2  # a batch holds so many times fewer rows than all before it


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

    def refine(self, items: Index, exprs: Sequence[Expr], undecided: Undecided) -> Steps[None]:
        """Read tiles until `undecided` holds for none of the items (ascending)."""

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

    yield from items.refine(at[undecided(at)], exprs, undecided)


def offer(items: Items, ranking: Ranking, k: int) -> Places:
    """Latest places of the k items that are certain to rank first: what may raise the threshold."""
    at = np.arange(items.n)
    surely, _ = ranking.passing(items, at)
    places = pessimistic(ranking.keys(items, at[surely]))
    return places.take(places.first(k))


def top(items: Items, ranking: Ranking, k: int) -> Steps[tuple[Index, Places]]:
    """The k first items, exact; verifies only what can still reach the threshold.

    The best optimistic places are verified first, in growing batches; after each the threshold
    may have risen, here or (by `Poll`) on other shards. An item is pruned only if even its
    optimistic place lies strictly after the threshold.

    Returns
    -------
    items, places
        In order.
    """
    at = np.arange(items.n)
    done = 0
    while True:
        elsewhere = yield Poll()
        at, doubtful, threshold = survey(items, ranking, k, at, elsewhere)
        if not len(doubtful):
            break
        batch = max(_FIRST_BATCH, done // _GROWTH)
        best = optimistic(ranking.keys(items, doubtful)).first(batch)
        chosen = np.sort(doubtful[best])

        def undecided(some: Index, threshold: Threshold | None = threshold) -> Bools:
            return _in_doubt(items, ranking, some, threshold)[1]

        yield from items.refine(chosen, ranking.exprs, undecided)
        done += len(chosen)
    places = pessimistic(ranking.keys(items, at))
    first = places.first(k)
    return at[first], places.take(first)


def survey(
    items: Ranked, ranking: Ranking, k: int | None, at: Index, elsewhere: Threshold | None
) -> tuple[Index, Index, Threshold | None]:
    """Candidates left among `at`, those in doubt, and the threshold.

    Without `k` every item that possibly passes is a candidate.
    """
    threshold = elsewhere
    surely, _ = ranking.passing(items, at)
    sure = pessimistic(ranking.keys(items, at[surely]))
    if k and len(sure) >= k:
        kth = sure.take(sure.first(k)[-1:])
        if threshold is None or kth.reach(threshold)[0]:
            threshold = kth.at(0)
    alive, doubt = _in_doubt(items, ranking, at, threshold)
    if k == 0:
        alive[:] = doubt[:] = False
    return at[alive], at[doubt], threshold


def _in_doubt(
    items: Ranked, ranking: Ranking, at: Index, threshold: Threshold | None
) -> tuple[Bools, Bools]:
    """Which items can still be among the first, and which of them are not yet exact."""
    surely, possibly = ranking.passing(items, at)
    keys = ranking.keys(items, at)
    alive = possibly.copy()
    if threshold is not None:
        alive &= optimistic(keys).reach(threshold)
    exact = surely.copy()
    for held, _, _ in keys:
        exact &= held.exact
    return alive, alive & ~exact
