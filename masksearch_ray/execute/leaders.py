"""The first k of items that come in any order: how the answers of shards become one top-k."""

from __future__ import annotations

import numpy as np

from masksearch_ray.execute.interval import Array
from masksearch_ray.execute.ordering import Places, Threshold

__all__ = ["Leaders"]


class Leaders:
    """The k first of all items seen, and the place of the last of them.

    No more than k are kept, and what lies after the threshold is dropped unsorted: the cost of one
    more shard does not grow with the number of shards. What is kept depends on the items alone,
    not on how they came, as ties are settled by the places' last components.

    Parameters
    ----------
    k : int
    threshold : Threshold, optional
        A place that k items are known to reach: later ones are none of the first.
    """

    def __init__(self, k: int, threshold: Threshold | None = None) -> None:
        self.k = k
        self.threshold = threshold
        self.places: Places | None = None
        self.columns: tuple[Array, ...] = ()

    def add(self, places: Places, *columns: Array) -> None:
        """See some more items.

        Parameters
        ----------
        places : Places
            Of n items.
        *columns : numpy.ndarray
            ``(n,)`` each, the same ones every time: what is kept of an item beside its place.
        """
        if self.threshold is not None and len(places):
            near = np.flatnonzero(places.reach(self.threshold))
            places, columns = places.take(near), tuple(c[near] for c in columns)
        if self.k == 0 or not len(places):
            return
        held = [self.places] if self.places is not None else []
        whole = Places.concat([*held, places])
        assert whole is not None
        if held:
            columns = tuple(map(np.concatenate, zip(self.columns, columns, strict=True)))
        first = whole.first(self.k)
        self.places, self.columns = whole.take(first), tuple(c[first] for c in columns)
        if len(first) == self.k:
            self.threshold = self.places.at(self.k - 1)
