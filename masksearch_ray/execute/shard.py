"""One query on one shard, stage by stage: a computation that yields requests and partials."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute import aggregate as scalar
from masksearch_ray.execute.cohort import Cohort, group_leaves
from masksearch_ray.execute.contest import Contest, Guide
from masksearch_ray.execute.forecast import foresee
from masksearch_ray.execute.grouping import group
from masksearch_ray.execute.interval import Bools, Interval
from masksearch_ray.execute.ordering import pessimistic
from masksearch_ray.execute.partials import (
    BoundGroups,
    CountBounds,
    Counted,
    Emit,
    Fetch,
    Filter,
    FindMembers,
    Foresee,
    GroupStates,
    MemberRefs,
    Offer,
    Ranked,
    RefineGroups,
    RowsFound,
    ShardStats,
    Stage,
    Top,
)
from masksearch_ray.execute.rows import MASK_ID, Rows
from masksearch_ray.execute.search import Items, Ranking, settle, settle_values
from masksearch_ray.execute.topk import fight_out
from masksearch_ray.model.query import (
    Aggregate,
    Area,
    Call,
    Column,
    CountPixels,
    Expr,
    Key,
    Output,
    Query,
    leaves,
)
from masksearch_ray.model.shard import Poll, Request, SegmentView, Steps

__all__ = ["ShardQuery", "aggregates_of", "at_hand", "conjuncts", "mask_terms"]

Index = npt.NDArray[np.int64]
Run = Generator[Request | Emit, Any, None]
_BATCH = 2048  # items of one partial of a running filter query


def conjuncts(expr: Expr | None) -> Iterator[Expr]:
    """Predicates of which all must be true."""
    if isinstance(expr, Call) and expr.op == "and":
        for part in expr.args:
            yield from conjuncts(part)
    elif expr is not None:
        yield expr


def _all_of(parts: Sequence[Expr]) -> Expr | None:
    whole: Expr | None = None
    for part in parts:
        whole = part if whole is None else Call("and", (whole, part), "bool")
    return whole


def _of_pixels(expr: Expr) -> bool:
    return any(isinstance(leaf, CountPixels) for leaf in leaves(expr))


def _group_nodes(query: Query) -> Iterator[Expr]:
    exprs: list[Expr | None] = [o.expr for o in query.outputs]
    exprs += [k.expr for k in query.order_by] + [query.having]
    return (node for expr in exprs for node in group_leaves(expr))


def mask_terms(query: Query) -> tuple[CountPixels | Area, ...]:
    """Terms of a grouped query that speak of the masks of a group together."""
    nodes = _group_nodes(query)
    return tuple(dict.fromkeys(n for n in nodes if isinstance(n, CountPixels | Area)))


def aggregates_of(query: Query) -> tuple[Aggregate, ...]:
    """All scalar aggregates of a grouped query, each once, in a fixed order."""
    nodes = _group_nodes(query)
    return tuple(dict.fromkeys(n for n in nodes if isinstance(n, Aggregate)))


def at_hand(query: Query) -> bool:
    """Whether the select list is known of whatever was ranked, with nothing more to be read."""
    known = {MASK_ID, *(key.expr for key in query.order_by)}
    # What is ranked by a column of the metadata was read as a value, not as it is stored.
    return all(
        output.expr == MASK_ID or (output.expr in known and not isinstance(output.expr, Column))
        for output in query.outputs
        if not isinstance(output.expr, Key)
    )


class ShardQuery:
    """State of one query on one shard, kept between its stages.

    Parameters
    ----------
    query : Query
    segments : sequence of SegmentView
        The shard's own, or those of the members it was given.
    members : MemberRefs, optional
        Rows of groups given to this shard; None: all rows of the segments.
    use_index : bool
        False: bounds are not used, every pixel asked for is read.
    """

    def __init__(
        self,
        query: Query,
        segments: Sequence[SegmentView],
        members: MemberRefs | None = None,
        *,
        use_index: bool = True,
    ) -> None:
        self.query = query
        self.segments = segments
        self.members = members
        self.use_index = use_index
        self.rows: Rows | None = None
        self.items: Items | None = None
        self._contest: Contest | None = None
        self._total = self._selected = self._tiles = 0
        self._before = 0  # rows given that were verified already
        self._where_settled = members is not None
        self._measured: list[Rows] = []

    def run(self, stage: Stage) -> Run:
        """Carry out a stage."""
        match stage:
            case Filter():
                yield from self._filter()
            case Offer(k, fetch):
                yield from self._offer(k, fetch)
            case Top(k, _, fetch):
                yield from self._top(k, fetch)
            case Fetch(items=at):
                yield from self._fetch(at)
            case CountBounds():
                rows = yield from self._rows()
                surely, possibly = self._row_ranking.passing(rows, np.arange(rows.n))
                yield Emit(Counted(int(surely.sum()), int(possibly.sum())))
            case Foresee():
                yield Emit((yield from foresee(self.segments, self.query)))
            case BoundGroups(exact):
                yield from self._bound_groups(exact)
            case RefineGroups(keys):
                yield from self._refine_groups(keys)
            case FindMembers():
                passed, by = yield from self._settled()
                yield Emit(MemberRefs(tuple(by), *passed.places(), passed.verified))

    def stats(self) -> ShardStats:
        """Counters so far."""
        return ShardStats(
            rows_total=self._total,
            rows_selected=self._selected,
            rows_verified=sum(int(rows.verified.sum()) for rows in self._measured) - self._before,
            tiles_total=self._tiles,
            tiles_read=sum(rows.tiles_read for rows in self._measured),
        )

    # -- items --------------------------------------------------------------------------------

    @cached_property
    def _ranking(self) -> Ranking:
        query = self.query
        if query.group_by is None:
            return Ranking(self._pixel_where, query.order_by)
        return Ranking(query.having, query.order_by)

    @cached_property
    def _row_ranking(self) -> Ranking:
        return Ranking(self._pixel_where, ())

    @cached_property
    def _pixel_where(self) -> Expr | None:
        return _all_of([part for part in conjuncts(self.query.where) if _of_pixels(part)])

    def _rows(self) -> Steps[Rows]:
        """Rows that the metadata predicates leave, with first bounds of WHERE."""
        if self.rows is None:
            domain = self.query.domain
            if self.members is None:
                rows = Rows.of(self.segments, domain, use_index=self.use_index)
                self._total = rows.n
                plain = [part for part in conjuncts(self.query.where) if not _of_pixels(part)]
                yield from rows.load([MASK_ID, *plain])
                if plain:
                    keep = np.ones(rows.n, np.bool_)
                    for part in plain:
                        keep &= rows.evaluate(part).surely
                    rows = rows.where(keep)
                yield from rows.load([self._pixel_where])
                self._selected = rows.n
                self._tiles = sum(len(p.positions) * p.view.grid.tiles for p in rows.parts)
            else:
                refs = self.members.segments, self.members.ordinals
                rows = Rows.of_refs(self.segments, refs, domain, use_index=self.use_index)
                self._mark_verified(rows, self.members)
                yield from rows.load([MASK_ID])
            self.rows = rows
            self._measured.append(rows)
        return self.rows

    def _mark_verified(self, rows: Rows, members: MemberRefs) -> None:
        given = members.segments << 32 | members.ordinals
        segments, ordinals = rows.places()
        rows.verified |= np.isin(segments << 32 | ordinals, given[members.verified])
        self._before = int(members.verified.sum())

    def _settled(self) -> Steps[tuple[Rows, list[Interval]]]:
        """Rows that surely pass WHERE, and their group keys."""
        rows = yield from self._rows()
        if not self._where_settled and self._pixel_where is not None:
            keep = yield from settle(rows, self._pixel_where, np.arange(rows.n))
            rows = rows.where(keep)
            # `where` carries what was verified so far; the old set is measured no more.
            self._settle_measure(rows, keep)
            self.rows = rows
        self._where_settled = True
        keys: list[Interval] = []
        for key in self.query.group_by or ():
            yield from rows.load([key])
            keys.append(rows.evaluate(key))
        return rows, keys

    def _settle_measure(self, rows: Rows, keep: Bools) -> None:
        old = self._measured.pop()
        lost = Rows((), self.query.domain)
        lost.verified = old.verified[~keep]
        self._measured += [lost, rows]

    def _items(self) -> Steps[Items]:
        if self.items is None:
            if self.query.group_by is None:
                self.items = yield from self._rows()
            else:
                rows, keys = yield from self._settled()
                cohort = Cohort(rows, keys)
                # All terms, not only those that are evaluated: a query fails on the same data
                # whatever its LIMIT.
                yield from cohort.check(mask_terms(self.query))
                self.items = cohort
            yield from self.items.load(self._ranking.exprs)
        return self.items

    # -- rows and cohorts ---------------------------------------------------------------------

    def _filter(self) -> Run:
        items = yield from self._items()
        surely, possibly = self._ranking.passing(items, np.arange(items.n))
        for at in (np.flatnonzero(surely), np.flatnonzero(possibly & ~surely)):
            for start in range(0, len(at), _BATCH):
                some = at[start : start + _BATCH]
                passed = yield from settle(items, self._ranking.where, some)
                if passed.any():
                    yield from self._emit(items, some[passed])

    def _race(self, k: int) -> Steps[Contest]:
        """Candidates for the first k, by first bounds or as far as they were verified."""
        items = yield from self._items()
        if self._contest is None or self._contest.k != k:
            self._contest = Contest(items, self._ranking, k)
        return self._contest

    def _offer(self, k: int, fetch: bool) -> Run:
        contest = yield from self._race(k)
        if contest.doubt.any() or (fetch and not at_hand(self.query)):
            yield Emit(contest.offered())
        else:
            yield from self._top(k, fetch)

    def _top(self, k: int, fetch: bool) -> Run:
        items, contest = (yield from self._items()), (yield from self._race(k))
        yield from fight_out(items, self._ranking, contest)
        found, places = contest.first()
        yield Emit(Ranked(found, places))
        if fetch and len(found):
            guide: Guide = yield Poll()
            if guide.threshold is not None:
                found = found[places.reach(guide.threshold)]
            yield from self._emit(items, np.sort(found))

    def _emit(self, items: Items, at: Index) -> Run:
        """Hand out the select list and places of ascending items."""
        outputs = self.query.outputs
        exprs = [o.expr for o in outputs if not _is_plain(o)]
        keys = [key.expr for key in self.query.order_by]
        yield from items.load([*exprs, *keys])
        yield from settle_values(items, [*exprs, *keys], at)
        table = yield from items.table(outputs, at)
        places = pessimistic(self._ranking.keys(items, at))
        yield Emit(RowsFound(table, places))

    def _fetch(self, at: Index) -> Run:
        items = yield from self._items()
        yield from self._emit(items, np.sort(at))

    # -- groups of which shards hold parts ----------------------------------------------------

    def _bound_groups(self, exact: bool) -> Run:
        rows, keys = yield from self._settled()
        arguments = [a.argument for a in aggregates_of(self.query) if a.argument is not None]
        yield from rows.load(arguments)
        if exact:
            yield from settle_values(rows, arguments, np.arange(rows.n))
        yield Emit(self._states(rows, keys))

    def _refine_groups(self, wanted: tuple[Interval, ...]) -> Run:
        rows, keys = yield from self._settled()
        both = [Interval.concat([w, k]) for w, k in zip(wanted, keys, strict=True)]
        count = len(wanted[0]) if wanted else 1
        codes = group(both, count + rows.n).codes if both else np.zeros(count + rows.n, np.int64)
        member = np.isin(codes[count:], codes[:count])
        at = np.flatnonzero(member)
        arguments = [a.argument for a in aggregates_of(self.query) if a.argument is not None]
        yield from rows.load(arguments)
        yield from settle_values(rows, arguments, at)
        yield Emit(self._states(rows, keys, at))

    def _states(self, rows: Rows, keys: Sequence[Interval], at: Index | None = None) -> GroupStates:
        items = np.arange(rows.n) if at is None else at
        groups = group([key.take(items) for key in keys], len(items))
        states = tuple(
            scalar.chunk(
                a, None if a.argument is None else rows.evaluate(a.argument, items), groups
            )
            for a in aggregates_of(self.query)
        )
        return GroupStates(groups.keys, states, len(groups))


def _is_plain(output: Output) -> bool:
    return isinstance(output.expr, Column | Key)
