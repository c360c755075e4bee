"""What the coordinator does with partials: their order and their cut must not matter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.merge import (
    GroupTable,
    assign_groups,
    merge_offers,
    merge_ranked,
    merge_rows,
)
from masksearch_ray.execute.ordering import Places, ascending, pessimistic
from masksearch_ray.execute.partials import MemberRefs, Offered, Ranked, RowsFound
from masksearch_ray.model.query import Query
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


@given(rows, cuts, st.integers(0, 12), st.integers(0, 5))
def test_the_first_of_all_shards_are_chosen(
    held: list[tuple[int, str | None]], at: list[int], limit: int, offset: int
) -> None:
    values = [value for value, _ in held]
    order = sorted(range(len(held)), key=lambda i: (-values[i], i))
    ranked, offers, starts = {}, [], {}
    for shard, piece in enumerate(pieces(len(held), at)):
        ids = list(range(len(held)))[piece]
        own = places(values[piece], ids)
        first = own.first(limit + offset)
        ranked[shard] = Ranked(first, own.take(first))
        offers.append(Offered(own.take(first)))
        starts[shard] = piece.start
    chosen = merge_ranked(ranked, limit, offset)
    found = [starts[shard] + int(item) for shard, items in chosen.items() for item in items]
    assert sorted(found) == sorted(order[offset : offset + limit])
    threshold = merge_offers(offers, limit + offset)
    if 0 < limit + offset <= len(held):
        last = order[limit + offset - 1]
        assert threshold == ((1, values[last]), (1, last))
    else:
        assert threshold is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40))
def test_groups_are_assigned_whole_to_the_shard_that_holds_most(
    members: list[tuple[int, int]],
) -> None:
    found = {}
    for shard in range(4):
        keys = [key for key, owner in members if owner == shard]
        own = np.arange(len(keys))
        found[shard] = MemberRefs((points(keys),), own * 0 + shard, own, own % 2 == 0)
    assigned = assign_groups(found)
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
