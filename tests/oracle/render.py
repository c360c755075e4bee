"""Query as data -> SQL text, with no more parentheses than precedence asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from tests.oracle import ast as q

# How tightly a form binds; an operand that binds less tightly than its place gets parentheses.
OR, AND, NOT, COMPARE, ADD, MULTIPLY, SIGN, ATOM = range(8)
SUMS, PRODUCTS = dict.fromkeys("+-", ADD), dict.fromkeys("*/%", MULTIPLY)
BINARY_LEVEL = {"OR": OR, "AND": AND, **SUMS, **PRODUCTS}

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# More than the language needs: quoting a plain word does no harm.
KEYWORDS = """
    mask roi full_image box outside polygon area cp intersect union avg select distinct from
    where group by having order limit offset as and or not in between like is null true false
    case when then else end cast asc desc nulls first last count sum min max coalesce nullif
    abs least greatest round explain analyze all any some exists on using join cross natural
    left right inner outer full table values with window over partition row rows range set key
    default check interval date time timestamp escape except minus to for if index into
    qualify
"""
RESERVED = frozenset(KEYWORDS.split())


def render(query: q.Query) -> str:
    """Write the query as one line of SQL."""
    parts = ["SELECT", "DISTINCT"] if query.distinct else ["SELECT"]
    parts += [", ".join(select_item(item) for item in query.select), "FROM", name(query.source)]
    if query.where is not None:
        parts += ["WHERE", expression(query.where)]
    if query.group_by:
        parts += ["GROUP BY", ", ".join(expression(key) for key in query.group_by)]
    if query.having is not None:
        parts += ["HAVING", expression(query.having)]
    if query.order_by:
        parts += ["ORDER BY", ", ".join(order_item(key) for key in query.order_by)]
    if query.limit is not None:
        parts += ["LIMIT", number(query.limit)]
    if query.offset is not None:
        parts += ["OFFSET", number(query.offset)]
    return " ".join(parts)


def select_item(item: q.Item | q.Star) -> str:
    if isinstance(item, q.Star):
        return "*"
    alias = "" if item.alias is None else f" AS {name(item.alias)}"
    return expression(item.expr) + alias


def order_item(order: q.Order) -> str:
    text = str(order.expr) if isinstance(order.expr, int) else expression(order.expr)
    if order.descending is not None:
        text += " DESC" if order.descending else " ASC"
    return text if order.nulls is None else f"{text} NULLS {order.nulls}"


def name(text: str) -> str:
    """Quote a name unless it is a plain word that means nothing else."""
    if PLAIN_NAME.fullmatch(text) and text.lower() not in RESERVED:
        return text
    return '"' + text.replace('"', '""') + '"'


def number(value: q.Number) -> str:
    if isinstance(value, q.Param):
        return f":{value.name}"
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written in SQL, hand it in as a parameter")
    return repr(value)


def literal(value: q.Scalar) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return number(value)


def roi(region: q.Roi) -> str:
    match region:
        case q.FullImage():
            return "full_image"
        case q.Box(x0, y0, x1, y1):
            return f"box({', '.join(number(c) for c in (x0, y0, x1, y1))})"
        case q.BoxColumn(column):
            return name(column)
        case q.DefaultRoi():
            return "roi"
        case q.Outside(inner):
            return f"outside({roi(inner)})"
        case q.Polygon(coordinates):
            return f"polygon({', '.join(number(c) for c in coordinates)})"


def mask(operand: q.Mask | q.MaskAggregate) -> str:
    if isinstance(operand, q.Mask):
        return "mask"
    inner = "mask"
    if operand.threshold is not None:
        inner += f" {operand.threshold.op} {number(operand.threshold.value)}"
    return f"{operand.kind}({inner})"


def cp(term: q.CP) -> str:
    ends = "" if term.range.ends is None else f", '{term.range.ends}'"
    values = f"({number(term.range.lv)}, {number(term.range.uv)})"
    return f"CP({mask(term.mask)}, {roi(term.roi)}, {values}{ends})"


def expression(node: q.Expr, place: int = OR) -> str:
    """Write an expression for a place that asks for forms binding at least as tightly as it."""
    level, text = WRITERS[type(node)](node)
    return f"({text})" if level < place else text


Written = tuple[int, str]


def write_literal(node: q.Literal) -> Written:
    text = literal(node.value)
    return (SIGN if text.startswith("-") else ATOM), text


def write_unary(node: q.Unary) -> Written:
    if node.op == "NOT":
        return NOT, f"NOT {expression(node.operand, NOT)}"
    # Two minus signs in a row would begin a comment.
    return SIGN, node.op + expression(node.operand, ATOM)


def write_binary(node: q.Binary) -> Written:
    level = BINARY_LEVEL.get(node.op, COMPARE)
    # Comparisons do not chain; the others group to the left.
    left = expression(node.left, level + 1 if level == COMPARE else level)
    return level, f"{left} {node.op} {expression(node.right, level + 1)}"


def negation(negated: bool) -> str:
    return " NOT" if negated else ""


def write_in(node: q.In) -> Written:
    items = ", ".join(expression(item) for item in node.items)
    return COMPARE, f"{expression(node.operand, ADD)}{negation(node.negated)} IN ({items})"


def write_between(node: q.Between) -> Written:
    ends = f"{expression(node.low, ADD)} AND {expression(node.high, ADD)}"
    return COMPARE, f"{expression(node.operand, ADD)}{negation(node.negated)} BETWEEN {ends}"


def write_like(node: q.Like) -> Written:
    pattern = expression(node.pattern, ADD)
    return COMPARE, f"{expression(node.operand, ADD)}{negation(node.negated)} LIKE {pattern}"


def write_is_null(node: q.IsNull) -> Written:
    return COMPARE, f"{expression(node.operand, ADD)} IS{negation(node.negated)} NULL"


def write_case(node: q.Case) -> Written:
    parts = ["CASE"] if node.operand is None else ["CASE", expression(node.operand)]
    for condition, value in node.whens:
        parts += ["WHEN", expression(condition), "THEN", expression(value)]
    if node.default is not None:
        parts += ["ELSE", expression(node.default)]
    return ATOM, " ".join([*parts, "END"])


def write_call(node: q.Call) -> Written:
    return ATOM, f"{node.name}({', '.join(expression(arg) for arg in node.args)})"


def write_aggregate(node: q.Aggregate) -> Written:
    inner = "*" if node.arg is None else expression(node.arg)
    return ATOM, f"{node.name}({'DISTINCT ' if node.distinct else ''}{inner})"


WRITERS: dict[type[q.Node], Callable[[Any], Written]] = {
    q.Literal: write_literal,
    q.Param: lambda node: (ATOM, f":{node.name}"),
    q.Column: lambda node: (ATOM, name(node.name)),
    q.CP: lambda node: (ATOM, cp(node)),
    q.Area: lambda node: (ATOM, f"area({roi(node.roi)})"),
    q.Unary: write_unary,
    q.Binary: write_binary,
    q.In: write_in,
    q.Between: write_between,
    q.Like: write_like,
    q.IsNull: write_is_null,
    q.Case: write_case,
    q.Call: write_call,
    q.Cast: lambda node: (ATOM, f"CAST({expression(node.operand)} AS {node.type})"),
    q.Aggregate: write_aggregate,
}
