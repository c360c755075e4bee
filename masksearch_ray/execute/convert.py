"""ROUND and CAST on intervals; both are monotone on numbers and so apply to the bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import numpy as np

from masksearch_ray.execute.arithmetic import as_float, finite
from masksearch_ray.execute.interval import Array, Interval, narrow
from masksearch_ray.model.query import Type

__all__ = ["cast", "round_to"]

_CONTEXT = Context(prec=1500, Emax=999999, Emin=-999999)  # holds any float64 exactly
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LONGEST = 4000  # characters of an integer: Python refuses to read many more
_LAST_TEXT = "\U0010ffff" * 4


def round_to(value: Interval, digits: int) -> Interval:
    """``ROUND(value, digits)``: half away from zero, of the exact binary value in decimal."""
    if value.type == "null":
        return value
    if value.type == "float":
        lower = _round_floats(value.lower, digits)
        upper = lower if value.upper is value.lower else _round_floats(value.upper, digits)
        return finite(lower, upper, value.maybe_null, value.surely_null)
    if digits >= 0:
        return value
    return _ends(value, "int", lambda held: _round_ints(held, digits))


def _ends(value: Interval, type_: Type, function: Callable[[Array], Array]) -> Interval:
    lower = function(value.lower)
    upper = lower if value.upper is value.lower else function(value.upper)
    return Interval(type_, lower, upper, value.maybe_null, value.surely_null)


def _round_floats(values: Array, digits: int) -> Array:
    if digits == 0:
        return _half_away(values)
    return np.array([_round_float(v, digits) for v in values.tolist()], np.float64)


def _half_away(values: Array) -> Array:
    whole = np.trunc(values)
    up = np.abs(values - whole) >= 0.5  # exact: the fraction of a float64 is one too
    return np.where(up, whole + np.sign(values), whole)


def _round_float(value: float, digits: int) -> float:
    exact = Decimal(value)
    if digits > -exact.as_tuple().exponent:  # type: ignore[operator]
        return value
    step = Decimal(1).scaleb(-digits, _CONTEXT)
    return float(exact.quantize(step, ROUND_HALF_UP, _CONTEXT))


def _round_ints(values: Array, digits: int) -> Array:
    step = 10**-digits
    rounded = [_round_int(v, step) for v in values.tolist()]
    return narrow(_objects(rounded))


def _round_int(value: int, step: int) -> int:
    whole = (2 * abs(value) + step) // (2 * step) * step
    return -whole if value < 0 else whole


def _objects(values: list[Any]) -> Array:
    held = np.empty(len(values), object)
    held[:] = values
    return held


def cast(value: Interval, type_: Type) -> Interval:
    """``CAST(value AS type)``; what cannot be converted is NULL."""
    if value.type == type_:
        return value
    if value.type == "null":
        return Interval.constant(None, type_, len(value))
    if type_ == "string":
        return _to_text(value)
    if value.type == "string":
        return _from_text(value, type_)
    if type_ == "float":
        return as_float(value if value.type == "int" else _ends(value, "int", _to_int64))
    if type_ == "bool":
        return _to_bool(value)
    if value.type == "bool":
        return _ends(value, "int", _to_int64)
    return _ends(value, "int", _whole)


def _to_int64(values: Array) -> Array:
    return values.astype(np.int64)


def _whole(values: Array) -> Array:
    rounded = _half_away(values)
    if not len(rounded) or np.abs(rounded).max() < 2.0**63:
        return rounded.astype(np.int64)
    return narrow(_objects([int(v) for v in rounded.tolist()]))


def _to_bool(value: Interval) -> Interval:
    can_false = ((value.lower <= 0) & (value.upper >= 0)).astype(np.bool_)
    always_false = ((value.lower == 0) & (value.upper == 0)).astype(np.bool_)
    known = ~value.surely_null
    return Interval.from_sets(~always_false & known, can_false & known, value.maybe_null)


def _to_text(value: Interval) -> Interval:
    known = (value.lower == value.upper).astype(np.bool_) & ~value.surely_null
    shown = [_show(v) for v in value.lower[known].tolist()]
    first = np.full(len(value), "", object)
    first[known] = shown
    if value.upper is value.lower:
        return Interval("string", first, first, value.maybe_null, value.surely_null)
    last = np.where(known | value.surely_null, first, _LAST_TEXT)
    return Interval("string", first, last, value.maybe_null, value.surely_null)


def _show(value: float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value + 0.0)  # a zero has no sign
    # Python refuses to write very long integers, Decimal does not.
    return str(Decimal(value))


def _from_text(value: Interval, type_: Type) -> Interval:
    n = len(value)
    point = (value.lower == value.upper).astype(np.bool_)
    parsed = [_parse(v, type_) for v in value.lower.tolist()]
    lost = np.fromiter((v is None for v in parsed), np.bool_, n)
    neutral: Any = {"int": 0, "float": 0.0, "bool": False}[type_]
    held = _objects([neutral if v is None else v for v in parsed])
    kinds: dict[str, Any] = {"float": np.float64, "bool": np.bool_}
    held = narrow(held) if type_ == "int" else held.astype(kinds[type_])
    maybe = value.maybe_null | lost | ~point
    surely = value.surely_null | (lost & point)
    if point.all():
        return Interval(type_, held, held, maybe, surely)
    low, high = _widest(type_)
    lower, upper = held.astype(object), held.astype(object)
    lower[~point], upper[~point] = low, high
    if type_ != "int":
        lower, upper = lower.astype(kinds[type_]), upper.astype(kinds[type_])
    return Interval(type_, lower, upper, maybe, surely)


def _widest(type_: Type) -> tuple[Any, Any]:
    if type_ == "bool":
        return False, True
    if type_ == "float":
        largest = float(np.finfo(np.float64).max)
        return -largest, largest
    return -(10**_LONGEST), 10**_LONGEST


def _parse(text: str, type_: Type) -> Any:
    if type_ == "bool":
        return {"true": True, "false": False}.get(text)
    if type_ == "int":
        return int(text) if _INTEGER.fullmatch(text) and len(text) <= _LONGEST else None
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None
