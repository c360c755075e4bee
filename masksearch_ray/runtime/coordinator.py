"""The coordinator: sends stages to shards, merges their partials, decides what to ask next.

At most two round trips for filters and for groups without a limit, at most three for top-k; two
more where a mask aggregate's groups may span shards and their members have to be found first.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from masksearch_ray.execute.merge import (
    GroupTable,
    assign_groups,
    merge_offers,
    merge_ranked,
    merge_rows,
)
from masksearch_ray.execute.partials import (
    BoundGroups,
    CountBounds,
    Counted,
    Fetch,
    Filter,
    FindMembers,
    Finished,
    Foresee,
    GroupStates,
    MemberRefs,
    Offer,
    Offered,
    Partial,
    Ranked,
    RefineGroups,
    RowsFound,
    ShardStats,
    Stage,
    Top,
)
from masksearch_ray.model.forecast import Forecast
from masksearch_ray.model.query import Query
from masksearch_ray.plan.types import Plan
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.types import Pool, ShardTask

__all__ = ["Coordinator"]

_FIRST_GROUPS = 32  # groups refined first, before the threshold has risen


class Coordinator:
    """One query on one pool.

    Parameters
    ----------
    plan : Plan
    pool : Pool
    control : QueryControl
    schema : pyarrow.Schema
        Of the metadata, ``mask_id`` included.
    """

    def __init__(self, plan: Plan, pool: Pool, control: QueryControl, schema: pa.Schema) -> None:
        self.plan = plan
        self.query: Query = plan.query
        self.pool = pool
        self.control = control
        self.schema = schema
        self.stats: dict[int, list[ShardStats]] = {}
        self.round_trips = 0
        self._id = uuid.uuid4().hex
        self._members: dict[int, MemberRefs] | None = None

    def run(self) -> Iterator[RowsFound]:
        """Parts of the answer, as they are decided."""
        self.control.start()
        try:
            if self.plan.groups == "merged":
                yield self._merged_groups()
                return
            if self.plan.groups == "together":
                self._find_members()
                if not self._members and self.query.group_by == ():
                    yield GroupTable.without_rows(self.query).answer()
                    return
            if self.plan.k is None:
                for _, partial in self._send(Filter()):
                    if isinstance(partial, RowsFound):
                        yield partial
            else:
                yield from self._top(self.plan.k)
        finally:
            self.pool.forget(self._id)

    def assemble(self, found: list[RowsFound]) -> pa.Table:
        """The whole answer in the order asked for."""
        return merge_rows(found, self.query, self.schema)

    def count_bounds(self) -> tuple[int, int]:
        """How many rows surely, and possibly, satisfy WHERE; reads no pixels."""
        try:
            counted = [p for _, p in self._send(CountBounds()) if isinstance(p, Counted)]
        finally:
            self.pool.forget(self._id)
        return sum(c.surely for c in counted), sum(c.possibly for c in counted)

    def foresee(self) -> Forecast:
        """What bounds will be made of; reads directories only."""
        try:
            return Forecast.merge([p for _, p in self._send(Foresee()) if isinstance(p, Forecast)])
        finally:
            self.pool.forget(self._id)
            self.stats.clear()
            self.round_trips = 0

    # -- stages -------------------------------------------------------------------------------

    def _send(self, stage: Stage | Mapping[int, Stage]) -> Iterator[tuple[int, Partial]]:
        """One round trip; yields partials, keeps statistics."""
        shards = range(self.pool.shards) if self._members is None else self._members
        stages = stage if isinstance(stage, Mapping) else dict.fromkeys(shards, stage)
        tasks = {
            shard: ShardTask(
                self._id,
                self.query,
                stage,
                None if self._members is None else self._members[shard],
                self.plan.use_index,
            )
            for shard, stage in stages.items()
        }
        if not tasks:
            return
        self.round_trips += 1
        for shard, partial in self.pool.send(tasks, self.control):
            self.control.check()  # what has come already is not handed out either
            if isinstance(partial, Finished):
                self.stats.setdefault(shard, []).append(partial.stats)
            else:
                yield shard, partial

    def _top(self, k: int) -> Iterator[RowsFound]:
        offers = [p for _, p in self._send(Offer(k)) if isinstance(p, Offered)]
        self._raise(merge_offers(offers, k))
        ranked: dict[int, Ranked] = {}
        for shard, partial in self._send(Top(k, self.control.threshold)):
            assert isinstance(partial, Ranked)
            ranked[shard] = partial
            exact = [Offered(found.places) for found in ranked.values()]
            self._raise(merge_offers(exact, k))
        chosen = merge_ranked(ranked, k - self.query.offset, self.query.offset)
        stages: dict[int, Stage] = {shard: Fetch(items) for shard, items in chosen.items()}
        for _, partial in self._send(stages):
            if isinstance(partial, RowsFound):
                yield partial

    def _raise(self, threshold: tuple[tuple[int, object], ...] | None) -> None:
        """Shards prune by the best threshold known; it only ever gets better."""
        if threshold is not None and threshold != self.control.threshold:
            self.control.threshold = threshold
            self.pool.raise_threshold(self._id, threshold)

    def _find_members(self) -> None:
        """Bring the masks of each group together on one shard."""
        found = {s: p for s, p in self._send(FindMembers()) if isinstance(p, MemberRefs)}
        self._members = assign_groups(found)

    def _merged_groups(self) -> RowsFound:
        exact = self.query.limit is None and self.query.having is None
        states = [p for _, p in self._send(BoundGroups(exact)) if isinstance(p, GroupStates)]
        table = GroupTable.merge(self.query, states)
        first = max(_FIRST_GROUPS, self.plan.k or 0)
        doubtful = table.in_doubt()
        while len(doubtful):
            chosen = doubtful[:first] if self.plan.k is not None else doubtful
            stage = RefineGroups(table.take_keys(chosen))
            refined = [p for _, p in self._send(stage) if isinstance(p, GroupStates)]
            table = table.replace(GroupTable.merge(self.query, refined))
            doubtful, first = table.in_doubt(), table.n
        return table.answer()

    def total(self) -> ShardStats:
        """Statistics of all shards together."""
        return total_of([stats for held in self.stats.values() for stats in held])


_SUMMED = (
    "rows_total",
    "rows_selected",
    "rows_verified",
    "tiles_total",
    "tiles_read",
    "bytes_read",
    "seconds",
)


def total_of(parts: list[ShardStats]) -> ShardStats:
    """Sum of statistics; seconds add up over shards."""
    whole = ShardStats()
    for part in parts:
        stages = dict(whole.stages)
        for kind, seconds in part.stages.items():
            stages[kind] = stages.get(kind, 0.0) + seconds
        whole = replace(
            whole,
            stages=stages,
            segments_cached=whole.segments_cached | part.segments_cached,
            **{name: getattr(whole, name) + getattr(part, name) for name in _SUMMED},
        )
    return whole
