"""What the coordinator does with partials: merge, decide what else to ask, put in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.execute import aggregate as scalar
from masksearch_ray.execute.columns import arrow_of
from masksearch_ray.execute.contest import Contest
from masksearch_ray.execute.evaluate import evaluate
from masksearch_ray.execute.grouping import group
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.leaders import Leaders
from masksearch_ray.execute.ordering import Places
from masksearch_ray.execute.partials import GroupStates, MemberRefs, RowsFound
from masksearch_ray.execute.search import Ranking
from masksearch_ray.execute.shard import aggregates_of
from masksearch_ray.model.query import (
    Aggregate,
    Area,
    Column,
    CountPixels,
    Expr,
    Key,
    Output,
    Query,
)

__all__ = [
    "GroupTable",
    "assign_groups",
    "empty_table",
    "first_rows",
    "items_by_shard",
    "join_rows",
    "merge_rows",
    "merge_states",
]

Index = npt.NDArray[np.int64]


def items_by_shard(leaders: Leaders, offset: int) -> dict[int, Index]:
    """Items of the answer by shard, each shard's ascending.

    Parameters
    ----------
    leaders : Leaders
        With a column of shards and one of items.
    offset : int
        How many of the first are left out.
    """
    if leaders.places is None:
        return {}
    shards, items = (column[offset:] for column in leaders.columns)
    return {shard: np.sort(items[at]) for shard, at in _positions(shards)}


def _positions(shards: Index) -> Iterator[tuple[int, Index]]:
    """Each shard with the positions at which it stands, in one pass over all."""
    order = np.argsort(shards, kind="stable")
    owners, starts = np.unique(shards[order], return_index=True)
    # The stretch before the first start is empty.
    yield from zip(owners.tolist(), np.split(order, starts)[1:], strict=True)


def join_rows(found: Sequence[RowsFound], query: Query) -> RowsFound | None:
    """Rows of all parts, in no order, without what DISTINCT and LIMIT leave out anyhow.

    None where there are no rows.
    """
    found = [part for part in found if part.table.num_rows]
    places = Places.concat([part.places for part in found])
    if places is None:
        return None
    table = pa.concat_tables([part.table for part in found]).combine_chunks()
    if query.distinct:
        order = places.argsort()
        first = order[_first_of_each(table.take(pa.array(order)))]
        keep = first if query.limit is None else first[: query.offset + query.limit]
        table, places = table.take(pa.array(keep)), places.take(keep)
    return RowsFound(table, places)


def first_rows(found: Sequence[RowsFound], leaders: Leaders, offset: int) -> RowsFound | None:
    """The first items of those that shards answered with, `offset` of them left out."""
    found = [part for part in found if part.table.num_rows]
    places = Places.concat([part.places for part in found])
    if places is None:
        return None
    first = places.first(leaders.k)[offset:]
    table = pa.concat_tables([part.table for part in found])
    return RowsFound(table.take(pa.array(first)), places.take(first))


def merge_rows(found: Sequence[RowsFound], query: Query, schema: pa.Schema) -> pa.Table:
    """The answer in the order asked for, without duplicates where DISTINCT is asked."""
    whole = join_rows(found, query)
    if whole is None:
        return empty_table(query, schema)
    order = whole.places.argsort()
    if query.distinct or query.limit is None:
        # A top-k left out what OFFSET skips already.
        stop = None if query.limit is None else query.offset + query.limit
        order = order[query.offset : stop]
    return whole.table.take(pa.array(order))


def _first_of_each(table: pa.Table) -> Index:
    """Positions of rows that do not repeat an earlier one, ascending."""
    seen: set[tuple[str, ...]] = set()
    first = []
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    for at, row in enumerate(rows):
        # -0.0 and 0.0 are one value; a list (a box) has no hash but a repr.
        key = tuple(repr(value + 0.0 if isinstance(value, float) else value) for value in row)
        if key not in seen:
            seen.add(key)
            first.append(at)
    return np.array(first, np.int64)


def empty_table(query: Query, schema: pa.Schema) -> pa.Table:
    """An answer without rows, of the right types."""
    columns = []
    for output in query.outputs:
        expr = output.expr
        if isinstance(expr, Column):
            columns.append(pa.array([], schema.field(expr.name).type))
        else:
            columns.append(arrow_of(Interval.constant(None, expr.type, 0), output.name))
    return pa.table(columns, names=[o.name for o in query.outputs])


def assign_groups(found: Sequence[tuple[int, MemberRefs]]) -> dict[int, MemberRefs]:
    """Give every group, with all its members, to the shard that owns most of them."""
    held = [(shard, refs) for shard, refs in found if len(refs.ordinals)]
    if not held:
        return {}
    every = MemberRefs.concat(held)
    assert every.shards is not None
    codes = group(every.keys, len(every.ordinals)).codes
    chosen = _most_frequent(codes, every.shards)[codes]
    bare = replace(every, shards=None)
    return {shard: bare.take(np.sort(at)) for shard, at in _positions(chosen)}


def _most_frequent(codes: Index, values: Index) -> Index:
    """By code, 0 to the largest, its most frequent value; the smallest of those that tie."""
    span = int(values.max()) + 1
    pairs, votes = np.unique(codes * span + values, return_counts=True)
    held, value = np.divmod(pairs, span)
    order = np.lexsort([value, -votes, held])
    _, first = np.unique(held[order], return_index=True)
    chosen: Index = value[order][first]
    return chosen


def merge_states(query: Query, parts: Sequence[GroupStates]) -> GroupStates:
    """States of the groups of all parts; associative and commutative to the last bit."""
    parts = [part for part in parts if part.groups]
    if not parts:
        return GroupStates((), (), 0)
    if len(parts) == 1:
        return parts[0]
    keys = [Interval.concat([p.keys[i] for p in parts]) for i in range(len(parts[0].keys))]
    groups = group(keys, sum(part.groups for part in parts))
    states = tuple(
        scalar.combine(a, scalar.State.concat([p.states[i] for p in parts]), groups)
        for i, a in enumerate(aggregates_of(query))
    )
    return GroupStates(groups.keys, states, len(groups))


@dataclass(frozen=True, eq=False)
class GroupTable:
    """Groups of all shards with merged states: items that the coordinator ranks itself.

    Parameters
    ----------
    query : Query
    keys : tuple of Interval
        Exact, G each.
    states : tuple of scalar.State
        One for each of `aggregates_of(query)`.
    n : int
        Number of groups, G.
    """

    query: Query
    keys: tuple[Interval, ...]
    states: tuple[scalar.State, ...]
    n: int

    @classmethod
    def merge(cls, query: Query, parts: Sequence[GroupStates]) -> GroupTable:
        """Merge partial states by key."""
        whole = merge_states(query, parts)
        if not whole.groups:
            return cls.without_rows(query)
        return cls(query, whole.keys, whole.states, whole.groups)

    @classmethod
    def without_rows(cls, query: Query) -> GroupTable:
        """No groups; without GROUP BY one group of no rows."""
        n = 0 if query.group_by else 1
        states = tuple(scalar.empty(n) for _ in aggregates_of(query))
        keys = tuple(Interval.constant(None, key.type, n) for key in query.group_by or ())
        return cls(query, keys, states, n)

    def replace(self, refined: GroupTable) -> GroupTable:
        """Take exact states of some groups in place of their bounds."""
        if not self.keys:
            return refined
        both = [Interval.concat([r, k]) for r, k in zip(refined.keys, self.keys, strict=True)]
        groups = group(both, refined.n + self.n)
        # A group's first item is its refined one, where there is one.
        first = groups.order[groups.offsets[:-1]]
        states = tuple(
            scalar.State.concat([new, old]).take(first)
            for new, old in zip(refined.states, self.states, strict=True)
        )
        return GroupTable(self.query, groups.keys, states, len(groups))

    def evaluate(self, expr: Expr, items: Index | None = None) -> Interval:
        """Intervals of a grouped expression on all groups, or on some."""
        at = np.arange(self.n) if items is None else items
        return evaluate(expr, lambda leaf: self._leaf(leaf, at), len(at))

    def ties(self, items: Index) -> list[Interval]:
        """Keys of groups, which settle ties; the one group without keys has none to settle."""
        keys = [key.take(items) for key in self.keys]
        return keys or [Interval.constant(0, "int", len(items))]

    def _leaf(self, leaf: Expr, at: Index) -> Interval:
        if isinstance(leaf, Key):
            return self.keys[leaf.index].take(at)
        if isinstance(leaf, Aggregate):
            number = aggregates_of(self.query).index(leaf)
            return scalar.finalize(leaf, self.states[number].take(at))
        # Only a group without rows gets here: its masks have no pixels to count.
        assert isinstance(leaf, CountPixels | Area)
        return Interval.constant(None, "int", len(at))

    @property
    def _ranking(self) -> Ranking:
        return Ranking(self.query.having, self.query.order_by)

    def in_doubt(self) -> Index:
        """Groups that can be in the answer and are not yet exact, the most promising first."""
        query = self.query
        k = None if query.limit is None or query.distinct else query.limit + query.offset
        contest = Contest(self, self._ranking, k)
        doubt = np.zeros(len(contest.at), np.bool_)
        for expr in [*self._ranking.exprs, *(o.expr for o in query.outputs)]:
            doubt |= ~self.evaluate(expr, contest.at).exact
        doubtful = np.flatnonzero(doubt)
        return contest.at[doubtful[contest.early.take(doubtful).argsort()]]

    def take_keys(self, at: Index) -> tuple[Interval, ...]:
        """Keys of some groups."""
        return tuple(key.take(at) for key in self.keys)

    def answer(self) -> RowsFound:
        """Groups of the answer, once none that matters is in doubt."""
        query, ranking = self.query, self._ranking
        alive = np.arange(self.n)
        passing, _ = ranking.passing(self, alive)
        alive = alive[passing]
        places = Places.of(ranking.keys(self, alive))
        order = places.argsort()
        if query.limit is not None and not query.distinct:
            order = order[query.offset : query.offset + query.limit]
        return RowsFound(self._table(query.outputs, alive[order]), places.take(order))

    def _table(self, outputs: Sequence[Output], at: Index) -> pa.Table:
        columns = [arrow_of(self.evaluate(o.expr, at), o.name) for o in outputs]
        return pa.table(columns, names=[o.name for o in outputs])
