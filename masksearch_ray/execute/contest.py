"""A top-k as it is fought out: what its items can be at best and at worst, as far as is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.interval import Bools
from masksearch_ray.execute.ordering import (
    Places,
    Threshold,
    comes_before,
    optimistic,
    pessimistic,
)
from masksearch_ray.execute.partials import Offered
from masksearch_ray.execute.search import Ranked, Ranking

__all__ = ["Contest", "Guide"]

Index = npt.NDArray[np.int64]

_LEAST = 4  # rows at least of a batch of which nobody knows whether they are needed
_SHARE = 2  # such a batch holds so many times fewer rows than all before it
# Of what was verified so much may be verified in vain, to take fewer batches: little at first, as
# then the answer is near; more once many times k did not settle it.
_SURPLUS, _SURPLUS_LATE, _LATE = 8, 3, 8


@dataclass(frozen=True)
class Guide:
    """What is known elsewhere of a top-k.

    Parameters
    ----------
    threshold : Threshold or None
        A place that k items are certain to reach: later ones are none of the first.
    horizon : Threshold or None
        The k-th earliest place that items of all shards may have. Whatever is in doubt and may
        reach it must be verified, whatever else is found. None where fewer than k are left.
    patient : bool
        Whether others go on meanwhile if a shard only waits.
    """

    threshold: Threshold | None = None
    horizon: Threshold | None = None
    patient: bool = False


class Contest:
    """Items that can still be among the first k; those that cannot are left out as it goes.

    An item is left out only if even its optimistic place lies strictly after a place that k items
    are certain to reach.

    Parameters
    ----------
    items : Ranked
    ranking : Ranking
    k : int or None
        None: all that possibly pass are candidates.

    Attributes
    ----------
    at : numpy.ndarray
        int64 ``(n,)``: the candidates, ascending.
    early : Places
        Their optimistic places.
    doubt : numpy.ndarray
        bool ``(n,)``: whether their places are not exact, or whether they pass is not certain.
    sure : Places
        Pessimistic places of the first k of those that are certain to pass, in no order.
    """

    def __init__(self, items: Ranked, ranking: Ranking, k: int | None) -> None:
        self._items, self._ranking, self.k = items, ranking, k
        self._descending = [key.descending for key in ranking.order_by]
        self.threshold: Threshold | None = None
        self._sure_items = np.zeros(0, np.int64)
        every = np.arange(items.n)
        early, late, surely, possibly, exact = self._bounds(every)
        self.sure = late.take(self._sure_items)
        self._note_sure(every[surely], late if surely.all() else late.take(surely))
        if k == 0:
            possibly = np.zeros(items.n, np.bool_)
        elif self.threshold is not None:
            possibly = possibly & early.reach(self.threshold)
        # Taken, and so never written to what others share.
        self.at = np.flatnonzero(possibly)
        self.early, self.doubt = early.take(self.at), ~exact[self.at]
        self._out = np.zeros(len(self.at), np.bool_)

    def _bounds(self, at: Index) -> tuple[Places, Places, Bools, Bools, Bools]:
        """Earliest and latest places, whether items surely and possibly pass, and are exact."""
        surely, possibly = self._ranking.passing(self._items, at)
        keys = self._ranking.keys(self._items, at)
        exact = surely.copy()
        for held, _, _ in keys:
            exact &= held.exact
        early = optimistic(keys)
        return early, early if exact.all() else pessimistic(keys), surely, possibly, exact

    def _note_sure(self, items: Index, late: Places) -> None:
        """Take in better places of items that are certain to pass."""
        if self.k is None:
            return
        if len(self._sure_items):
            others = ~np.isin(self._sure_items, items)
            whole = Places.concat([self.sure.take(others), late])
            assert whole is not None
            items, late = np.concatenate([self._sure_items[others], items]), whole
        first = late.first(self.k)
        self.sure, self._sure_items = late.take(first), items[first]
        if 0 < self.k == len(first):
            self._raise(self.sure.at(self.k - 1))

    def _raise(self, threshold: Threshold) -> bool:
        known = self.threshold
        if known is not None and not comes_before(threshold, known, self._descending):
            return False
        self.threshold = threshold
        return True

    def hear(self, threshold: Threshold | None) -> None:
        """Take in what is known elsewhere, and leave out what is known to be none of the first."""
        if threshold is not None:
            self._raise(threshold)
        keep = ~self._out
        if self.threshold is not None:
            keep &= self.early.reach(self.threshold)
        if not keep.all():
            self.at, self.early, self.doubt = self.at[keep], self.early.take(keep), self.doubt[keep]
            self._out = np.zeros(len(self.at), np.bool_)

    def update(self, items: Index) -> Index:
        """Take in better bounds of some candidates, ascending; gives where they are in `at`."""
        where = np.searchsorted(self.at, items)
        early, late, surely, possibly, exact = self._bounds(items)
        self.early.put(where, early)
        self.doubt[where] = possibly & ~exact
        self._out[where] = ~possibly
        self._note_sure(items[surely], late.take(surely))
        return where

    def undecided(self, items: Index, last: Threshold | None) -> Bools:
        """Which of some candidates are still in doubt, and may reach a place."""
        where = self.update(items)
        early, doubt = self.early.take(where), self.doubt[where]
        for place in (self.threshold, last):
            if place is not None:
                doubt &= early.reach(place)
        return doubt

    def hopes(self) -> Places:
        """Optimistic places of the first k of the candidates."""
        assert self.k is not None
        return self.early.take(self.early.first(self.k))

    def offered(self) -> Offered:
        """What others should know of this."""
        return Offered(self.sure, self.hopes())

    def choose(
        self, horizon: Threshold | None, done: int, *, patient: bool
    ) -> tuple[Index, Threshold | None]:
        """Which items to verify next, and the place up to which they matter (None: wherever).

        Parameters
        ----------
        horizon : Threshold or None
            Of all shards, see `Guide`.
        done : int
            Items verified before.
        patient : bool
            Whether others go on if these wait.

        Returns
        -------
        items, last
            Ascending; none where others are to go first.
        """
        doubtful = np.flatnonzero(self.doubt)
        if not len(doubtful):
            return doubtful, None
        early = self.early.take(doubtful)
        horizon = self._horizon() if horizon is None else horizon
        due = _count(early, horizon)
        least = done // (_SURPLUS_LATE if self.late(done) else _SURPLUS)
        if 0 < due >= least:
            return self._chosen(doubtful, early, due)[0], horizon
        if not due:
            if patient:
                return doubtful[:0], None
            due = _count(early, self._horizon())
            # One at least: each turn settles some of those in doubt, or waits, and so it ends.
            least = max(1, least, min(due, max(_LEAST, done // _SHARE)))
        chosen, last = self._chosen(doubtful, early, least)
        # Who comes again has its tiles read again: not where most of them will.
        return chosen, None if self.late(done) else last

    def late(self, done: int) -> bool:
        """Whether bounds are so wide that items are verified by the thousands."""
        return self.k is None or done >= _LATE * self.k

    def _chosen(self, doubtful: Index, early: Places, count: int) -> tuple[Index, Threshold]:
        """The most promising of those in doubt, ascending, and the place of the last of them."""
        best = early.first(count)
        return self.at[np.sort(doubtful[best])], early.at(int(best[-1]))

    def _horizon(self) -> Threshold | None:
        """The k-th earliest place that the candidates may have, if there are so many."""
        if self.k is None or len(self.at) <= self.k:
            return None
        return self.early.at(int(self.early.first(self.k)[-1]))

    def first(self) -> tuple[Index, Places]:
        """The first k, once nothing is in doubt: items and exact places, in order."""
        assert self.k is not None
        first = self.early.first(self.k)
        return self.at[first], self.early.take(first)


def _count(places: Places, last: Threshold | None) -> int:
    """How many places are at or before another."""
    return len(places) if last is None else int(places.reach(last).sum())
