"""A top-k chooses what to verify until nothing is in doubt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.contest import Contest
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.search import Ranking
from masksearch_ray.model.query import Column, Expr, SortKey


class Known:
    """Items in the order of their numbers."""

    n = 20

    def evaluate(self, expr: Expr, items: npt.NDArray[np.int64] | None = None) -> Interval:
        return Interval.points("int", np.arange(self.n) if items is None else items)

    def ties(self, items: npt.NDArray[np.int64]) -> list[Interval]:
        return [Interval.points("int", items)]


def test_something_is_chosen_while_anything_is_in_doubt() -> None:
    contest = Contest(Known(), Ranking(None, (SortKey(Column("a", "int")),)), 5)
    contest.threshold = None
    contest.at, contest.early = np.arange(20), contest._bounds(np.arange(20))[0]
    contest.doubt = np.arange(20) == 19  # behind the first k, of which nothing is in doubt
    assert contest.choose(None, 0, patient=True)[0].tolist() == []
    assert contest.choose(None, 0, patient=False)[0].tolist() == [19]
