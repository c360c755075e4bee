"""Text that means what the data means."""

from __future__ import annotations

import math

import pytest

from tests.oracle import ast as q
from tests.oracle.ast import Column, Literal, Order, Param
from tests.oracle.render import expression, render
from tests.oracle.short import call, cp, op, over, select

X, Y = Column("x"), Column("y")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (op(op(1, "+", 2), "*", 3), "(1 + 2) * 3"),
        (op(1, "+", op(2, "*", 3)), "1 + 2 * 3"),
        (op(op(1, "-", 2), "-", 3), "1 - 2 - 3"),
        (op(1, "-", op(2, "-", 3)), "1 - (2 - 3)"),
        (op(1, "-", -2), "1 - -2"),
        (q.Unary("-", Literal(-2)), "-(-2)"),
        (q.Unary("-", q.Unary("-", X)), "-(-x)"),
        (op(op(X, "AND", Y), "OR", X), "x AND y OR x"),
        (op(X, "AND", op(Y, "OR", X)), "x AND (y OR x)"),
        (q.Unary("NOT", op(X, "=", Y)), "NOT x = y"),
        (op(q.Unary("NOT", X), "=", Y), "(NOT x) = y"),
        (op(op(X, "=", Y), "=", X), "(x = y) = x"),
        (op(q.IsNull(X), "=", True), "(x IS NULL) = TRUE"),
        (q.IsNull(op(X, "+", 1), True), "x + 1 IS NOT NULL"),
        (op(q.Between(X, Literal(1), op(Y, "+", 1)), "AND", Y), "x BETWEEN 1 AND y + 1 AND y"),
        (q.In(X, (Literal("it's"), Literal(None)), True), "x NOT IN ('it''s', NULL)"),
        (q.Like(X, Literal("a%"), True), "x NOT LIKE 'a%'"),
        (q.Case(X, ((Literal(1), Y),), Literal(0.5)), "CASE x WHEN 1 THEN y ELSE 0.5 END"),
        (q.Cast(op(X, "/", 2), "BIGINT"), "CAST(x / 2 AS BIGINT)"),
        (call("ROUND", X, 2), "ROUND(x, 2)"),
        (q.Aggregate("COUNT", X, True), "COUNT(DISTINCT x)"),
        (Column("order"), '"order"'),
        (Column('a "b"'), '"a ""b"""'),
        (cp(-0.5, Param("uv", math.inf), "()"), "CP(mask, full_image, (-0.5, :uv), '()')"),
        (over("avg", 0, 1, ">=", 0.5), "CP(avg(mask >= 0.5), full_image, (0, 1))"),
        (q.Area(q.Outside(q.BoxColumn("mask"))), 'area(outside("mask"))'),
        (q.Area(q.DefaultRoi()), "area(roi)"),
        (q.Area(q.Box(Param("a", 1), 2, -3, 4)), "area(box(:a, 2, -3, 4))"),
        (q.Area(q.Polygon((0, 0.5, 1, 1, 2, 0))), "area(polygon(0, 0.5, 1, 1, 2, 0))"),
    ],
)
def test_expressions(node: q.Expr, text: str) -> None:
    assert expression(node) == text


def test_a_whole_query() -> None:
    query = select(
        (X, "a b"),
        "y",
        distinct=True,
        where=op(X, ">", Param("t", 1)),
        group_by=(X, Y),
        having=op(q.Aggregate("COUNT"), ">", 1),
        order_by=(Order(1), Order(Y, True, "FIRST"), Order(X, False, "LAST")),
        limit=3,
        offset=Param("n", 2),
    )
    assert render(query) == (
        'SELECT DISTINCT x AS "a b", y FROM masks WHERE x > :t GROUP BY x, y HAVING COUNT(*) > 1 '
        "ORDER BY 1, y DESC NULLS FIRST, x ASC NULLS LAST LIMIT 3 OFFSET :n"
    )
    assert q.parameters(query) == {"t": 1, "n": 2}
    assert render(select(q.Star())) == "SELECT * FROM masks"


def test_infinity_has_no_text() -> None:
    with pytest.raises(ValueError, match="parameter"):
        expression(cp(-math.inf, 1))
