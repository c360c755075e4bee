"""Expressions over intervals: exact on points, and never wrong about what is possible."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.model.query import Call, Column, Expr, Literal, Type
from tests.execute import reference as ref
from tests.execute.reference import COLUMNS, Cell

KINDS: list[Type] = ["int", "float", "bool", "bool", "string"]
TYPED = st.sampled_from(KINDS)


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


# ------------------------------------------------------------------ single cases

BIG = 2**53 + 1  # the first integer that is no float64


def literal(value: Any) -> Literal:
    kinds: dict[type, Any] = {int: "int", float: "float", str: "string", bool: "bool"}
    return Literal(value, kinds.get(type(value), "null"))


def result(op: str, *args: Any, kind: Any = "float") -> Any:
    call = Call(op, tuple(arg if isinstance(arg, Call) else literal(arg) for arg in args), kind)
    found = [ref.known(ref.evaluated(call, {}, n), n - 1) for n in (1, 3)]
    assert repr(found[0]) == repr(found[1])
    return found[0]


@pytest.mark.parametrize(
    ("op", "args", "expected"),
    [
        ("=", (BIG, 2.0**53), False),
        (">", (BIG, 2.0**53), True),
        ("<", (2.0**53, BIG), True),
        ("<=", (-BIG, -(2.0**53)), True),
        ("=", (2**63 - 1, 2.0**63), False),
        ("=", (2**62, 2.0**62), True),
        ("in", (BIG, 2.0**53), False),
        ("in", (2.0**53, BIG, 2**53), True),
        ("in", (1, 2, None), None),
        ("in", (1, 1, None), True),
        ("in", (None, 1, 2), None),
        ("in", ("a", "b"), False),
        ("and", (None, False), False),
        ("and", (None, True), None),
        ("or", (None, True), True),
        ("or", (None, False), None),
        ("not", (None,), None),
        ("=", (None, None), None),
        ("is_null", (None,), True),
        ("<", ("\uffff", "\U00010000"), True),
    ],
)
def test_truth(op: str, args: tuple[Any, ...], expected: bool | None) -> None:
    assert result(op, *args, kind="bool") is expected


@pytest.mark.parametrize(
    ("op", "args", "expected"),
    [
        ("/", (BIG, 1), 2.0**53),
        ("/", (2**63 - 1, 3), 3074457345618258602.0),
        # Rounding the divisor first would give 0.333….
        ("/", (3.0 * 2.0**53, BIG), 3.0 - 2.0**-51),
        ("/", (1e308, 5e-324), None),
        ("/", (0.0, 0), None),
        ("*", (1e308, 10), None),
        ("+", (1e308, 1e308), None),
        ("+", (2**53, 0.5), 2.0**53),
        ("%", (-7.5, 2), -1.5),
        ("round", (0.49999999999999994,), 0.0),
        ("round", (-2.5,), -3.0),
        ("round", (2.675, 2), 2.67),
        ("round", (1e308, 300), 1e308),
        ("round", (7.0, -300), 0.0),
        ("cast", (2**63 - 1,), 2.0**63),
        ("cast", ("1e999",), None),
        ("least", (BIG, 1e300), 2.0**53),
    ],
)
def test_floats(op: str, args: tuple[Any, ...], expected: float | None) -> None:
    assert result(op, *args) == expected


@pytest.mark.parametrize(
    ("op", "args", "expected"),
    [
        ("+", (2**63 - 1, 1), 2**63),
        ("-", (-(2**63), 1), -(2**63) - 1),
        ("*", (2**62, 4), 2**64),
        ("neg", (-(2**63),), 2**63),
        ("abs", (-(2**63),), 2**63),
        ("%", (-(2**63), -1), 0),
        ("%", (-7, 3), -1),
        ("round", (-1250, -2), -1300),
        ("round", (2**63 - 1, -19), 10**19),
        ("cast", (1e300,), int(1e300)),
        ("cast", ("9" * 30,), int("9" * 30)),
        ("cast", ("9" * 5000,), None),
        ("cast", (" 1",), None),
    ],
)
def test_integers_never_wrap(op: str, args: tuple[Any, ...], expected: int | None) -> None:
    assert result(op, *args, kind="int") == expected


def test_texts_of_numbers() -> None:
    assert result("cast", -0.0, kind="string") == "0.0"
    assert result("cast", True, kind="string") == "true"
    power: Any = literal(10)
    for _ in range(13):
        power = Call("*", (power, power), "int")
    text = result("cast", power, kind="string")
    assert text == "1" + "0" * 2**13


def test_a_text_between_bounds_may_be_any_text() -> None:
    text: Expr = Call("cast", (COLUMNS["int0"],), "string")
    doubt = {"int0": ref.bounds("int", [Cell(-3, 12, False, False, 5)])}
    for target in ("int", "float", "bool"):
        held = ref.evaluated(Call("cast", (text,), target), doubt, 1)
        assert not held.exact[0]
        assert held.maybe_null[0]
    again = Call("cast", (Call("cast", (text,), "int"),), "string")
    assert ref.holds(ref.evaluated(again, doubt, 1), 0, "5")


@pytest.mark.parametrize(
    ("text", "pattern", "escape", "expected"),
    [
        ("a%b", r"a\%b", "\\", True),
        ("axb", r"a\%b", "\\", False),
        ("a_b", "a!_b", "!", True),
        ("a!b", "a!!b", "!", True),
        ("a.b", "a.b", None, True),
        ("axb", "a.b", None, False),
        ("A", "a", None, False),
        ("a\nb", "a_b", None, True),
        ("", "", None, True),
        ("", "%%", None, True),
        ("", "_", None, False),
        ("abab", "%ab", None, True),
        ("aba", "%ab", None, False),
        ("[a]+(b)", "[_]+(%)", None, True),
        ("\U0001f600", "_", None, True),
    ],
)
def test_like(text: str, pattern: str, escape: str | None, expected: bool) -> None:
    args = (text, pattern) if escape is None else (text, pattern, escape)
    assert result("like", *args, kind="bool") is expected


@pytest.mark.parametrize(
    "pattern", ["%a" * 400 + "b", "%a_" * 300 + "b", "%" * 5000 + "b", "_%" * 300 + "b"]
)
def test_hostile_patterns_take_little_time(pattern: str) -> None:
    text = "a" * 3000
    started = time.process_time()
    assert result("like", text, pattern, kind="bool") is False
    assert time.process_time() - started < 2.0


def test_what_is_surely_null_is_neutral() -> None:
    held = {"int0": ref.points("int", [5, None]), "int1": ref.points("int", [5, 7])}
    pair = (COLUMNS["int0"], COLUMNS["int1"])
    for op in ("nullif", "greatest", "+", "%", "coalesce", "*"):
        found = ref.evaluated(Call(op, pair, "int"), held, 2)
        assert (found.lower[found.surely_null] == 0).all()
        assert (found.upper[found.surely_null] == 0).all()


def test_case_takes_in_every_branch_that_may_be_reached() -> None:
    doubt = {"bool0": ref.bounds("bool", [Cell(False, True, False, False, True)] * 2)}
    first = Call("case", (COLUMNS["bool0"], literal(1), literal(9)), "int")
    found = ref.evaluated(first, doubt, 2)
    assert (found.lower.tolist(), found.upper.tolist()) == ([1, 1], [9, 9])
    certain = Call("case", (literal(True), literal(1), literal(9)), "int")
    assert ref.known(ref.evaluated(certain, {}, 1), 0) == 1


def test_a_divisor_that_may_be_zero_leaves_what_whole_numbers_allow() -> None:
    held = {"int0": ref.bounds("int", [Cell(0, 5, False, False, 0)])}
    found = ref.evaluated(Call("/", (literal(10), COLUMNS["int0"]), "float"), held, 1)
    assert (found.lower[0], found.upper[0]) == (2.0, 10.0)
    assert found.maybe_null[0]
    assert not found.surely_null[0]
