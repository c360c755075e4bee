"""Expressions over intervals: exact on points, and never wrong about what is possible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.model.query import Call, Column, Expr
from tests.execute import reference as ref
from tests.execute.reference import COLUMNS, Cell

TYPED = st.sampled_from(["int", "float", "bool", "bool", "string"])


def wanted(expr: Expr, table: dict[str, list[Cell]], at: int) -> Any:
    return ref.value_of(expr, {name: held[at].value for name, held in table.items()})


def check_points(expr: Expr, table: dict[str, list[Cell]]) -> None:
    columns = {
        name: ref.points(COLUMNS[name].type, [cell.value for cell in held])
        for name, held in table.items()
    }
    n = len(next(iter(table.values())))
    found = ref.evaluated(expr, columns, n)
    assert len(found) == n
    for at in range(n):
        expected, value = wanted(expr, table, at), ref.known(found, at)
        assert value == expected
        assert value is None or type(value) is ref.PYTHON[expr.type]


def check_bounds(expr: Expr, table: dict[str, list[Cell]]) -> None:
    columns = {name: ref.bounds(COLUMNS[name].type, held) for name, held in table.items()}
    n = len(next(iter(table.values())))
    found = ref.evaluated(expr, columns, n)
    assert (found.maybe_null | ~found.surely_null).all()
    for at in range(n):
        value = wanted(expr, table, at)
        assert ref.holds(found, at, value), (value, found.lower[at], found.upper[at])
        if found.exact[at]:
            assert ref.known(found, at) == value


@given(TYPED.flatmap(ref.expressions), ref.tables())
def test_points_give_the_value_itself(expr: Expr, table: dict[str, list[Cell]]) -> None:
    check_points(expr, table)


@given(TYPED.flatmap(ref.expressions), ref.tables())
def test_bounds_hold_whatever_the_values_are(expr: Expr, table: dict[str, list[Cell]]) -> None:
    check_bounds(expr, table)


@pytest.mark.parametrize("op", sorted({op for found in ref.SIGNATURES.values() for op, _ in found}))
@given(st.data())
def test_each_operator_alone(op: str, data: st.DataObject) -> None:
    signatures = [
        (kind, kinds)
        for kind, found in ref.SIGNATURES.items()
        for name, kinds in found
        if name == op
    ]
    kind, kinds = data.draw(st.sampled_from(signatures))
    n = data.draw(st.integers(1, 6))
    args: list[Expr] = []
    table: dict[str, list[Cell]] = {}
    for at, of in enumerate(kinds):
        column = Column(f"{of}{at}", of)
        table[column.name] = data.draw(st.lists(ref.cells(of), min_size=n, max_size=n))
        args.append(data.draw(ref.argument(op, at, of, st.just(column))))
    expr = Call(op, tuple(args), kind)
    check_points(expr, table)
    check_bounds(expr, table)


@given(TYPED.flatmap(ref.expressions))
def test_no_rows_give_no_values(expr: Expr) -> None:
    columns = {name: ref.points(column.type, []) for name, column in COLUMNS.items()}
    assert len(ref.evaluated(expr, columns, 0)) == 0
