"""What shards have told of a top-k while they work on it."""

from __future__ import annotations

from masksearch_ray.execute.ordering import Places, Threshold
from masksearch_ray.execute.partials import Offered, Ranked

__all__ = ["Board"]


class Board:
    """Places that each shard told last; what it told before counts no more.

    Parameters
    ----------
    k : int
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._told: dict[int, Offered | Ranked] = {}

    def hear(self, shard: int, part: Offered | Ranked) -> None:
        """Take in what a shard tells of its items."""
        self._told[shard] = part

    @property
    def threshold(self) -> Threshold | None:
        """A place that k items are certain to reach."""
        return self._last([part.places for part in self._told.values()])

    @property
    def horizon(self) -> Threshold | None:
        """The k-th earliest place that items may have, if all shards have told."""
        told = self._told.values()
        return self._last([p.hopes if isinstance(p, Offered) else p.places for p in told])

    def _last(self, parts: list[Places]) -> Threshold | None:
        whole = Places.concat([part for part in parts if len(part)])
        if whole is None or not 0 < self._k <= len(whole):
            return None
        return whole.at(int(whole.first(self._k)[-1]))
