"""Short ways to write a query as data, for examples by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import ast as q
from tests.oracle.collection import Answer, Collection, Domain
from tests.oracle.evaluate import evaluate

FULL = q.FullImage()


def expr(value: Any) -> Any:
    """A node stays, anything else is a constant."""
    return value if isinstance(value, q.Node) else q.Literal(value)


def op(left: Any, operator: str, right: Any) -> q.Binary:
    """``left operator right``."""
    return q.Binary(operator, expr(left), expr(right))


def call(name: str, *args: Any) -> q.Call:
    """``name(args)``."""
    return q.Call(name, tuple(map(expr, args)))


def cp(lv: q.Number, uv: q.Number, ends: str | None = None, roi: q.Roi = FULL) -> q.CP:
    """``CP(mask, roi, (lv, uv), ends)``."""
    return q.CP(q.Mask(), roi, q.Range(lv, uv, ends))


def over(kind: str, lv: q.Number, uv: q.Number, *threshold: Any, roi: q.Roi = FULL) -> q.CP:
    """``CP(kind(mask), roi, (lv, uv))``, with an operator and a number: over thresholded masks."""
    limit = q.Threshold(*threshold) if threshold else None
    return q.CP(q.MaskAggregate(kind, limit), roi, q.Range(lv, uv))


def select(*items: Any, **clauses: Any) -> q.Query:
    """Build a query; a pair is an expression with its alias, a string a column."""
    return q.Query(tuple(map(item, items)), **clauses)


def item(value: Any) -> Any:
    if isinstance(value, q.Star):
        return value
    if isinstance(value, str):
        return q.Item(q.Column(value))
    return q.Item(*value) if isinstance(value, tuple) else q.Item(expr(value))


def collection(masks: list[Any], domain: Domain = (0.0, 1.0), **columns: Any) -> Collection:
    """Build a collection; a column is its kind and its values, ``mask_id`` counts from 0."""
    kinds = {"mask_id": "int"} | {name: kind for name, (kind, _) in columns.items()}
    values = {"mask_id": list(range(len(masks)))} | {n: list(v) for n, (_, v) in columns.items()}
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return Collection([np.asarray(mask) for mask in masks], rows, kinds, domain, "keep")


def rows(masks: Collection, query: q.Query) -> list[tuple[Any, ...]]:
    """The rows of an answer."""
    answer = evaluate(masks, query)
    assert isinstance(answer, Answer), answer
    return answer.rows


def values(masks: Collection, *terms: Any) -> list[Any]:
    """The values of a term in every row; of several terms, tuples."""
    found = rows(masks, select(*terms))
    return found if len(terms) > 1 else [value for (value,) in found]
