"""Vectors of intervals with three-valued nullness: the currency of execution.

A point interval is an exact value, so one evaluator serves bounds and exact answers alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.model.query import Type

__all__ = ["Array", "Bools", "Interval", "concatenate", "hull", "narrow"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

_NEUTRAL: dict[str, Any] = {"int": 0, "float": 0.0, "bool": False, "string": "", "null": 0}
_DTYPES: dict[str, Any] = {"int": np.int64, "float": np.float64, "bool": np.bool_, "null": np.int64}


@dataclass(frozen=True, eq=False)
class Interval:
    """N intervals: each value is NULL, or lies in ``[lower, upper]``.

    Parameters
    ----------
    type : Type
    lower, upper : numpy.ndarray
        Shape ``(N,)``. int: int64, or object of Python ints where int64 could overflow; float:
        finite float64; bool: bool; string and other: object. The same array where all are points.
        Neutral (0, False, "") where surely null.
    maybe_null, surely_null : numpy.ndarray
        bool, shape ``(N,)``.
    """

    type: Type
    lower: Array
    upper: Array
    maybe_null: Bools
    surely_null: Bools

    def __len__(self) -> int:
        return len(self.lower)

    @classmethod
    def between(
        cls, type_: Type, lower: Array, upper: Array, null: Bools | None = None
    ) -> Interval:
        """Intervals of values that are NULL exactly where `null` is set."""
        null = np.zeros(len(lower), np.bool_) if null is None else null
        return cls(type_, lower, upper, null, null)

    @classmethod
    def points(cls, type_: Type, values: Array, null: Bools | None = None) -> Interval:
        """Exact values, NULL where `null` is set."""
        if null is not None and null.any():
            values = values.copy()
            values[null] = _NEUTRAL.get(type_)
        return cls.between(type_, values, values, null)

    @classmethod
    def constant(cls, value: Any, type_: Type, n: int) -> Interval:
        """One value for all N; None is NULL."""
        null = np.zeros(n, np.bool_)
        if value is None:
            null[:] = True
        held = _NEUTRAL.get(type_) if value is None else value
        values = np.empty(n, _constant_dtype(type_, held))
        values.fill(held)
        return cls(type_, values, values, null, null)

    @classmethod
    def concat(cls, parts: Sequence[Interval]) -> Interval:
        """Intervals one after another; at least one part."""
        if len(parts) == 1:
            return parts[0]
        lower = concatenate([p.lower for p in parts])
        same = all(p.upper is p.lower for p in parts)
        upper = lower if same else concatenate([p.upper for p in parts])
        maybe = np.concatenate([p.maybe_null for p in parts])
        surely = np.concatenate([p.surely_null for p in parts])
        return cls(parts[0].type, lower, upper, maybe, surely)

    def take(self, index: Array) -> Interval:
        """Select the intervals at positions (or under a bool mask)."""
        lower = self.lower[index]
        upper = lower if self.upper is self.lower else self.upper[index]
        maybe = self.maybe_null[index]
        surely = maybe if self.surely_null is self.maybe_null else self.surely_null[index]
        return Interval(self.type, lower, upper, maybe, surely)

    @property
    def exact(self) -> Bools:
        """Whether each value is known: a point that cannot be NULL, or surely NULL."""
        if self.upper is self.lower:
            point = ~self.maybe_null
        else:
            point = (self.lower == self.upper).astype(np.bool_) & ~self.maybe_null
        return point | self.surely_null

    @property
    def can_true(self) -> Bools:
        """Of bool: may be true."""
        return self._truth(self.upper & ~self.surely_null)

    @property
    def can_false(self) -> Bools:
        """Of bool: may be false."""
        return self._truth(~self.lower & ~self.surely_null)

    @property
    def can_null(self) -> Bools:
        """May be NULL."""
        return self.maybe_null

    @property
    def surely(self) -> Bools:
        """Of bool: true for certain."""
        return self._truth(self.lower & ~self.maybe_null)

    @property
    def possibly(self) -> Bools:
        """Of bool: not certain to be false or NULL."""
        return self.can_true

    @staticmethod
    def _truth(values: Array) -> Bools:
        # A bare NULL is a truth value too, but its neutral values are numbers.
        return values.astype(np.bool_, copy=False)

    @classmethod
    def from_sets(cls, can_true: Bools, can_false: Bools, can_null: Bools) -> Interval:
        """Truth values from what each may be."""
        never = ~can_true & ~can_false
        return cls("bool", ~can_false & ~never, can_true, can_null, never)


def _constant_dtype(type_: Type, value: Any) -> Any:
    if type_ == "int" and not -(2**63) <= value < 2**63:
        return object
    return _DTYPES.get(type_, object)


def concatenate(arrays: Sequence[Array]) -> Array:
    """Join arrays; as objects if any is."""
    if any(a.dtype == object for a in arrays):
        arrays = [a.astype(object) for a in arrays]
    return np.concatenate(arrays)


def neutral(type_: Type) -> Any:
    """Give what stands where a value is surely NULL."""
    return _NEUTRAL.get(type_)


def narrow(values: Array) -> Array:
    """int64 in place of Python ints where all fit."""
    if values.dtype != object:
        return values
    if all(-(2**63) <= v < 2**63 for v in values):
        return values.astype(np.int64)
    return values


def hull(parts: Sequence[Interval], open_: Sequence[Bools], type_: Type) -> Interval:
    """Smallest intervals that hold every part that is open.

    Parameters
    ----------
    parts : sequence of Interval
        Each of N intervals of `type_` (or all NULL).
    open_ : sequence of numpy.ndarray
        bool ``(N,)``: whether the part may be the value; for each row at least one is.
    type_ : Type
    """
    n = len(parts[0])
    lower: Array | None = None
    upper: Array | None = None
    seen = np.zeros(n, np.bool_)
    maybe = np.zeros(n, np.bool_)
    for part, mask in zip(parts, open_, strict=True):
        maybe |= mask & part.maybe_null
        value = mask & ~part.surely_null
        if part.type == "null":
            continue
        if lower is None or upper is None:
            lower, upper = part.lower.copy(), part.upper.copy()
        else:
            lower = _merge(lower, part.lower, np.minimum, seen, value)
            upper = _merge(upper, part.upper, np.maximum, seen, value)
        seen |= value
    if lower is None or upper is None:
        return Interval.constant(None, type_, n)
    lower[~seen] = upper[~seen] = _NEUTRAL.get(type_)
    return Interval(type_, lower, upper, maybe, ~seen)


def _merge(old: Array, new: Array, pick: Any, seen: Bools, value: Bools) -> Array:
    if old.dtype != new.dtype:
        old, new = old.astype(object), new.astype(object)
    both = pick(old, new)
    return np.where(seen & value, both, np.where(value, new, old))
