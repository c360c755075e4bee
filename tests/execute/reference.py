"""Expressions on single values, by the referee's own rules, and expressions drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from masksearch_ray.execute.evaluate import evaluate
from masksearch_ray.execute.interval import Interval
from masksearch_ray.model.query import Call, Column, Expr, Literal, Type
from tests.oracle import scalars

KINDS: dict[str, str] = {"int": "int", "float": "float", "string": "str", "bool": "bool"}
PYTHON: dict[str, type] = {"int": int, "float": float, "string": str, "bool": bool}
NEUTRAL: dict[str, Any] = {"int": 0, "float": 0.0, "string": "", "bool": False}
DTYPES: dict[str, Any] = {"float": np.float64, "bool": np.bool_}
COLUMNS = {
    f"{kind}{n}": Column(f"{kind}{n}", kind)
    for kind in ("int", "float", "string", "bool")
    for n in range(5)
}  # type: dict[str, Column]


# ------------------------------------------------------------------ the meaning of an expression


def value_of(expr: Expr, row: Mapping[str, Any]) -> Any:
    """The value of an expression where columns have the values of a row."""
    if isinstance(expr, Literal):
        return expr.value
    if isinstance(expr, Column):
        return row[expr.name]
    assert isinstance(expr, Call)
    args = [value_of(arg, row) for arg in expr.args]
    if expr.op in scalars.COMPARE:
        return scalars.compare(expr.op, *args)
    if expr.op in ("+", "-", "*", "/", "%"):
        return scalars.arithmetic(expr.op, *args)
    return OPERATORS[expr.op](expr, args)


def case(expr: Call, args: list[Any]) -> Any:
    for condition, value in zip(args[:-1:2], args[1:-1:2], strict=True):
        if condition is True:
            return shared(expr, value)
    return shared(expr, args[-1])


def coalesce(expr: Call, args: list[Any]) -> Any:
    return next((v for v in (shared(expr, arg) for arg in args) if v is not None), None)


def extreme(expr: Call, args: list[Any]) -> Any:
    values = [shared(expr, arg) for arg in args]
    pick = min if expr.op == "least" else max
    return None if None in values else pick(values)


def shared(expr: Call, value: Any) -> Any:
    return scalars.as_float(value) if expr.type == "float" else value


OPERATORS: dict[str, Any] = {
    "neg": lambda _, args: scalars.arithmetic("-", 0, args[0]),
    "abs": lambda _, args: None if args[0] is None else abs(args[0]),
    "and": lambda _, args: scalars.both(*args),
    "or": lambda _, args: scalars.either(*args),
    "not": lambda _, args: scalars.negate(args[0]),
    "is_null": lambda _, args: args[0] is None,
    "in": lambda _, args: scalars.among(args[0], args[1:]),
    "like": lambda _, args: scalars.like(*args),
    "case": case,
    "coalesce": coalesce,
    "nullif": lambda _, args: None if scalars.compare("=", *args) is True else args[0],
    "least": extreme,
    "greatest": extreme,
    "round": lambda _, args: scalars.round_to(args[0], args[1] if len(args) > 1 else 0),
    "cast": lambda expr, args: scalars.cast(args[0], KINDS[expr.type]),
}


# ------------------------------------------------------------------ values and their bounds


@dataclass(frozen=True)
class Cell:
    """What is known of a value, and the value itself."""

    lower: Any
    upper: Any
    maybe_null: bool
    surely_null: bool
    value: Any


INTS = st.one_of(
    st.integers(-1, 1),
    st.integers(-9, 9),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(
        [2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, -(2**63), 2**31, 10**17 + 1]
    ),
)
FLOATS = st.one_of(
    st.sampled_from([0.0, 0.5, -0.5, 1.5, 2.5, 0.1, 1e308, -1e308, 5e-324, 2.0**53, 2.0**63]),
    st.integers(-1, 1).map(float),
    st.integers(-9, 9).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
).map(lambda value: value + 0.0)
STRINGS = st.one_of(
    st.text("ab%_.\n", max_size=4),
    st.sampled_from(["12", "-0.5", "1e999", "true", "false", "\U0010ffff", "\ue000", "9" * 30]),
)
VALUES: dict[str, Any] = {"int": INTS, "float": FLOATS, "string": STRINGS, "bool": st.booleans()}


@st.composite
def cells(draw: st.DrawFn, kind: str) -> Cell:
    """A value with bounds around it; strings are known, as metadata are."""
    a, b = draw(VALUES[kind]), draw(VALUES[kind])
    nullness = draw(st.sampled_from(["no", "no", "no", "maybe", "surely"]))
    if nullness == "surely":
        return Cell(NEUTRAL[kind], NEUTRAL[kind], True, True, None)
    lower, upper = sorted((a, b)) if kind != "string" and draw(st.booleans()) else (a, a)
    if kind == "string" and nullness == "maybe":
        nullness = "no"
    maybe = nullness == "maybe"
    if maybe and draw(st.booleans()):
        return Cell(lower, upper, True, False, None)
    return Cell(lower, upper, maybe, False, draw(inside(kind, lower, upper)))


def inside(kind: str, lower: Any, upper: Any) -> st.SearchStrategy[Any]:
    middle: st.SearchStrategy[Any]
    if kind == "int":
        middle = st.integers(lower, upper)
    elif kind == "float":
        middle = st.floats(lower, upper).map(lambda value: value + 0.0)
    else:
        middle = st.sampled_from([lower, upper])
    zero = [NEUTRAL[kind]] if lower <= NEUTRAL[kind] <= upper else []
    return st.one_of(st.sampled_from([lower, upper, *zero]), middle)


def array(kind: str, values: list[Any]) -> np.ndarray:
    """Values in the dtype that intervals hold them in."""
    if kind in DTYPES:
        return np.array(values, DTYPES[kind])
    if kind == "int" and all(-(2**63) <= v < 2**63 for v in values):
        return np.array(values, np.int64)
    held = np.empty(len(values), object)
    held[:] = values
    return held


def bounds(kind: Type, held: list[Cell]) -> Interval:
    """What is known of values, as an interval vector."""
    return Interval(
        kind,
        array(kind, [cell.lower for cell in held]),
        array(kind, [cell.upper for cell in held]),
        np.array([cell.maybe_null for cell in held], np.bool_),
        np.array([cell.surely_null for cell in held], np.bool_),
    )


def points(kind: Type, values: list[Any]) -> Interval:
    """Known values, None for NULL, as an interval vector."""
    null = np.array([value is None for value in values], np.bool_)
    return Interval.points(
        kind, array(kind, [NEUTRAL[kind] if v is None else v for v in values]), null
    )


def holds(held: Interval, at: int, value: Any) -> bool:
    """Whether an interval allows a value."""
    if value is None:
        return bool(held.maybe_null[at])
    return not held.surely_null[at] and bool(held.lower[at] <= value <= held.upper[at])


def known(held: Interval, at: int) -> Any:
    """The value of an interval that is exact."""
    assert held.exact[at], f"{held.lower[at]!r} … {held.upper[at]!r} is not exact"
    if held.surely_null[at]:
        return None
    value = held.lower[at]
    return value.item() if isinstance(value, np.generic) else value


def evaluated(expr: Expr, columns: Mapping[str, Interval], n: int) -> Interval:
    """An expression over columns."""

    def leaf(node: Expr) -> Interval:
        assert isinstance(node, Column)
        return columns[node.name]

    return evaluate(expr, leaf, n)


# ------------------------------------------------------------------ expressions


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Cell]]:
    """A few rows of every column."""
    n = draw(st.integers(1, 4))
    return {
        name: draw(st.lists(cells(column.type), min_size=n, max_size=n))
        for name, column in COLUMNS.items()
        if name[-1] in "01"
    }


@st.composite
def expressions(draw: st.DrawFn, kind: Type, depth: int = 3) -> Expr:
    """A well-typed expression over the columns."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(leaf_of(kind))
    op, kinds = draw(st.sampled_from(SIGNATURES[kind]))
    args = tuple(
        draw(argument(op, at, of, expressions(of, depth - 1))) for at, of in enumerate(kinds)
    )
    return Call(op, args, kind)


