"""When shards are told of a better threshold."""

from __future__ import annotations

from masksearch_ray.execute.ordering import Threshold

__all__ = ["Herald"]


class Herald:
    """Tells shards at work a better threshold each time a quarter of them has finished.

    To tell all of them each time that one finishes takes messages by the square of their number.
    So it takes about four a shard; the first to finish is heard by all, and the last ones at work
    hear of every other.

    Parameters
    ----------
    shards : int
        At work when the stage starts.
    """

    def __init__(self, shards: int) -> None:
        self._next = shards
        self._told: Threshold | None = None

    def due(self, threshold: Threshold | None, left: int) -> bool:
        """Whether to tell now, which is taken as done.

        Parameters
        ----------
        threshold : Threshold or None
            The best known.
        left : int
            Shards still at work.
        """
        if threshold is None or threshold == self._told or not 0 < left <= self._next:
            return False
        self._told, self._next = threshold, left * 3 // 4
        return True
