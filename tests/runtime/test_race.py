"""A top-k among shards that take turns, in any order, with bounds that tighten bit by bit."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.bench.minimum import must_verify
from masksearch_ray.execute.contest import Contest
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.partials import Emit, Ranked
from masksearch_ray.execute.search import Ranking, Undecided
from masksearch_ray.execute.topk import fight_out
from masksearch_ray.model.query import Column, Expr, Output, SortKey
from masksearch_ray.model.shard import Poll, Steps
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.race import Race

Index = npt.NDArray[np.int64]
COUNT = Column("count", "int")


class Made:
    """Items with bounds around a count; each step halves what is in doubt."""

    def __init__(self, ids: Index, exact: Index, below: Index, above: Index) -> None:
        self.ids, self.exact, self.n = ids, exact, len(ids)
        self.lower, self.upper = exact - below, exact + above
        self.verified = np.zeros(self.n, np.bool_)

    def evaluate(self, expr: Expr, items: Index | None = None) -> Interval:
        assert expr == COUNT
        at = np.arange(self.n) if items is None else items
        return Interval.between("int", self.lower[at], self.upper[at])

    def ties(self, items: Index) -> Sequence[Interval]:
        return [Interval.points("int", self.ids[items])]

    def load(self, exprs: Iterable[Expr | None]) -> Steps[None]:
        yield from ()

    def refine(
        self, items: Index, exprs: Sequence[Expr], undecided: Undecided, *, whole: bool = False
    ) -> Steps[None]:
        assert (np.diff(items) > 0).all()
        while (left := items[undecided(items)]).size:
            self.verified[left] = True
            self.lower[left] = self.exact[left] - (self.exact - self.lower)[left] // 2
            self.upper[left] = self.exact[left] + (self.upper - self.exact)[left] // 2
        yield from ()

    def table(self, outputs: Sequence[Output], items: Index) -> Steps[pa.Table]:
        raise NotImplementedError


def ranked(items: Made, ranking: Ranking, contest: Contest) -> Generator[Any, Any, None]:
    yield from fight_out(items, ranking, contest)
    yield Emit(Ranked(*contest.first()))


def take_turns(
    made: Sequence[Made], ranking: Ranking, k: int, patient: bool, data: st.DataObject
) -> Race:
    """Shards one after another if patient, as the local runtime has them; else in any order."""
    control = QueryControl()
    race = Race(k, control, [key.descending for key in ranking.order_by])
    contests = [Contest(items, ranking, k) for items in made]
    for shard, contest in enumerate(contests):
        race.offered(shard, contest.offered())
    race.start()
    runs = {shard: ranked(made[shard], ranking, contests[shard]) for shard in race.open}
    waiting = sorted(runs)
    while waiting:
        shard = waiting[0] if patient else data.draw(st.sampled_from(waiting))
        waiting.remove(shard)
        asked = next(runs[shard])
        while isinstance(asked, Poll):
            asked = runs[shard].send(replace(control.guide, patient=patient))
        assert isinstance(asked, Emit)
        race.hear(shard, asked.partial)
        waiting += [] if isinstance(asked.partial, Ranked) else [shard]
    return race


COUNTS = st.tuples(st.integers(0, 30), st.sampled_from([0, 0, 1, 5]), st.integers(0, 9))


@given(
    st.lists(st.lists(COUNTS, max_size=12), min_size=1, max_size=4),
    st.integers(0, 9),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_any_order_of_turns(
    shards: list[list[tuple[int, int, int]]],
    k: int,
    descending: bool,
    patient: bool,
    data: st.DataObject,
) -> None:
    every = np.array([row for shard in shards for row in shard], np.int64).reshape(-1, 3)
    exact, below, above = every.T.copy()
    above[below == 0] = 0  # bounds of half of the rows are exact
    ids, made = np.arange(len(every)), list[Made]()
    for shard in shards:
        start = sum(items.n for items in made)
        at = slice(start, start + len(shard))
        made.append(Made(ids[at], exact[at], below[at], above[at]))
    ranking = Ranking(None, (SortKey(COUNT, descending, nulls_first=False),))
    race = take_turns(made, ranking, k, patient, data)
    sign = -1 if descending else 1
    best = sorted(ids.tolist(), key=lambda i: (sign * exact[i], i))[:k]
    none = np.zeros(0, np.int64)
    columns = race.leaders.columns or (none, none)
    assert [int(made[shard].ids[item]) for shard, item in zip(*columns, strict=True)] == best
    if patient and k:
        lower, upper = exact - below, exact + above
        least = must_verify(lower, upper, exact, k, descending)
        # What is in the answer is made exact, also where its place is known before.
        shown = int(((lower < upper) & np.isin(ids, best)).sum())
        assert sum(int(items.verified.sum()) for items in made) <= least + shown
