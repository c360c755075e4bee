"""Scalar aggregates: exact, mergeable in any order, and sound on bounds."""

from __future__ import annotations

import math
import random
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.execute import aggregate as scalar
from masksearch_ray.execute.aggregate import State
from masksearch_ray.execute.exact_sum import UNIT, group_sums
from masksearch_ray.execute.grouping import group
from masksearch_ray.execute.interval import Interval
from masksearch_ray.model.query import Aggregate, Column, Type
from tests.execute import reference as ref
from tests.execute.reference import Cell
from tests.oracle import scalars

EXTREMES = [5e-324, -5e-324, 2.2e-308, 1.7976931348623157e308, -1.7976931348623157e308, 0.1, 1e16]
FLOATS = st.sampled_from(EXTREMES) | st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**200), 2**200) | st.integers(-3, 3)


def make(function: Any, kind: Type, *, distinct: bool = False) -> Aggregate:
    type_: Type = {"count": "int", "avg": "float"}.get(function, kind)  # type: ignore[assignment]
    return Aggregate(function, Column("x", kind), distinct, type_)


CASES = [
    make(function, kind)
    for kind in ("int", "float", "string")
    for function in ("count", "sum", "avg", "min", "max")
    if kind != "string" or function in ("count", "min", "max")
]
IDS = [f"{case.function}-{case.argument.type}" for case in CASES if case.argument]
every = pytest.mark.parametrize("aggregate", CASES, ids=IDS)


@given(st.lists(st.tuples(st.integers(0, 2), FLOATS)))
def test_sums_of_floats_are_exact(pairs: list[tuple[int, float]]) -> None:
    codes = np.array([code for code, _ in pairs], np.int64)
    sums = group_sums(codes, 3, np.array([value for _, value in pairs], np.float64))
    for code in range(3):
        expected = sum((Fraction(v) for c, v in pairs if c == code), Fraction(0))
        assert Fraction(sums[code], UNIT) == expected


@given(st.lists(st.tuples(st.integers(0, 2), INTS)))
def test_sums_of_integers_are_exact(pairs: list[tuple[int, int]]) -> None:
    codes = np.array([code for code, _ in pairs], np.int64)
    sums = group_sums(codes, 3, ref.array("int", [value for _, value in pairs]))
    assert sums.tolist() == [sum(v for c, v in pairs if c == code) for code in range(3)]


# ------------------------------------------------------------------ rows to states to values


def rows_of(kind: Type) -> st.SearchStrategy[list[tuple[int, Cell]]]:
    return st.lists(st.tuples(st.integers(0, 2), ref.cells(kind)), min_size=1, max_size=9)


def states(aggregate: Aggregate, codes: list[int], argument: Interval) -> tuple[Interval, State]:
    key = ref.points("int", list(codes))
    groups = group([key], len(codes))
    return groups.keys[0], scalar.chunk(aggregate, argument, groups)


def by_key(key: Interval, held: Interval) -> dict[int, int]:
    assert len(key) == len(held)
    return {ref.known(key, g): g for g in range(len(key))}


def kind_of(aggregate: Aggregate) -> Type:
    assert aggregate.argument is not None
    return aggregate.argument.type


@every
@given(st.data())
def test_points_give_the_value_and_bounds_hold_it(
    aggregate: Aggregate, data: st.DataObject
) -> None:
    rows, kind = data.draw(rows_of(kind_of(aggregate))), kind_of(aggregate)
    codes, cells = [code for code, _ in rows], [cell for _, cell in rows]
    key, exact = states(aggregate, codes, ref.points(kind, [cell.value for cell in cells]))
    _, bounds = states(aggregate, codes, ref.bounds(kind, cells))
    found, held = scalar.finalize(aggregate, exact), scalar.finalize(aggregate, bounds)
    assert found.type == held.type == aggregate.type
    for code, g in by_key(key, found).items():
        values = [cell.value for c, cell in rows if c == code]
        expected = scalars.aggregate(aggregate.function.upper(), values)
        value = ref.known(found, g)
        assert value == expected
        assert value is None or type(value) is ref.PYTHON[aggregate.type]
        assert ref.holds(held, g, expected), (expected, held.lower[g], held.upper[g])
        if held.exact[g]:
            assert ref.known(held, g) == expected


@every
@given(st.data(), st.randoms(use_true_random=False))
def test_shards_may_be_cut_and_merged_in_any_order(
    aggregate: Aggregate, data: st.DataObject, rng: random.Random
) -> None:
    rows = data.draw(rows_of(kind_of(aggregate)))
    expected = shown(aggregate, states_of(aggregate, rows))
    parts = [rows[:2], rows[2:5], rows[5:]]
    rng.shuffle(parts)
    cut = [states_of(aggregate, part) for part in parts if part]
    assert shown(aggregate, merged(aggregate, cut)) == expected
    nested = merged(aggregate, [merged(aggregate, cut[:2]), *cut[2:]])
    assert shown(aggregate, nested) == expected
    blank = (ref.points("int", [rows[0][0]]), scalar.empty(1))
    assert shown(aggregate, merged(aggregate, [blank, *cut])) == expected


def states_of(aggregate: Aggregate, rows: list[tuple[int, Cell]]) -> tuple[Interval, State]:
    argument = ref.bounds(kind_of(aggregate), [cell for _, cell in rows])
    return states(aggregate, [code for code, _ in rows], argument)


def merged(aggregate: Aggregate, parts: list[tuple[Interval, State]]) -> tuple[Interval, State]:
    key = Interval.concat([part for part, _ in parts])
    groups = group([key], len(key))
    state = State.concat([part for _, part in parts])
    return groups.keys[0], scalar.combine(aggregate, state, groups)


