"""A simulated shard: made-up rows, of which the engine's own code makes partials."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from masksearch_ray.execute import aggregate as scalar
from masksearch_ray.execute.columns import arrow_of
from masksearch_ray.execute.contest import Contest, Guide
from masksearch_ray.execute.evaluate import evaluate
from masksearch_ray.execute.grouping import group
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.ordering import Threshold, pessimistic
from masksearch_ray.execute.partials import (
    BoundGroups,
    Fetch,
    Filter,
    FindMembers,
    Finished,
    GroupStates,
    MemberRefs,
    Offer,
    Partial,
    Ranked,
    RowsFound,
    ShardStats,
    Top,
)
from masksearch_ray.execute.search import Ranking, Undecided
from masksearch_ray.execute.shard import aggregates_of
from masksearch_ray.execute.topk import fight_out
from masksearch_ray.model.query import Column, CountPixels, Expr, Key, Output, Query
from masksearch_ray.model.shard import Steps
from masksearch_ray.runtime.types import ShardTask

__all__ = ["LABELS", "PIXELS", "REPEATED", "Layout", "SimulatedShard"]

Index = NDArray[np.int64]

PIXELS = 448 * 448
"""Largest count of a simulated mask."""

LABELS = 1000
"""Groups by label."""

REPEATED = 64
"""Shards after which states of groups repeat; they carry no ids that would tell."""

_NAMES = np.array([f"label {code:03d}" for code in range(LABELS)], object)
_SLACK = PIXELS // 50  # by which bounds of counts miss them
_BATCH = 2048  # rows of a partial, as of a worker's


@dataclass(frozen=True)
class Layout:
    """Rows of a simulated collection, all drawn by formula from their ids.

    Parameters
    ----------
    shards : int
    rows : int
        Of each shard; the ids of shard s are ``s * rows`` to ``(s + 1) * rows - 1``.
    """

    shards: int
    rows: int

    def ids(self, shard: int) -> Index:
        """``mask_id`` of a shard's rows."""
        return np.arange(shard * self.rows, (shard + 1) * self.rows)

    def counts(self, ids: Index) -> Index:
        """What CP gives for a mask: 0 to PIXELS."""
        return (_mixed(ids) % np.uint64(PIXELS + 1)).astype(np.int64)

    def labels(self, ids: Index) -> Index:
        """Number of a mask's label."""
        return (_mixed(ids + (1 << 40)) % np.uint64(LABELS)).astype(np.int64)

    def images(self, ids: Index) -> Index:
        """``image_id``: an image has two masks, half the collection apart, so on two shards."""
        return ids % ((self.shards + 1) // 2 * self.rows)


def _mixed(ids: Index) -> NDArray[np.uint64]:
    """Scramble numbers so that nothing but the formula tells one from the other."""
    held = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    held ^= held >> np.uint64(31)
    held *= np.uint64(0xD6E8FEB86659FD93)
    return held >> np.uint64(24)


class _Items:
    """What can be ranked: bounds of counts that reading makes exact."""

    def __init__(self, query: Query, ids: Index, counts: Index, columns: Mapping[str, Interval]):
        self.query, self.ids, self.counts, self.columns = query, ids, counts, columns
        self.n = len(ids)
        self.known = np.zeros(self.n, np.bool_)

    def evaluate(self, expr: Expr, items: Index | None = None) -> Interval:
        at = np.arange(self.n) if items is None else items
        return evaluate(expr, lambda leaf: self._leaf(leaf, at), len(at))

    def _leaf(self, leaf: Expr, at: Index) -> Interval:
        if isinstance(leaf, CountPixels):
            counts, known = self.counts[at], self.known[at]
            if known.all():
                return Interval.between("int", counts, counts)
            slack = np.where(known, 0, _SLACK)
            return Interval.between(
                "int", np.maximum(counts - slack, 0), np.minimum(counts + slack, PIXELS)
            )
        if isinstance(leaf, Key):
            leaf = (self.query.group_by or ())[leaf.index]
        assert isinstance(leaf, Column)
        return self.columns[leaf.name].take(at)

    def ties(self, items: Index) -> Sequence[Interval]:
        return [_whole(self.ids[items])]

    def load(self, exprs: Iterable[Expr | None]) -> Steps[None]:
        yield from ()

    def refine(
        self, items: Index, exprs: Sequence[Expr], undecided: Undecided, *, whole: bool = False
    ) -> Steps[None]:
        self.known[items] = True
        yield from ()

    def table(self, outputs: Sequence[Output], items: Index) -> Steps[pa.Table]:
        yield from ()
        return self.select(outputs, items)

    def select(self, outputs: Sequence[Output], items: Index) -> pa.Table:
        columns = [arrow_of(self.evaluate(o.expr, items), o.name) for o in outputs]
        return pa.table(columns, names=[o.name for o in outputs])


class SimulatedShard:
    """Answers the stages of one query as a worker would that has read everything.

    Parameters
    ----------
    layout : Layout
    shard : int
    chosen : int
        Rows that WHERE leaves where members of groups are looked for.
    """

    def __init__(self, layout: Layout, shard: int, chosen: int) -> None:
        self.layout, self.shard, self.chosen = layout, shard, chosen

    def answer(self, task: ShardTask, threshold: Threshold | None) -> Iterator[Partial]:
        """Partials of a stage, a `Finished` last."""
        yield from self._partials(task, threshold)
        yield Finished(
            ShardStats(
                rows_total=self.layout.rows,
                rows_selected=self.layout.rows,
                rows_verified=50,
                bytes_read=1 << 20,
                seconds=0.13,
                stages={"decide": 0.01, "read index": 0.02, "read tiles": 0.1},
            )
        )

    def _partials(self, task: ShardTask, threshold: Threshold | None) -> Iterator[Partial]:
        query = task.query
        match task.stage:
            case Filter():
                yield from self._filter(query, task.members)
            case Offer(k):
                yield Contest(self._rows(query), _ranking(query), k).offered()
            case Top(k, known, fetch):
                yield from self._top(query, k, Guide(threshold or known), fetch)
            case Fetch(items):
                yield _found(self._rows(query), np.sort(items))
            case BoundGroups():
                yield _states(self.layout.rows, self.shard % REPEATED, query)
            case FindMembers():
                yield self._members()
            case _:
                raise NotImplementedError(type(task.stage).__name__)

    def _rows(self, query: Query) -> _Items:
        ids = self.layout.ids(self.shard)
        columns = {"mask_id": _whole(ids)}
        return _Items(query, ids, self.layout.counts(ids), columns)

    def _filter(self, query: Query, members: MemberRefs | None) -> Iterator[Partial]:
        items = self._rows(query) if members is None else self._together(query, members)
        items.known[:] = True
        surely, _ = _ranking(query).passing(items, np.arange(items.n))
        at = np.flatnonzero(surely)
        for start in range(0, len(at), _BATCH):
            yield _found(items, at[start : start + _BATCH])

    def _top(self, query: Query, k: int, guide: Guide, fetch: bool) -> Iterator[Partial]:
        items, ranking = self._rows(query), _ranking(query)
        contest = Contest(items, ranking, k)
        steps = fight_out(items, ranking, contest)
        with contextlib.suppress(StopIteration):
            next(steps)
            while True:
                steps.send(guide)  # the only thing that is asked for
        found, places = contest.first()
        yield Ranked(found, places)
        if fetch:
            yield _found(items, np.sort(found))

    def _members(self) -> MemberRefs:
        at = np.arange(self.chosen)
        images = _whole(self.layout.images(self.layout.ids(self.shard)[at]))
        segments = np.full(self.chosen, self.shard)
        return MemberRefs((images,), segments, at, np.zeros(self.chosen, np.bool_))

    def _together(self, query: Query, members: MemberRefs) -> _Items:
        """Groups given to this shard; the count of a group is its members' smallest."""
        groups = group(members.keys, len(members.ordinals))
        counts = self.layout.counts(members.segments * self.layout.rows + members.ordinals)
        images = groups.keys[0]
        least = groups.reduce(np.minimum, counts)
        return _Items(query, images.lower, least, {"image_id": images})


@functools.lru_cache(maxsize=REPEATED)
def _states(rows: int, shard: int, query: Query) -> GroupStates:
    layout = Layout(REPEATED, rows)
    ids = layout.ids(shard)
    label = _NAMES[layout.labels(ids)]
    groups = group([Interval.points("string", label)], len(ids))
    counts = _whole(layout.counts(ids))
    states = tuple(
        scalar.chunk(a, None if a.argument is None else counts, groups)
        for a in aggregates_of(query)
    )
    return GroupStates(groups.keys, states, len(groups))


def _ranking(query: Query) -> Ranking:
    where = query.where if query.group_by is None else query.having
    return Ranking(where, query.order_by)


def _found(items: _Items, at: Index) -> RowsFound:
    items.known[at] = True
    places = pessimistic(_ranking(items.query).keys(items, at))
    return RowsFound(items.select(items.query.outputs, at), places)


def _whole(values: Index) -> Interval:
    return Interval.points("int", values)
