"""The coordinator: sends stages to shards, merges their partials, decides what to ask next.

At most two round trips for filters and for groups without a limit, at most three for top-k. Where a
mask aggregate's groups may span shards, the first of them finds their members.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator, Mapping

import pyarrow as pa

from masksearch_ray.execute.fold import Fold
from masksearch_ray.execute.merge import (
    GroupTable,
    assign_groups,
    first_rows,
    items_by_shard,
    merge_rows,
    merge_states,
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
    Partial,
    Ranked,
    RefineGroups,
    RowsFound,
    ShardStats,
    Stage,
    Top,
    ends_query,
)
from masksearch_ray.execute.shard import at_hand
from masksearch_ray.model.forecast import Forecast
from masksearch_ray.model.query import Query
from masksearch_ray.plan.types import Plan
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.herald import Herald
from masksearch_ray.runtime.race import Race
from masksearch_ray.runtime.types import Pool, ShardTask

__all__ = ["Coordinator"]

_FEW = 1024  # rows that every shard may send along, though some of them are not wanted
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
    query_id : str, optional
        By which logs and workers know the query.
    """

    def __init__(
        self,
        plan: Plan,
        pool: Pool,
        control: QueryControl,
        schema: pa.Schema,
        query_id: str | None = None,
    ) -> None:
        self.plan = plan
        self.query: Query = plan.query
        self.pool = pool
        self.control = control
        self.schema = schema
        self.stats: dict[int, list[ShardStats]] = {}
        self.round_trips = 0
        self._id = query_id or uuid.uuid4().hex
        self._members: dict[int, MemberRefs] | None = None
        self._working: set[int] = set()  # shards that have yet to finish a stage
        self._knowing: set[int] = set()  # shards that hold state of the query

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
            if self._knowing:
                self.pool.forget(self._id)

    def assemble(self, found: list[RowsFound]) -> pa.Table:
        """The whole answer in the order asked for."""
        return merge_rows(found, self.query, self.schema)

    def count_bounds(self) -> tuple[int, int]:
        """How many rows surely, and possibly, satisfy WHERE; reads no pixels."""
        self.control.start()
        try:
            counted = [p for _, p in self._send(CountBounds()) if isinstance(p, Counted)]
        finally:
            self.pool.forget(self._id)
        return sum(c.surely for c in counted), sum(c.possibly for c in counted)

    def foresee(self) -> Forecast:
        """What bounds will be made of; reads directories only."""
        self.control.start()
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
        self._working = set(tasks)
        self._knowing |= self._working
        for shard, partial in self.pool.send(tasks, self.control):
            self.control.check()  # what has come already is not handed out either
            if isinstance(partial, Finished):
                self._working.discard(shard)
                self.stats.setdefault(shard, []).append(partial.stats)
                if ends_query(stages[shard]):
                    self._ended({shard})
            else:
                yield shard, partial

    def _ended(self, shards: set[int]) -> None:
        """Take in that shards hold nothing of the query any more."""
        # A worker that was given up may be at work still.
        restarted = {s for s in shards if any(one.restarts for one in self.stats.get(s, ()))}
        self._knowing -= shards - restarted

    def _top(self, k: int) -> Iterator[RowsFound]:
        # To find members took a round trip already: the rows come along with their places.
        fetch = self._members is not None or (k <= _FEW and at_hand(self.query))
        descending = [key.descending for key in self.query.order_by]
        race, rows = Race(k, self.control, descending), list[RowsFound]()
        for shard, partial in self._send(Offer(k, fetch)):
            if isinstance(partial, RowsFound):
                rows.append(partial)
            else:
                race.offered(shard, partial)
        if fetch:
            self._ended(self._knowing - race.open)
        race.start()
        herald, top = Herald(self.pool.shards), Top(k, self.control.threshold, fetch)
        for shard, partial in self._send(dict.fromkeys(race.open, top)):
            if isinstance(partial, RowsFound):
                rows.append(partial)
                continue
            race.hear(shard, partial)
            threshold = self.control.threshold
            if isinstance(partial, Ranked) and herald.due(threshold, len(self._working)):
                assert threshold is not None
                self.pool.raise_threshold(self._id, threshold, self._working)
        if fetch:
            first = first_rows(rows, race.leaders, self.query.offset)
            yield from [] if first is None else [first]
            return
        chosen = items_by_shard(race.leaders, self.query.offset)
        stages: dict[int, Stage] = {shard: Fetch(items) for shard, items in chosen.items()}
        for _, partial in self._send(stages):
            if isinstance(partial, RowsFound):
                yield partial

    def _find_members(self) -> None:
        """Bring the masks of each group together on one shard."""
        found = [(s, p) for s, p in self._send(FindMembers()) if isinstance(p, MemberRefs)]
        self._members = assign_groups(found)

    def _merged_groups(self) -> RowsFound:
        exact = self.query.limit is None and self.query.having is None
        table = self._states(BoundGroups(exact))
        first = max(_FIRST_GROUPS, self.plan.k or 0)
        doubtful = table.in_doubt()
        while len(doubtful):
            chosen = doubtful[:first] if self.plan.k is not None else doubtful
            table = table.replace(self._states(RefineGroups(table.take_keys(chosen))))
            doubtful, first = table.in_doubt(), table.n
        return table.answer()

    def _states(self, stage: Stage) -> GroupTable:
        merged: Fold[GroupStates] = Fold(functools.partial(merge_states, self.query))
        for _, part in self._send(stage):
            if isinstance(part, GroupStates):
                merged.add(part)
        return GroupTable.merge(self.query, merged.parts())

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
    "bytes_cached",
    "requests",
    "retries",
    "restarts",
    "seconds",
)


def total_of(parts: list[ShardStats]) -> ShardStats:
    """Sum of statistics; seconds add up over shards."""
    stages: dict[str, float] = {}
    cached: set[int] = set()
    workers: set[str] = set()
    nodes: set[str] = set()
    for part in parts:
        for kind, seconds in part.stages.items():
            stages[kind] = stages.get(kind, 0.0) + seconds
        cached |= part.segments_cached
        workers |= part.workers
        nodes |= part.nodes
    summed = {name: sum(getattr(part, name) for part in parts) for name in _SUMMED}
    return ShardStats(
        stages=stages,
        segments_cached=frozenset(cached),
        workers=frozenset(workers),
        nodes=frozenset(nodes),
        **summed,
    )
