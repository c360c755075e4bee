"""Places: where sort keys can stand at best and at worst."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.execute.ordering import (
    Places,
    ascending,
    comes_before,
    optimistic,
    pessimistic,
)
from masksearch_ray.model.query import Type
from tests.execute import reference as ref
from tests.execute.reference import Cell
from tests.oracle.evaluate import in_order

KINDS: list[Type] = ["int", "float", "bool", "string"]
KEY = st.tuples(st.sampled_from(KINDS), st.booleans(), st.booleans())


@st.composite
def keyed(draw: st.DrawFn) -> list[tuple[Type, bool, bool, list[Cell]]]:
    """Sort keys (type, descending, NULLs first) of some rows."""
    n = draw(st.integers(1, 7))
    return [
        (*key, draw(st.lists(ref.cells(key[0]), min_size=n, max_size=n)))
        for key in draw(st.lists(KEY, min_size=1, max_size=3))
    ]


def places(keys: list[tuple[Type, bool, bool, list[Cell]]]) -> tuple[Places, Places, Places]:
    """Optimistic, true and pessimistic places; ties are settled by position."""
    n = len(keys[0][3])
    ties = ascending([ref.points("int", list(range(n)))])
    bounds = [(ref.bounds(kind, held), down, first) for kind, down, first, held in keys]
    exact = [
        (ref.points(kind, [cell.value for cell in held]), down, first)
        for kind, down, first, held in keys
    ]
    return optimistic(bounds + ties), pessimistic(exact + ties), pessimistic(bounds + ties)


def true_order(keys: list[tuple[Type, bool, bool, list[Cell]]]) -> list[int]:
    order = list(range(len(keys[0][3])))
    for _, descending, nulls_first, held in reversed(keys):
        pairs = [(held[at].value, at) for at in order]
        order = [at for _, at in in_order(pairs, descending, nulls_first)]
    return order


@given(keyed(), st.integers(0, 8))
def test_exact_places_are_in_the_true_order(keys: Any, k: int) -> None:
    _, exact, _ = places(keys)
    order = true_order(keys)
    assert exact.argsort().tolist() == order
    assert exact.first(k).tolist() == order[:k]
    for position, at in enumerate(order):
        reached = exact.reach(exact.at(at))
        assert set(np.flatnonzero(reached).tolist()) == set(order[: position + 1])


@given(keyed())
def test_thresholds_compare_as_their_places_do(keys: Any) -> None:
    _, exact, _ = places(keys)
    descending = [down for _, down, _, _ in keys]
    order = [exact.at(at) for at in true_order(keys)]
    for n, a in enumerate(order):
        found = [comes_before(a, b, descending) for b in order]
        assert found == [n < m for m in range(len(order))]


@given(keyed())
def test_the_true_place_is_between_the_optimistic_and_the_pessimistic(keys: Any) -> None:
    early, exact, late = places(keys)
    for at in range(len(exact)):
        assert early.reach(exact.at(at))[at]
        assert exact.reach(late.at(at))[at]


@given(keyed(), st.integers(1, 4))
def test_no_item_of_the_answer_is_pruned(keys: Any, k: int) -> None:
    early, _, late = places(keys)
    if k <= len(late):
        threshold = late.at(int(late.first(k)[-1]))
        assert set(true_order(keys)[:k]) <= set(np.flatnonzero(early.reach(threshold)).tolist())


def test_strings_order_by_code_point() -> None:
    texts = ["\U00010000", "￿", "é", "z", "Z", ""]
    up = optimistic(ascending([ref.points("string", list(texts))]))
    assert [texts[at] for at in up.argsort()] == ["", "Z", "z", "é", "￿", "\U00010000"]


@pytest.mark.parametrize("extreme", [-(2**63), 2**63 - 1])
def test_descending_integers_do_not_wrap(extreme: int) -> None:
    held = optimistic([(ref.points("int", [0, extreme, None]), True, False)])
    assert held.argsort().tolist() == ([1, 0, 2] if extreme > 0 else [0, 1, 2])


def test_a_threshold_beyond_64_bits_can_be_reached() -> None:
    held = optimistic(ascending([ref.points("int", [2**63 - 1, None])]))
    assert held.reach(((1, 2**70),)).tolist() == [True, False]
    assert held.reach(((1, -(2**70)),)).tolist() == [False, False]


def test_no_items_have_no_places() -> None:
    none = optimistic(ascending([ref.points(kind, []) for kind in KINDS]))
    assert len(none) == 0
    assert none.first(3).tolist() == []
    assert none.reach(((1, 1), (1, 1.0), (1, True), (1, "a"))).tolist() == []
