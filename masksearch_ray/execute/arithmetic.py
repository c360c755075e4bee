"""Interval arithmetic on numbers.

Integers are exact and never wrap: where 64 bits could overflow, Python integers take over. Floats
apply the same IEEE operation to the bounds as the exact evaluation applies to values, and every
operation is monotone between its corners, so no widening is needed.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from masksearch_ray.execute.interval import Array, Bools, Interval, narrow

__all__ = [
    "absolute",
    "add",
    "as_float",
    "divide",
    "finite",
    "float_array",
    "magnitude",
    "multiply",
    "negate",
    "quotient",
    "remainder",
    "subtract",
]

_MAX = np.finfo(np.float64).max
_SAFE = 2**53  # integers up to here are float64 values


def magnitude(*arrays: Array) -> int:
    """Largest absolute value as a Python int; 0 for empty arrays."""
    largest = 0
    for array in arrays:
        if len(array):
            largest = max(largest, abs(int(array.max())), abs(int(array.min())))
    return largest


def as_float(values: Interval) -> Interval:
    """Numbers as float64; integers are rounded to the nearest."""
    if values.type == "float":
        return values
    lower = float_array(values.lower)
    upper = lower if values.upper is values.lower else float_array(values.upper)
    return finite(lower, upper, values.maybe_null, values.surely_null)


def float_array(values: Array) -> Array:
    """Numbers as float64, rounded to the nearest; infinite beyond the largest."""
    if values.dtype != object:
        return values.astype(np.float64)
    return np.array([_true_division(v, 1) for v in values.tolist()], np.float64)


def finite(lower: Array, upper: Array, maybe: Bools, surely: Bools) -> Interval:
    """Intervals of floats, given bounds that may be infinite: such values are NULL."""
    if upper is lower:
        lost = ~np.isfinite(lower)
        if lost.any():
            maybe, surely = maybe | lost, surely | lost
        if surely.any():
            lower = np.where(surely, 0.0, lower)
        return Interval("float", lower, lower, maybe, surely)
    lost = np.isinf(lower) & (lower == upper)
    maybe, surely = maybe | np.isinf(lower) | np.isinf(upper), surely | lost
    lower = np.where(surely, 0.0, np.clip(lower, -_MAX, _MAX))
    upper = np.where(surely, 0.0, np.clip(upper, -_MAX, _MAX))
    return Interval("float", lower, upper, maybe, surely)


def _nulls(a: Interval, b: Interval) -> tuple[Bools, Bools]:
    maybe = a.maybe_null | b.maybe_null
    if a.maybe_null is a.surely_null and b.maybe_null is b.surely_null:
        return maybe, maybe
    return maybe, a.surely_null | b.surely_null


def _points(*values: Interval) -> bool:
    return all(v.upper is v.lower for v in values)


def _pair(a: Interval, b: Interval) -> tuple[Interval, Interval, bool]:
    """Operands of one type, and whether they are integers."""
    whole = a.type != "float" and b.type != "float"
    return (a, b, True) if whole else (as_float(a), as_float(b), False)


def _whole(array: Array, limit_broken: bool) -> Array:
    if limit_broken:
        return array.astype(object)
    return array.astype(np.int64) if array.dtype == np.bool_ else array


def add(a: Interval, b: Interval) -> Interval:
    """Evaluate ``a + b``."""
    return _linear(a, b, operator.add, swap=False)


def subtract(a: Interval, b: Interval) -> Interval:
    """Evaluate ``a - b``."""
    return _linear(a, b, operator.sub, swap=True)


def _linear(a: Interval, b: Interval, op: Callable[[Any, Any], Any], *, swap: bool) -> Interval:
    a, b, whole = _pair(a, b)
    maybe, surely = _nulls(a, b)
    points = _points(a, b)
    b_low, b_high = (b.upper, b.lower) if swap else (b.lower, b.upper)
    if whole:
        size = magnitude(a.lower, a.upper) + magnitude(b.lower, b.upper)
        wide = size >= 2**63
        lower = narrow(op(_whole(a.lower, wide), _whole(b_low, wide)))
        upper = lower if points else narrow(op(_whole(a.upper, wide), _whole(b_high, wide)))
        return _clean("int", lower, upper, maybe, surely)
    with np.errstate(all="ignore"):
        lower = op(a.lower, b_low)
        upper = lower if points else op(a.upper, b_high)
    return finite(lower, upper, maybe, surely)


def _clean(type_: Any, lower: Array, upper: Array, maybe: Bools, surely: Bools) -> Interval:
    """Put the neutral value where a result is surely NULL."""
    if surely.any():
        same = upper is lower
        lower = np.where(surely, 0, lower)
        upper = lower if same else np.where(surely, 0, upper)
    return Interval(type_, lower, upper, maybe, surely)


def multiply(a: Interval, b: Interval) -> Interval:
    """Evaluate ``a * b``: the hull of the products of bounds."""
    a, b, whole = _pair(a, b)
    maybe, surely = _nulls(a, b)
    a_ends, b_ends = (a.lower, a.upper), (b.lower, b.upper)
    if whole:
        wide = magnitude(*a_ends) * magnitude(*b_ends) >= 2**63
        a_ends = (_whole(a.lower, wide), _whole(a.upper, wide))
        b_ends = (_whole(b.lower, wide), _whole(b.upper, wide))
    with np.errstate(all="ignore"):
        if _points(a, b):
            lower = upper = a_ends[0] * b_ends[0]
        else:
            corners = [x * y for x in a_ends for y in b_ends]
            lower, upper = _least(corners), _most(corners)
    if whole:
        lower = narrow(lower)
        upper = lower if _points(a, b) else narrow(upper)
        return _clean("int", lower, upper, maybe, surely)
    return finite(lower, upper, maybe, surely)


def _least(corners: list[Array]) -> Array:
    out = corners[0]
    for corner in corners[1:]:
        out = np.minimum(out, corner)
    return out


def _most(corners: list[Array]) -> Array:
    out = corners[0]
    for corner in corners[1:]:
        out = np.maximum(out, corner)
    return out


def negate(a: Interval) -> Interval:
    """Evaluate ``-a``."""
    if a.type == "float":
        lower = -a.upper
        upper = lower if a.upper is a.lower else -a.lower
        return Interval("float", lower, upper, a.maybe_null, a.surely_null)
    return subtract(Interval.constant(0, "int", len(a)), a)


def absolute(a: Interval) -> Interval:
    """Evaluate ``ABS(a)``."""
    lower, upper = a.lower, a.upper
    if a.type != "float" and magnitude(lower, upper) >= 2**63:
        lower, upper = lower.astype(object), upper.astype(object)
    if a.upper is a.lower:
        out = abs(lower)
        return Interval(a.type, out, out, a.maybe_null, a.surely_null)
    zero = (lower <= 0) & (upper >= 0)
    small = np.where(zero.astype(np.bool_), 0, np.minimum(abs(lower), abs(upper)))
    return Interval(a.type, small, np.maximum(abs(lower), abs(upper)), a.maybe_null, a.surely_null)


def divide(a: Interval, b: Interval) -> Interval:
    """Evaluate ``a / b`` in float64; NULL where b is 0 or the quotient is not finite."""
    maybe, surely = _nulls(a, b)
    if _points(b) and len(b) and b.lower.min() > 0:
        # As quotients are mostly: a larger dividend gives a larger quotient.
        lower = quotient(a.lower, b.lower)
        upper = lower if _points(a) else quotient(a.upper, b.lower)
        return finite(lower, upper, maybe, surely)
    if len(b) and b.lower.min() > 0 and a.lower.min() >= 0:
        # As shares are: the least dividend by the largest divisor is the least quotient.
        lower, upper = quotient(a.lower, b.upper), quotient(a.upper, b.lower)
        return finite(lower, upper, maybe, surely)
    zero = ((b.lower <= 0) & (b.upper >= 0)).astype(np.bool_)
    always = ((b.lower == 0) & (b.upper == 0)).astype(np.bool_)
    whole = b.type != "float"
    b_low, b_high = b.lower, b.upper
    if whole and not _points(b):
        # An integer divisor that is not 0 is at least 1 away from it.
        b_low = np.where(zero & (b_low == 0), 1, b_low)
        b_high = np.where(zero & (b_high == 0), -1, b_high)
    across = (zero & ~always) if not whole else ((b_low < 0) & (b_high > 0)).astype(np.bool_)
    b_low, b_high = np.where(always, 1, b_low), np.where(always, 1, b_high)
    if across.any():
        b_low, b_high = np.where(across, 1, b_low), np.where(across, 1, b_high)
    if _points(a, b):
        lower = upper = quotient(a.lower, b_low)
    else:
        corners = [quotient(x, y) for x in (a.lower, a.upper) for y in (b_low, b_high)]
        lower, upper = _least(corners), _most(corners)
        if across.any():
            reach = np.maximum(abs(lower), abs(upper)) if whole else np.full(len(a), _MAX)
            lower, upper = np.where(across, -reach, lower), np.where(across, reach, upper)
    return finite(lower, upper, maybe | zero, surely | always)


def quotient(a: Array, b: Array) -> Array:
    """float64 quotient of numbers, rounded once, maybe infinite; the divisor is not 0."""
    if _holds_big(a) or _holds_big(b):
        pairs = zip(a.tolist(), b.tolist(), strict=True)
        return np.array([_true_division(x, y) for x, y in pairs], np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(float_array(a) / float_array(b), np.float64)


def _holds_big(values: Array) -> bool:
    """Whether there are integers that are no float64 values."""
    return values.dtype != np.float64 and magnitude(values) > _SAFE


def _true_division(a: int | float, b: int | float) -> float:
    if isinstance(a, float) or isinstance(b, float):
        ratio = Fraction(a) / Fraction(b)
        a, b = ratio.numerator, ratio.denominator
    try:
        return a / b
    except OverflowError:
        return math.inf if (a > 0) == (b > 0) else -math.inf


def remainder(a: Interval, b: Interval) -> Interval:
    """Evaluate ``a % b`` with the sign of a; NULL where b is 0."""
    a, b, whole = _pair(a, b)
    maybe, surely = _nulls(a, b)
    zero = ((b.lower <= 0) & (b.upper >= 0)).astype(np.bool_)
    always = ((b.lower == 0) & (b.upper == 0)).astype(np.bool_)
    if _points(a, b):
        lower = upper = _fmod(a.lower, np.where(always, 1, b.lower))
    else:
        known = (a.lower == a.upper).astype(np.bool_) & (b.lower == b.upper).astype(np.bool_)
        exact = _fmod(a.lower, np.where(zero, 1, b.lower))
        divisor = np.maximum(_abs(b.lower), _abs(b.upper))
        reach = np.minimum(divisor, np.maximum(_abs(a.lower), _abs(a.upper)))
        lower = np.where(known, exact, np.where((a.lower < 0).astype(np.bool_), -reach, 0))
        upper = np.where(known, exact, np.where((a.upper > 0).astype(np.bool_), reach, 0))
    maybe, surely = maybe | zero, surely | always
    if whole:
        narrowed = narrow(lower)
        return _clean("int", narrowed, narrowed if upper is lower else narrow(upper), maybe, surely)
    return finite(lower, upper, maybe, surely)


def _abs(values: Array) -> Array:
    if values.dtype.kind == "i" and magnitude(values) >= 2**63:
        values = values.astype(object)
    return np.asarray(abs(values))


def _fmod(a: Array, b: Array) -> Array:
    if a.dtype == object or b.dtype == object:
        pairs = zip(a.tolist(), b.tolist(), strict=True)
        return np.array([_int_fmod(x, y) for x, y in pairs] + [None], object)[:-1]
    with np.errstate(all="ignore"):
        # int64 min % -1 traps in C; any divisor of magnitude 1 leaves 0.
        if a.dtype.kind == "i":
            b = np.where(b == -1, 1, b)
        return np.fmod(a, b)


def _int_fmod(a: int, b: int) -> int:
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest
