"""Groups by exact keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.execute.grouping import Groups, group
from masksearch_ray.model.query import Type
from tests.execute import reference as ref

KINDS: list[Type] = ["int", "float", "bool", "string"]


@st.composite
def columns(draw: st.DrawFn) -> tuple[int, list[tuple[Type, list[Any]]]]:
    n = draw(st.integers(0, 12))
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=3))
    few = {
        "int": st.sampled_from([0, 1, -1, 2**70]),
        "float": st.sampled_from([0.0, -0.0, 1.5]),
        "bool": st.booleans(),
        "string": st.sampled_from(["", "a", "b"]),
    }
    values = {kind: st.none() | few[kind] for kind in KINDS}
    return n, [(k, draw(st.lists(values[k], min_size=n, max_size=n))) for k in kinds]


def keys_of(groups: Groups) -> list[tuple[Any, ...]]:
    return [tuple(ref.known(key, g) for key in groups.keys) for g in range(len(groups))]


@given(columns())
def test_items_are_together_where_all_keys_are_equal(drawn: Any) -> None:
    n, held = drawn
    groups = group([ref.points(kind, values) for kind, values in held], n)
    expected: dict[tuple[Any, ...], list[int]] = {}
    for at in range(n):
        expected.setdefault(tuple(values[at] for _, values in held), []).append(at)
    found = {
        key: groups.order[start:stop].tolist()
        for key, start, stop in zip(
            keys_of(groups), groups.offsets[:-1], groups.offsets[1:], strict=True
        )
    }
    assert found == expected
    assert groups.sizes.tolist() == [len(found[key]) for key in keys_of(groups)]
    assert all(keys_of(groups)[code] == key_at(held, at) for at, code in enumerate(groups.codes))
    ones = groups.reduce(np.add, np.ones((n, 2), np.int64))
    assert ones.tolist() == [[size, size] for size in groups.sizes]


def key_at(held: list[tuple[Type, list[Any]]], at: int) -> tuple[Any, ...]:
    return tuple(values[at] for _, values in held)


def test_a_null_that_arose_from_a_value_is_the_same_null() -> None:
    key = ref.points("int", [5, None, None, 7])
    key.lower[1] = 5
    groups = group([key], 4)
    assert sorted(groups.sizes.tolist()) == [1, 1, 2]
