"""Partials may be combined any number of times, in any order and grouping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.execute.combine import combine
from masksearch_ray.execute.leaders import Leaders
from masksearch_ray.execute.merge import GroupTable, assign_groups, items_by_shard, merge_rows
from masksearch_ray.execute.partials import (
    BoundGroups,
    CountBounds,
    Counted,
    Filter,
    FindMembers,
    Finished,
    Foresee,
    MemberRefs,
    Offer,
    Offered,
    Partial,
    Ranked,
    RowsFound,
    ShardStats,
    Stage,
    Top,
)
from masksearch_ray.model.forecast import Forecast
from masksearch_ray.sql import parse
from tests.execute.test_merge import AGGREGATES, SCHEMA, places, points, states_of
from tests.sql.catalog import catalog

Answers = list[tuple[int, Partial]]
Rows = Sequence[tuple[int, str | None]]
SHARDS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", None])), max_size=6),
    min_size=1,
    max_size=7,
)
DISTINCT = parse("SELECT DISTINCT label FROM masks LIMIT 2", catalog())
PLAIN = parse("SELECT mask_id, label FROM masks", catalog())
GROUPED = parse(AGGREGATES, catalog())
K = 3


def found(ids: Sequence[int], rows: Rows) -> RowsFound:
    columns = {"mask_id": pa.array(ids, pa.int64()), "label": pa.array([b for _, b in rows])}
    table = pa.table(columns).cast(SCHEMA)
    return RowsFound(table, places([a for a, _ in rows], ids))


def first(ids: Sequence[int], rows: Rows) -> Ranked:
    own = places([a for a, _ in rows], ids)
    return Ranked(own.first(K), own.take(own.first(K)))


def members(ids: Sequence[int], rows: Rows) -> MemberRefs:
    at = np.array(ids, np.int64)
    return MemberRefs((points([a for a, _ in rows]),), at % 2, at, at % 3 == 0)


def best(answers: Answers) -> Any:
    leaders = Leaders(K)
    for shard, part in answers:
        assert isinstance(part, Ranked)
        leaders.add(part.places, part.owners(shard), part.items)
    chosen = items_by_shard(leaders, 0)
    return leaders.threshold, {shard: items.tolist() for shard, items in chosen.items()}


def offered(answers: Answers) -> Any:
    sure, hopes, owners = Leaders(K), Leaders(K), list[int]()
    for shard, part in answers:
        assert isinstance(part, Offered)
        sure.add(part.places)
        hopes.add(part.hopes)
        owners += part.owners(shard)
    return sure.threshold, hopes.threshold, sorted(owners)


def offer(ids: Sequence[int], rows: Rows) -> Offered:
    """Every second item is certain to pass; all may lie a little earlier than they are sure to."""
    hopes = places([a - 1 for a, _ in rows], ids)
    return Offered(first(ids[::2], rows[::2]).places, hopes.take(hopes.first(K)))


def assigned(answers: Any) -> Any:
    return {
        shard: sorted(zip(refs.keys[0].lower.tolist(), refs.ordinals.tolist(), strict=True))
        for shard, refs in assign_groups(answers).items()
    }


def tables(query: Any) -> Callable[[Any], Any]:
    def table(answers: Any) -> Any:
        first = {"label": 0} if query.distinct else {"mask_id": 0, "label": 0}
        parts = [RowsFound(p.table.select(list(first)), p.places) for _, p in answers]
        return merge_rows(parts, query, SCHEMA).to_pylist()

    return table


# Stage, query, what a shard answers, and what the coordinator makes of it.
CASES: dict[str, tuple[Stage, Any, Callable[[Sequence[int], Rows], Partial], Callable[..., Any]]]
CASES = {
    "rows": (Filter(), PLAIN, found, tables(PLAIN)),
    "distinct": (
        Filter(),
        DISTINCT,
        lambda ids, rows: RowsFound(found(ids, rows).table.select(["label"]), first_all(ids, rows)),
        tables(DISTINCT),
    ),
    "offered": (Offer(K), PLAIN, offer, offered),
    "ranked": (Top(K, None), PLAIN, first, best),
    "counted": (
        CountBounds(),
        PLAIN,
        lambda ids, rows: Counted(len(ids), sum(ids)),
        lambda held: (sum(p.surely for _, p in held), sum(p.possibly for _, p in held)),
    ),
    "forecast": (
        Foresee(),
        PLAIN,
        lambda ids, rows: Forecast(len(ids), sum(ids)),
        lambda held: Forecast.merge([part for _, part in held]),
    ),
    "states": (
        BoundGroups(True),
        GROUPED,
        lambda ids, rows: states_of(
            GROUPED, [(b, a % 4, 0.1 * a, a) for a, b in rows] or [(None, 0, 0.5, 1)]
        ),
        lambda held: repr(
            GroupTable.merge(GROUPED, [p for _, p in held]).answer().table.to_pylist()
        ),
    ),
    "members": (FindMembers(), PLAIN, members, assigned),
}


def first_all(ids: Sequence[int], rows: Rows) -> Any:
    return places([a for a, _ in rows], ids)


@pytest.mark.parametrize("name", CASES)
@given(SHARDS, st.data())
def test_combining_changes_no_answer(name: str, shards: list[Rows], data: st.DataObject) -> None:
    stage, query, answer, outcome = CASES[name]
    answers: Answers = []
    ids = 0
    for shard, rows in enumerate(shards):
        answers.append((shard, answer(list(range(ids, ids + len(rows))), rows)))
        ids += len(rows)
    expected = outcome(answers)
    finished: Answers = [(shard, Finished(ShardStats())) for shard in range(len(shards))]
    held = [combine(stage, query, [a, f]) for a, f in zip(answers, finished, strict=True)]
    while len(held) > 1:
        some = data.draw(st.permutations(held), label="order")
        cut = data.draw(st.integers(2, len(some)), label="combined")
        flat = [one for group in some[:cut] for one in group]
        held = [combine(stage, query, flat), *some[cut:]]
        parts = [one for group in held for one in group]
        ended = [shard for shard, part in parts if isinstance(part, Finished)]
        assert sorted(ended) == list(range(len(shards)))
        assert outcome([(s, p) for s, p in parts if not isinstance(p, Finished)]) == expected
    assert len(held[0]) == 1 + len(shards)


def test_nothing_is_the_identity() -> None:
    assert combine(Filter(), PLAIN, []) == []
