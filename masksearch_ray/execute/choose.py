"""Expressions that choose among values: CASE, COALESCE, NULLIF, LEAST, GREATEST."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from masksearch_ray.execute.arithmetic import as_float
from masksearch_ray.execute.compare import compare
from masksearch_ray.execute.interval import Bools, Interval, hull, neutral
from masksearch_ray.model.query import Type

__all__ = ["case", "coalesce", "extreme", "nullif", "unify"]


def unify(value: Interval, type_: Type) -> Interval:
    """Bring a value to the type that all branches share."""
    if value.type == type_:
        return value
    if value.type == "null":
        return Interval.constant(None, type_, len(value))
    return as_float(value) if type_ == "float" else value


def case(args: Sequence[Interval], type_: Type) -> Interval:
    """Evaluate ``CASE WHEN c1 THEN v1 … ELSE e END``; args are ``c1, v1, …, e``."""
    n = len(args[-1])
    reach = np.ones(n, np.bool_)  # whether no earlier condition is surely true
    values, masks = [], []
    for condition, value in zip(args[:-1:2], args[1:-1:2], strict=True):
        if condition.type == "null":
            continue
        values.append(unify(value, type_))
        masks.append(reach & condition.can_true)
        reach = reach & (condition.can_false | condition.can_null)
    return hull([*values, unify(args[-1], type_)], [*masks, reach], type_)


def coalesce(args: Sequence[Interval], type_: Type) -> Interval:
    """Choose the first argument that is not NULL."""
    reach = np.ones(len(args[0]), np.bool_)
    values, masks = [], []
    for value in args[:-1]:
        held = unify(value, type_)
        present = held.maybe_null & False
        values.append(Interval(type_, held.lower, held.upper, present, present))
        masks.append(reach & ~held.surely_null)
        reach = reach & held.maybe_null
    return hull([*values, unify(args[-1], type_)], [*masks, reach], type_)


def nullif(a: Interval, b: Interval) -> Interval:
    """Evaluate ``NULLIF(a, b)``: a, but NULL where it equals ``b``."""
    if "null" in (a.type, b.type):
        return a
    same = compare("=", a, b)
    always = same.can_true & ~same.can_false & ~same.can_null
    return _cleared(a, a.maybe_null | same.can_true, a.surely_null | always)


def extreme(args: Sequence[Interval], type_: Type, *, least: bool) -> Interval:
    """Evaluate ``LEAST`` or ``GREATEST``; NULL if any argument is."""
    pick = np.minimum if least else np.maximum
    first, *rest = [unify(value, type_) for value in args]
    lower, upper = first.lower, first.upper
    maybe, surely = first.maybe_null, first.surely_null
    for value in rest:
        same = upper is lower and value.upper is value.lower
        lower, other = pick(lower, value.lower), value.upper
        upper = lower if same else pick(upper, other)
        maybe, surely = maybe | value.maybe_null, surely | value.surely_null
    return _cleared(Interval(type_, lower, upper, maybe, surely), maybe, surely)


def _cleared(values: Interval, maybe: Bools, surely: Bools) -> Interval:
    """Bounds with other nulls, neutral where surely NULL."""
    lower, upper = values.lower, values.upper
    if surely.any():
        lower = np.where(surely, neutral(values.type), lower)
        same = values.upper is values.lower
        upper = lower if same else np.where(surely, neutral(values.type), upper)
    return Interval(values.type, lower, upper, maybe, surely)
