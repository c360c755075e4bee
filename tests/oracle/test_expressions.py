"""What expressions mean, in examples worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.oracle import ast as q
from tests.oracle.ast import Column, Literal, Param
from tests.oracle.collection import Refused
from tests.oracle.evaluate import evaluate
from tests.oracle.short import call, collection, op, rows, select, values

ONE = collection([np.ones((2, 3), np.float32)])
NULL = Literal(None)
COUNT = q.Aggregate("COUNT")


def value(node: Any) -> Any:
    """The value of an expression over the one row."""
    (found,) = values(ONE, node)
    return found


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (op(7, "/", 2), 3.5),
        (op(6, "/", 3), 2.0),
        (op(1, "/", 0), None),
        (op(0, "/", 0.0), None),
        (op(1, "/", NULL), None),
        (op(9007199254740993, "/", 1), 9007199254740992.0),
        (op(1e308, "*", 10), None),
        (op(1e308, "+", 1e308), None),
        (op(2, "+", 3), 5),
        (op(2, "+", 0.5), 2.5),
        (op(9007199254740993, "+", 0.0), 9007199254740992.0),
        (op(op(2**62, "*", 4), "-", op(2**62, "*", 4)), 0),
        (op(7, "%", 3), 1),
        (op(-7, "%", 3), -1),
        (op(7, "%", -3), 1),
        (op(-7.5, "%", 2), -1.5),
        (op(7, "%", 0), None),
        (op(7.5, "%", 0.0), None),
        (q.Unary("-", Literal(3)), -3),
        (q.Unary("+", Literal(3)), 3),
        (call("ABS", -3), 3),
        (call("ABS", -3.5), 3.5),
        (call("ABS", NULL), None),
        (call("ROUND", 2.5), 3.0),
        (call("ROUND", -2.5), -3.0),
        (call("ROUND", 7), 7),
        # 2.675 is stored as 2.67499999999999982236431605997495353221893310546875.
        (call("ROUND", 2.675, 2), 2.67),
        (call("ROUND", 0.125, 2), 0.13),
        (call("ROUND", 1250.0, -2), 1300.0),
        (call("ROUND", 1250, -2), 1300),
        (call("ROUND", -1250, q.Unary("-", Literal(2))), -1300),
        (call("LEAST", 3, 1, 2), 1),
        (call("GREATEST", 3, 1.5), 3.0),
        (call("LEAST", 3, NULL), None),
        (call("GREATEST", "b", "a"), "b"),
        (call("COALESCE", NULL, 2, 3), 2),
        (call("COALESCE", NULL, 2, 0.5), 2.0),
        (call("COALESCE", NULL, NULL), None),
        (call("NULLIF", 1, 1.0), None),
        (call("NULLIF", 1, 2), 1),
        (call("NULLIF", 1, NULL), 1),
        (Param("nan", math.nan), None),
    ],
)
def test_numbers(node: q.Expr, expected: Any) -> None:
    found = value(node)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (q.Cast(Literal(2.5), "BIGINT"), 3),
        (q.Cast(Literal(-2.5), "INTEGER"), -3),
        (q.Cast(Literal(True), "BIGINT"), 1),
        (q.Cast(Literal("-12"), "BIGINT"), -12),
        (q.Cast(Literal("1.5"), "BIGINT"), None),
        (q.Cast(Literal("1.5"), "DOUBLE"), 1.5),
        (q.Cast(Literal("one"), "DOUBLE"), None),
        (q.Cast(Literal(2), "DOUBLE"), 2.0),
        (q.Cast(Literal(False), "DOUBLE"), 0.0),
        (q.Cast(Literal(12), "VARCHAR"), "12"),
        (q.Cast(Literal(0.1), "VARCHAR"), "0.1"),
        (q.Cast(Literal(2.0), "VARCHAR"), "2.0"),
        (q.Cast(q.Unary("-", Literal(0.0)), "VARCHAR"), "0.0"),
        (q.Cast(Literal(True), "VARCHAR"), "true"),
        (q.Cast(Literal(0), "BOOLEAN"), False),
        (q.Cast(Literal(0.5), "BOOLEAN"), True),
        (q.Cast(NULL, "BIGINT"), None),
    ],
)
def test_casts(node: q.Cast, expected: Any) -> None:
    found = value(node)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (op(1, "<", 2), True),
        (op(1, "=", 1.0), True),
        (op(9007199254740993, "=", 9007199254740992.0), False),
        (op(9007199254740993, ">", 9007199254740992.0), True),
        (op("Z", "<", "a"), True),
        (op("\uffff", "<", "🦊"), True),
        (op(True, "=", False), False),
        (op(NULL, "=", NULL), None),
        (op(1, "<>", NULL), None),
        (op(False, "AND", NULL), False),
        (op(True, "AND", NULL), None),
        (op(True, "OR", NULL), True),
        (op(False, "OR", NULL), None),
        (q.Unary("NOT", op(1, "=", NULL)), None),
        (q.Unary("NOT", Literal(False)), True),
        (q.In(Literal(1), (Literal(1), NULL)), True),
        (q.In(Literal(2), (Literal(1), NULL)), None),
        (q.In(Literal(2), (Literal(1), NULL), True), None),
        (q.In(Literal(2), (Literal(1),), True), True),
        (q.In(NULL, (Literal(1),)), None),
        (q.Between(Literal(2), Literal(2), Literal(3)), True),
        (q.Between(Literal(3), Literal(2), Literal(3), True), False),
        (q.Between(Literal(1), Literal(2), NULL), False),
        (q.Between(Literal(3), Literal(2), NULL), None),
        (q.IsNull(NULL), True),
        (q.IsNull(op(1, "/", 0), True), False),
        (q.Like(Literal("cat"), Literal("c%")), True),
        (q.Like(Literal("cat"), Literal("C%")), False),
        (q.Like(Literal("cat"), Literal("_at")), True),
        (q.Like(Literal("cat"), Literal("at")), False),
        (q.Like(Literal("c.t"), Literal("c.t")), True),
        (q.Like(Literal("cat"), Literal("c.t")), False),
        (q.Like(Literal("a\nb"), Literal("a_b")), True),
        (q.Like(Literal("🦊"), Literal("_")), True),
        (q.Like(NULL, Literal("%")), None),
        (q.Like(Literal("cat"), Literal("d%"), True), True),
    ],
)
def test_conditions(node: q.Expr, expected: bool | None) -> None:
    assert value(node) is expected


def test_case() -> None:
    large = q.Case(None, ((op(NULL, "=", 1), Literal("a")), (op(2, ">", 1), Literal("b"))))
    assert value(large) == "b"
    assert value(q.Case(None, ((Literal(False), Literal(1)),))) is None
    assert value(q.Case(Literal(2), ((Literal(1), NULL), (Literal(2), Literal(5))))) == 5
    assert value(q.Case(NULL, ((NULL, Literal(1)),), Literal(0))) == 0
    mixed = value(q.Case(None, ((Literal(True), Literal(1)),), Literal(0.5)))
    assert type(mixed) is float


def test_zero_has_no_sign_and_nan_in_metadata_is_null() -> None:
    masks = collection([np.ones((1, 1), bool)] * 3, score=("float", [-0.0, 0.0, math.nan]))
    query = select("score", (COUNT, "n"), group_by=(Column("score"),))
    assert rows(masks, query) == [(0.0, 2), (None, 1)]
    assert math.copysign(1, rows(masks, query)[0][0]) == 1


@pytest.mark.parametrize(
    "node",
    [
        op(1, "=", "one"),
        op(True, "=", 1),
        op(True, "+", 1),
        op("a", "+", "b"),
        op(1, "AND", True),
        q.Unary("NOT", Literal(1)),
        q.Unary("-", Literal("a")),
        call("COALESCE", 1, "one"),
        call("ABS", "one"),
        call("ROUND", 1.5, 0.5),
        q.In(Literal(1), (Literal("one"),)),
        q.Like(Literal(1), Literal("1")),
        q.Case(None, ((Literal(True), Literal(1)),), Literal("one")),
        Column("nowhere"),
        op(2**63, "+", 0),
    ],
)
def test_refused_expressions(node: q.Expr) -> None:
    assert isinstance(evaluate(ONE, select(node)), Refused)
