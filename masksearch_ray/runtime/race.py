"""A top-k as the coordinator sees it: what shards offer, tell on the way, and rank in the end."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch_ray.execute.board import Board
from masksearch_ray.execute.leaders import Leaders
from masksearch_ray.execute.ordering import Threshold, comes_before
from masksearch_ray.execute.partials import Offered, Partial, Ranked
from masksearch_ray.runtime.control import QueryControl

__all__ = ["Race"]


class Race:
    """The first k of all shards; keeps the threshold and the horizon of a query's control.

    Parameters
    ----------
    k : int
    control : QueryControl
    descending : sequence of bool
        Of the sort keys.

    Attributes
    ----------
    open : set of int
        Shards with items in doubt when they made their offer.
    leaders : Leaders
        With a column of shards and one of items.
    """

    def __init__(self, k: int, control: QueryControl, descending: Sequence[bool]) -> None:
        self._control = control
        self._descending = descending
        self._sure, self._hopes = Leaders(k), Leaders(k)
        self._board = Board(k)
        self._on_the_way = False  # whether shards tell on the way
        self.open: set[int] = set()
        self.leaders = Leaders(k)

    def offered(self, shard: int, part: Partial) -> None:
        """Take in what a shard offers, or ranks at once."""
        assert isinstance(part, Offered | Ranked)
        self._board.hear(shard, part)
        self._sure.add(part.places)
        if isinstance(part, Offered):
            self._hopes.add(part.hopes)
            self.open.update(part.owners(shard))
        else:
            self._hopes.add(part.places)
            self.leaders.add(part.places, part.owners(shard), part.items)

    def start(self) -> None:
        """Let shards know what all have offered."""
        self._control.horizon = self._hopes.threshold
        self._know(self._sure.threshold)

    def hear(self, shard: int, part: Partial) -> None:
        """Take in what a shard tells on the way, or ranks in the end."""
        assert isinstance(part, Offered | Ranked)
        self._board.hear(shard, part)
        if isinstance(part, Ranked):
            self.leaders.add(part.places, part.owners(shard), part.items)
            self._know(self.leaders.threshold)
        else:
            self._on_the_way = True
        if self._on_the_way:
            # Such shards answer each for itself: on the board none is counted twice.
            self._control.horizon = self._board.horizon
            self._know(self._board.threshold)

    def _know(self, threshold: Threshold | None) -> None:
        """Take in a threshold, if it is better than what is known."""
        known = self._control.threshold
        if threshold is None:
            return
        if known is None or comes_before(threshold, known, self._descending):
            self._control.threshold = self.leaders.threshold = threshold
