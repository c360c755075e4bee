"""Bound predicates over metadata as the builder's conditions."""

from __future__ import annotations

from typing import get_args

from masksearch_ray.model.query import Call, Column, Expr, Literal
from masksearch_ray.web.build.state import Condition, Operator, Value, merged

__all__ = ["MIRRORED", "conditions", "conjuncts", "negated"]

MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Comparisons with their sides exchanged."""

_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def negated(op: str) -> str:
    """Comparison that holds where `op` does not, NULL aside."""
    return _OPPOSITE[op]


def conjuncts(predicate: Expr | None) -> list[Expr]:
    """Conditions that must all hold, left to right, NOT pushed down to them."""
    found: list[Expr] = []
    stack = [] if predicate is None else [(predicate, False)]
    while stack:
        expr, is_not = stack.pop()
        op = expr.op if isinstance(expr, Call) else ""
        args = expr.args if isinstance(expr, Call) else ()
        if op == "not":
            stack.append((args[0], not is_not))
        elif op == ("or" if is_not else "and"):
            stack += [(arg, is_not) for arg in reversed(args)]
        else:
            found.append(Call("not", (expr,), "bool") if is_not else expr)
    return found


def conditions(parts: list[Expr]) -> tuple[Condition, ...] | None:
    """The builder's conditions of such parts; None where one of them does not fit."""
    found = [_condition(part) for part in parts]
    if any(condition is None for condition in found):
        return None
    return merged(tuple(condition for condition in found if condition is not None))


def _condition(expr: Expr) -> Condition | None:
    is_not = isinstance(expr, Call) and expr.op == "not"
    inner = expr.args[0] if isinstance(expr, Call) and is_not else expr
    if isinstance(inner, Column):
        return Condition(inner.name, "=", (not is_not,)) if inner.type == "bool" else None
    if not isinstance(inner, Call):
        return None
    if inner.op in MIRRORED:
        return _comparison(inner, is_not)
    if inner.op == "or" and not is_not:
        return _any_of(inner)
    if inner.op in ("in", "like", "is_null") and isinstance(inner.args[0], Column):
        return _predicate(inner, inner.args[0].name, is_not)
    return None


def _comparison(call: Call, is_not: bool) -> Condition | None:
    op, (left, right) = negated(call.op) if is_not else call.op, call.args
    if isinstance(right, Column) and not isinstance(left, Column):
        op, left, right = MIRRORED[op], right, left
    if not isinstance(left, Column):
        return None
    if isinstance(right, Column):
        return Condition(left.name, _operator(op), other=right.name)
    values = _values((right,))
    return None if values is None else Condition(left.name, _operator(op), values)


def _predicate(call: Call, column: str, is_not: bool) -> Condition | None:
    if call.op == "is_null":
        return Condition(column, "is not null" if is_not else "is null")
    if call.op == "like" and len(call.args) > 2:
        return None
    values = _values(call.args[1:])
    return None if values is None else Condition(column, _operator(call.op, is_not), values)


def _any_of(call: Call) -> Condition | None:
    """``a = 1 OR a IN (2, 3)`` as ``a IN (1, 2, 3)``."""
    stack: list[Expr] = [call]
    found: list[Value] = []
    columns: set[str] = set()
    while stack:
        expr = stack.pop()
        if isinstance(expr, Call) and expr.op == "or":
            stack += reversed(expr.args)
            continue
        one = _condition(expr)
        if one is None or one.operator not in ("=", "in") or one.other:
            return None
        columns.add(one.column)
        found += one.values
    return Condition(columns.pop(), "in", tuple(found)) if len(columns) == 1 else None


def _values(exprs: tuple[Expr, ...]) -> tuple[Value, ...] | None:
    found = [expr.value for expr in exprs if isinstance(expr, Literal) and expr.value is not None]
    return tuple(found) if len(found) == len(exprs) else None


def _operator(op: str, is_not: bool = False) -> Operator:
    wanted = f"not {op}" if is_not else op
    return next(operator for operator in get_args(Operator) if operator == wanted)