def shown(aggregate: Aggregate, part: tuple[Interval, State]) -> dict[int, tuple[str, ...]]:
    """Every bit of the result, by key."""
    key, state = part
    held = scalar.finalize(aggregate, state)
    columns = [c.tolist() for c in (held.lower, held.upper, held.maybe_null, held.surely_null)]
    rows = list(zip(*columns, strict=True))
    return {code: tuple(map(repr, rows[g])) for code, g in by_key(key, held).items()}


# ------------------------------------------------------------------ single cases


def one(aggregate: Aggregate, argument: Interval | None, n: int) -> Interval:
    """The aggregate of n rows, all of one group."""
    return scalar.finalize(aggregate, scalar.chunk(aggregate, argument, group([], n)))


def test_rows_are_counted_whatever_they_hold() -> None:
    everything = Aggregate("count", None, False, "int")
    assert ref.known(one(everything, None, 5), 0) == 5
    assert ref.known(scalar.finalize(everything, scalar.empty()), 0) == 0


@every
def test_no_rows_make_one_empty_group(aggregate: Aggregate) -> None:
    found = scalar.finalize(aggregate, scalar.empty())
    assert ref.known(found, 0) == (0 if aggregate.function == "count" else None)
    assert found.type == aggregate.type


@every
def test_no_groups_give_no_values(aggregate: Aggregate) -> None:
    groups = group([], 0)
    state = scalar.chunk(aggregate, ref.points(kind_of(aggregate), []), groups)
    assert len(scalar.finalize(aggregate, state)) == 0
    assert len(scalar.finalize(aggregate, scalar.combine(aggregate, state, groups))) == 0


@pytest.mark.parametrize("kind", ["int", "float", "string"])
@given(data=st.data())
def test_distinct_values_are_counted_once(kind: Type, data: st.DataObject) -> None:
    aggregate = make("count", kind, distinct=True)
    rows = data.draw(st.lists(st.tuples(st.integers(0, 1), st.none() | ref.VALUES[kind])))
    codes = [code for code, _ in rows]
    halves = [slice(None, None, 2), slice(1, None, 2)]
    parts = [
        states(aggregate, codes[half], ref.points(kind, [value for _, value in rows[half]]))
        for half in halves
    ]
    key, state = merged(aggregate, parts)
    found = scalar.finalize(aggregate, state)
    for code, g in by_key(key, found).items():
        distinct = {value for c, value in rows if c == code} - {None}
        assert ref.known(found, g) == len(distinct)


@pytest.mark.parametrize("function", ["sum", "avg", "min", "max", "count"])
def test_a_column_of_nulls_has_no_sum(function: Any) -> None:
    found = one(make(function, "null"), Interval.constant(None, "null", 3), 3)
    assert ref.known(found, 0) == (0 if function == "count" else None)


def test_a_sum_beyond_the_largest_float_is_null_and_its_bounds_stay_sound() -> None:
    largest = 1.7976931348623157e308
    total = make("sum", "float")
    assert ref.known(one(total, ref.points("float", [largest, largest]), 2), 0) is None
    assert ref.known(one(total, ref.points("float", [largest, largest, -largest]), 3), 0) == largest
    unsure = ref.bounds("float", [Cell(0.0, largest, False, False, 1.0)] * 2)
    found = one(total, unsure, 2)
    assert all(ref.holds(found, 0, value) for value in (0.0, 2.0, largest, None))
    assert not found.surely_null[0]


def test_an_average_beyond_the_largest_float_is_null_and_its_bounds_stay_sound() -> None:
    mean = make("avg", "int")
    assert ref.known(one(mean, ref.points("int", [10**400]), 1), 0) is None
    unsure = ref.bounds("int", [Cell(0, 10**400, True, False, 1)] * 2)
    found = one(mean, unsure, 2)
    assert all(ref.holds(found, 0, value) for value in (0.0, 1e308, None))


@pytest.mark.parametrize("sign", [1, -1])
def test_an_average_lies_between_the_arguments_where_their_number_is_not_known(sign: int) -> None:
    cells = [Cell(-10 * sign, -10 * sign, False, False, -10 * sign), Cell(0, 0, True, False, None)]
    found = one(make("avg", "int"), ref.bounds("int", cells), 2)
    assert sorted([found.lower[0], found.upper[0]], key=abs) == [0.0, -10.0 * sign]
    assert not found.maybe_null[0]


def test_sums_round_once() -> None:
    values = [1e16, 1.0, 1.0, -1e16, 0.1]
    total = one(make("sum", "float"), ref.points("float", values), 5)
    assert ref.known(total, 0) == math.fsum(values)
    thirds = one(make("avg", "int"), ref.points("int", [2**62, 2**62 + 1, 2**62 + 3]), 3)
    assert ref.known(thirds, 0) == float(Fraction(3 * 2**62 + 4, 3))


@every
def test_many_groups_take_little_time(aggregate: Aggregate) -> None:
    n, size = 22_000, 2
    kind = kind_of(aggregate)
    plain = np.random.default_rng(0).integers(0, 1000, n * size)
    casts: dict[str, Any] = {"int": np.int64, "float": np.float64, "string": str}
    argument = Interval.points(kind, plain.astype(casts[kind]))
    if kind == "string":
        argument = Interval.points(kind, plain.astype(str).astype(object))
    groups = group([Interval.points("int", np.arange(n * size) // size)], n * size)
    started = time.process_time()
    state = scalar.combine(aggregate, scalar.chunk(aggregate, argument, groups), again(n))
    scalar.finalize(aggregate, state)
    # Of processor time; 0.1 s is usual, a step per pair of groups would take minutes.
    assert time.process_time() - started < 5.0


def again(n: int) -> Any:
    return group([Interval.points("int", np.arange(n))], n)