def leaf_of(kind: Type) -> st.SearchStrategy[Expr]:
    columns = st.sampled_from([COLUMNS[f"{kind}{n}"] for n in range(2)])
    literals = VALUES[kind].map(lambda value: Literal(value, kind))
    return st.one_of(columns, columns, columns, literals, st.just(Literal(None, "null")))


def argument(
    op: str, at: int, kind: Type, otherwise: st.SearchStrategy[Expr]
) -> st.SearchStrategy[Expr]:
    """An argument of an operator; some must be constants."""
    if op == "round" and at == 1:
        return st.integers(-4, 4).map(lambda n: Literal(n, "int"))
    if op == "like" and at == 1:
        return st.text("ab%_.\n", max_size=6).map(lambda text: Literal(text, "string"))
    if op == "in" and at > 0:
        return st.one_of(
            VALUES[kind].map(lambda v: Literal(v, kind)), st.just(Literal(None, "null"))
        )
    return otherwise


def signatures() -> dict[Type, list[tuple[str, tuple[Type, ...]]]]:
    """Operators by the type of their result, with the types of their arguments."""
    numbers: list[tuple[Type, Type]] = [("float", "float"), ("int", "float"), ("float", "int")]
    pairs: list[tuple[Type, Type]] = [("int", "int"), *numbers]
    same: list[tuple[Type, Type]] = [("string", "string"), ("bool", "bool")]
    found: dict[Type, list[tuple[str, tuple[Type, ...]]]] = {
        "int": [(op, ("int", "int")) for op in ("+", "-", "*", "%")],
        "float": [(op, pair) for op in ("+", "-", "*", "%") for pair in numbers],
        "bool": [
            (op, pair) for op in ("=", "<>", "<", "<=", ">", ">=") for pair in [*pairs, *same]
        ],
        "string": [],
    }
    found["float"] += [("/", pair) for pair in pairs] * 2
    found["bool"] += [("and", ("bool", "bool")), ("or", ("bool", "bool")), ("not", ("bool",))] * 5
    found["bool"] += [("like", ("string", "string"))] * 3
    for kind, listed in found.items():
        listed += [("cast", (other,)) for other in found]
        listed += [("nullif", (kind, other)) for one, other in [*pairs, *same] if one == kind]
        found["bool"] += [("is_null", (kind,)), ("in", (kind, kind)), ("in", (kind, kind, kind))]
        if kind in ("int", "float"):
            listed += [(op, (kind,)) for op in ("neg", "abs", "round")] + [("round", (kind, "int"))]
        for wide in [(kind, kind, kind)] + [("float", "int", "float"), ("int", "float", "int")] * (
            kind == "float"
        ):
            listed += [(op, wide) for op in ("coalesce", "least", "greatest")]
            listed.append(("case", ("bool", wide[0], "bool", wide[1], wide[2])))
    found["bool"] += [("in", ("int", "float", "float")), ("in", ("float", "int", "int"))]
    return found


SIGNATURES = signatures()
