"""One evaluator for bounds and exact answers: expressions over interval vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masksearch_ray.execute import arithmetic, choose, compare, convert, logic
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.shares import at_most_one, is_share
from masksearch_ray.model.query import Call, Expr, Literal

__all__ = ["evaluate"]

_Binary = Callable[[Interval, Interval], Interval]
_ARITHMETIC: dict[str, _Binary] = {
    "+": arithmetic.add,
    "-": arithmetic.subtract,
    "*": arithmetic.multiply,
    "/": arithmetic.divide,
    "%": arithmetic.remainder,
}
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def evaluate(expr: Expr, leaf: Callable[[Expr], Interval], n: int) -> Interval:
    """Intervals of an expression.

    Parameters
    ----------
    expr : Expr
    leaf : callable
        Gives the intervals of columns, CP terms, areas, keys and aggregates.
    n : int
        Number of rows or groups.
    """
    if isinstance(expr, Literal):
        return Interval.constant(expr.value, expr.type, n)
    if not isinstance(expr, Call):
        return leaf(expr)
    return _apply(expr, [evaluate(arg, leaf, n) for arg in expr.args])


def _apply(call: Call, args: Sequence[Interval]) -> Interval:
    op = call.op
    if op in _COMPARISONS:
        return compare.compare(op, *args)
    if op in _ARITHMETIC or op in ("neg", "abs"):
        return _arithmetic(call, args)
    if op in ("and", "or", "not", "is_null"):
        return _logic(op, args)
    if op == "in":
        return compare.is_in(args[0], call.args[1:], args[1:])
    if op == "like":
        escape = call.args[2] if len(call.args) > 2 else None
        letter = escape.value if isinstance(escape, Literal) else None
        return compare.like(args[0], args[1], letter if isinstance(letter, str) else None)
    return _choice(call, args)


def _arithmetic(call: Call, args: Sequence[Interval]) -> Interval:
    if any(arg.type == "null" for arg in args):
        return Interval.constant(None, call.type, len(args[0]))
    if call.op == "neg":
        return arithmetic.negate(args[0])
    if call.op == "abs":
        return arithmetic.absolute(args[0])
    result = _ARITHMETIC[call.op](*args)
    return at_most_one(result) if call.op == "/" and is_share(*call.args) else result


def _logic(op: str, args: Sequence[Interval]) -> Interval:
    if op == "is_null":
        return logic.is_null(args[0])
    held = [choose.unify(arg, "bool") for arg in args]
    if op == "not":
        return logic.negation(held[0])
    return logic.all_of(held) if op == "and" else logic.any_of(held)


def _choice(call: Call, args: Sequence[Interval]) -> Interval:
    match call.op:
        case "case":
            return choose.case(args, call.type)
        case "coalesce":
            return choose.coalesce(args, call.type)
        case "nullif":
            return choose.nullif(*args)
        case "least" | "greatest":
            return choose.extreme(args, call.type, least=call.op == "least")
        case "round":
            digits = call.args[1] if len(call.args) > 1 else None
            places = digits.value if isinstance(digits, Literal) else 0
            return convert.round_to(args[0], int(places or 0))
        case "cast":
            return convert.cast(args[0], call.type)
    raise AssertionError(f"no operator {call.op!r}")
