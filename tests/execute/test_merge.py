"""What the coordinator does with partials: their order and their cut must not matter."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.execute import aggregate as scalar
from masksearch_ray.execute.grouping import group
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.leaders import Leaders
from masksearch_ray.execute.merge import (
    GroupTable,
    assign_groups,
    items_by_shard,
    merge_rows,
    merge_states,
)
from masksearch_ray.execute.ordering import Places, ascending, pessimistic
from masksearch_ray.execute.partials import GroupStates, MemberRefs, RowsFound
from masksearch_ray.execute.shard import aggregates_of
from masksearch_ray.model.query import Column, Query
from masksearch_ray.sql import parse
from tests.sql.catalog import catalog

SCHEMA = pa.schema([("mask_id", pa.int64()), ("label", pa.string())])
rows = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", None])), max_size=30)
cuts = st.lists(st.integers(0, 30), max_size=4)


def points(values: Sequence[int]) -> Interval:
    return Interval.points("int", np.array(values, np.int64), np.zeros(len(values), np.bool_))


def places(values: Sequence[int], ids: Sequence[int]) -> Places:
    return pessimistic([(points(values), True, False), *ascending([points(ids)])])


def pieces(count: int, at: Sequence[int]) -> list[slice]:
    ends = [0, *sorted(min(c, count) for c in at), count]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def query(tail: str, distinct: bool = False) -> Query:
    first = "DISTINCT label" if distinct else "mask_id, label"
    return parse(f"SELECT {first} FROM masks {tail}", catalog())


@given(rows, cuts, st.randoms(use_true_random=False))
def test_rows_are_put_in_order_however_they_come(
    held: list[tuple[int, str | None]], at: list[int], chance: object
) -> None:
    parts = []
    for piece in pieces(len(held), at):
        ids = list(range(len(held)))[piece]
        labels = [label for _, label in held[piece]]
        table = pa.table(
            {"mask_id": pa.array(ids, pa.int64()), "label": pa.array(labels, pa.string())}
        )
        parts.append(RowsFound(table, places([value for value, _ in held[piece]], ids)))
    order = sorted(range(len(held)), key=lambda i: (-held[i][0], i))
    chance.shuffle(parts)  # type: ignore[attr-defined]
    for tail, wanted in (("", order), ("OFFSET 3", order[3:])):
        found = merge_rows(parts, query(f"ORDER BY mask_id {tail}"), SCHEMA)
        assert found["mask_id"].to_pylist() == wanted
    labels_only = [replace(part, table=part.table.select(["label"])) for part in parts]
    distinct = list(dict.fromkeys(held[i][1] for i in order))
    found = merge_rows(labels_only, query("LIMIT 2 OFFSET 1", distinct=True), SCHEMA)
    assert found["label"].to_pylist() == distinct[1:3]
    assert found.schema.types == [pa.string()]


@given(rows, cuts, st.integers(0, 12), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_first_of_all_shards_are_chosen(
    held: list[tuple[int, str | None]], at: list[int], limit: int, offset: int, chance: object
) -> None:
    values = [value for value, _ in held]
    order = sorted(range(len(held)), key=lambda i: (-values[i], i))
    k, starts = limit + offset, {}
    leaders, offers = Leaders(k), Leaders(k)
    shards = list(enumerate(pieces(len(held), at)))
    chance.shuffle(shards)  # type: ignore[attr-defined]
    for shard, piece in shards:
        ids = list(range(len(held)))[piece]
        own = places(values[piece], ids)
        first = own.first(k)
        offers.add(own.take(first))
        leaders.add(own.take(first), np.full(len(first), shard), first)
        starts[shard] = piece.start
    chosen = items_by_shard(leaders, offset)
    found = [starts[shard] + int(item) for shard, items in chosen.items() for item in items]
    assert sorted(found) == sorted(order[offset:k])
    assert all((np.diff(items) > 0).all() for items in chosen.values())
    assert offers.threshold == leaders.threshold
    if 0 < k <= len(held):
        last = order[k - 1]
        assert offers.threshold == ((1, values[last]), (1, last))
    else:
        assert offers.threshold is None


@given(rows, cuts, st.integers(1, 12))
def test_a_threshold_known_before_loses_none_of_the_first(
    held: list[tuple[int, str | None]], at: list[int], k: int
) -> None:
    values = [value for value, _ in held]
    whole = places(values, list(range(len(held))))
    known = Leaders(k)
    known.add(whole)
    leaders = Leaders(k, known.threshold)
    for piece in pieces(len(held), at):
        ids = np.arange(len(held))[piece]
        leaders.add(whole.take(ids), ids)
    ids = np.concatenate([np.zeros(0, np.int64), *leaders.columns])
    assert ids.tolist() == whole.first(k).tolist()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40))
def test_groups_are_assigned_whole_to_the_shard_that_holds_most(
    members: list[tuple[int, int]],
) -> None:
    found = {}
    for shard in range(4):
        keys = [key for key, owner in members if owner == shard]
        own = np.arange(len(keys))
        found[shard] = MemberRefs((points(keys),), own * 0 + shard, own, own % 2 == 0)
    assigned = assign_groups(list(found.items()))
    seen: dict[int, set[int]] = {}
    total = 0
    for shard, refs in assigned.items():
        total += len(refs.ordinals)
        assert len(refs.verified) == len(refs.segments) == len(refs.ordinals)
        assert (refs.verified == (refs.ordinals % 2 == 0)).all()
        for key in refs.keys[0].lower.tolist():
            seen.setdefault(key, set()).add(shard)
    assert total == len(members)
    for key, shards in seen.items():
        (shard,) = shards
        votes = [sum(m == (key, owner) for m in members) for owner in range(4)]
        assert votes[shard] == max(votes)


@pytest.mark.parametrize("keys", ["", "GROUP BY label"])
def test_no_rows_make_one_group_only_without_keys(keys: str) -> None:
    first = "label, " if keys else ""
    asked = parse(f"SELECT {first}COUNT(*) AS n, MAX(mask_id) AS m FROM masks {keys}", catalog())
    answer = GroupTable.merge(asked, []).answer().table.to_pylist()
    assert answer == ([] if keys else [{"n": 0, "m": None}])


AGGREGATES = (
    "SELECT label, COUNT(*), COUNT(DISTINCT mask_type), SUM(score), AVG(score), MIN(score),"
    " MAX(model_id), AVG(model_id), SUM(model_id) FROM masks GROUP BY label"
)
MEASURED = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.integers(0, 3),
    st.floats(-1e30, 1e30) | st.sampled_from([0.1, 0.2, 1e-300]),
    st.integers(-(2**58), 2**58),  # the sum of 24 fits 64 bits
)


def states_of(asked: Query, held: Sequence[tuple[str | None, int, float, int]]) -> GroupStates:
    """Exact states of some rows, as a shard gives them."""
    label, kind, score, model = (np.array(column, object) for column in zip(*held, strict=True))
    null = np.array([value is None for value in label], np.bool_)
    groups = group([Interval.points("string", label, null)], len(held))
    columns = {
        "mask_type": Interval.between("int", kind.astype(np.int64), kind.astype(np.int64)),
        "score": Interval.between("float", score.astype(float), score.astype(float)),
        "model_id": Interval.between("int", model.astype(np.int64), model.astype(np.int64)),
    }
    arguments = [
        columns[a.argument.name] if isinstance(a.argument, Column) else None
        for a in aggregates_of(asked)
    ]
    states = tuple(map(scalar.chunk, aggregates_of(asked), arguments, itertools.repeat(groups)))
    return GroupStates(groups.keys, states, len(groups))


@given(st.lists(MEASURED, min_size=1, max_size=24), cuts, st.randoms(use_true_random=False))
def test_states_of_groups_merge_in_any_order_and_grouping(
    held: list[tuple[str | None, int, float, int]], at: list[int], chance: object
) -> None:
    asked = parse(AGGREGATES, catalog())
    parts = [states_of(asked, held[p]) for p in pieces(len(held), at) if held[p]]
    whole = GroupTable.merge(asked, [states_of(asked, held)]).answer().table
    chance.shuffle(parts)  # type: ignore[attr-defined]
    left = functools.reduce(lambda a, b: merge_states(asked, [a, b]), parts)
    right = functools.reduce(lambda a, b: merge_states(asked, [b, a]), reversed(parts))
    identity = merge_states(asked, [])
    for merged in ([left], [right], parts, [identity, *parts, identity]):
        found = GroupTable.merge(asked, merged).answer().table
        assert found.schema == whole.schema
        assert repr(found.to_pylist()) == repr(whole.to_pylist())
