"""Comparisons of intervals: what is certain, what is possible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from masksearch_ray.execute.arithmetic import magnitude
from masksearch_ray.execute.interval import Array, Bools, Interval
from masksearch_ray.execute.logic import any_of, negation
from masksearch_ray.model.query import Expr, Literal

__all__ = ["compare", "is_in", "like"]

_SAFE = 2**53


def compare(op: str, a: Interval, b: Interval) -> Interval:
    """Evaluate ``a op b`` for ``= <> < <= > >=``; integers and floats compare as exact numbers."""
    if op in (">", ">="):
        return compare("<" if op == ">" else "<=", b, a)
    if op == "<>":
        return negation(compare("=", a, b))
    if "null" in (a.type, b.type):
        return Interval.constant(None, "bool", len(a))
    a, b = _comparable(a, b)
    null, nulls = a.maybe_null | b.maybe_null, a.surely_null | b.surely_null
    if op == "=":
        meet = _truth(a.lower <= b.upper) & _truth(b.lower <= a.upper)
        point = _truth(a.lower == a.upper) & _truth(b.lower == b.upper)
        true, false = meet, ~(meet & point)
    elif op == "<":
        true, false = _truth(a.lower < b.upper), _truth(a.upper >= b.lower)
    else:
        true, false = _truth(a.lower <= b.upper), _truth(a.upper > b.lower)
    return Interval.from_sets(true & ~nulls, false & ~nulls, null)


def _truth(values: Any) -> Bools:
    return np.asarray(values).astype(np.bool_)


def _comparable(a: Interval, b: Interval) -> tuple[Interval, Interval]:
    """Operands that NumPy compares exactly: Python numbers where float64 cannot hold an integer."""
    mixed = {a.type, b.type} == {"int", "float"}
    if mixed:
        whole = a if a.type == "int" else b
        if magnitude(whole.lower, whole.upper) > _SAFE:
            return _objects(a), _objects(b)
    return a, b


def _objects(a: Interval) -> Interval:
    lower, upper = a.lower.astype(object), a.upper.astype(object)
    return Interval(a.type, lower, upper, a.maybe_null, a.surely_null)


def is_in(value: Interval, options: Sequence[Expr], others: Sequence[Interval]) -> Interval:
    """Evaluate ``value IN (…)``.

    Parameters
    ----------
    value : Interval
    options : sequence of Expr
        As written; literals of one type are looked up together.
    others : sequence of Interval
        The evaluated options.
    """
    literals = [o for o in options if isinstance(o, Literal)]
    alike = {o.type for o in literals} == {value.type} and value.type in ("int", "string")
    if len(literals) != len(options) or not alike or value.upper is not value.lower:
        return any_of([compare("=", value, other) for other in others])
    wanted = {o.value for o in literals}
    if value.lower.dtype == object:
        found = np.fromiter((v in wanted for v in value.lower), np.bool_, len(value))
    else:
        found = np.isin(value.lower, _within_int64(wanted))
    never = value.surely_null
    return Interval.from_sets(found & ~never, ~found & ~never, value.maybe_null)


def _within_int64(wanted: set[Any]) -> Array:
    return np.array([w for w in wanted if -(2**63) <= w < 2**63], np.int64)


def like(value: Interval, pattern: Interval, escape: str | None) -> Interval:
    """Evaluate ``value LIKE pattern``, case-sensitive; certain for points."""
    if "null" in (value.type, pattern.type):
        return Interval.constant(None, "bool", len(value))
    null, nulls = value.maybe_null | pattern.maybe_null, value.surely_null | pattern.surely_null
    point = _truth(value.lower == value.upper) & _truth(pattern.lower == pattern.upper)
    matched = _matches(value.lower, pattern.lower, point & ~nulls, escape)
    return Interval.from_sets((matched | ~point) & ~nulls, (~matched | ~point) & ~nulls, null)


def _matches(values: Array, patterns: Array, wanted: Bools, escape: str | None) -> Bools:
    found = np.zeros(len(values), np.bool_)
    for at in np.flatnonzero(wanted).tolist():
        found[at] = _pattern(patterns[at], escape).fullmatch(values[at]) is not None
    return found


@lru_cache(maxsize=256)
def _pattern(text: str, escape: str | None) -> re.Pattern[str]:
    """Regular expression of a pattern.

    Between two ``%`` the leftmost match is as good as any, so those groups are atomic and a
    hostile pattern takes no more than quadratic time.
    """
    segments, at = [""], 0
    while at < len(text):
        letter = text[at]
        if letter == escape and at + 1 < len(text):
            at += 1
            segments[-1] += re.escape(text[at])
        elif letter == "%":
            segments.append("")
        else:
            segments[-1] += "." if letter == "_" else re.escape(letter)
        at += 1
    if len(segments) == 1:
        return re.compile(segments[0], re.DOTALL)
    middle = "".join(f"(?>.*?{segment})" for segment in segments[1:-1] if segment)
    return re.compile(f"{segments[0]}{middle}.*{segments[-1]}", re.DOTALL)
