"""Scalar aggregates as mergeable columns of state: chunk, combine, finalize.

A state bounds the aggregate: it holds what surely and what possibly goes into it. On exact
arguments the two agree, and so do the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from masksearch_ray.execute.arithmetic import finite, float_array, magnitude, quotient
from masksearch_ray.execute.exact_sum import UNIT, group_sums
from masksearch_ray.execute.grouping import Groups
from masksearch_ray.execute.interval import Array, Bools, Interval, narrow, neutral
from masksearch_ray.model.query import Aggregate

__all__ = ["State", "chunk", "combine", "empty", "finalize"]


@dataclass(frozen=True, eq=False)
class State:
    """State of one aggregate for G groups; each column is ``(G,)``.

    Parameters
    ----------
    least, most : numpy.ndarray
        int64: how many arguments are surely, and possibly, not NULL.
    low, high : numpy.ndarray
        sum, avg: bounds of the exact sum (`exact_sum.group_sums`), int64 or object of Python
        ints. min, max: bounds of the result if it is not NULL, in the argument's dtype;
        meaningless where `most` is 0.
    small, large : numpy.ndarray
        avg: bounds of all arguments, in the argument's dtype; meaningless where `most` is 0.
    values : numpy.ndarray
        count distinct: object of frozensets.
    """

    least: Array
    most: Array
    low: Array
    high: Array
    small: Array
    large: Array
    values: Array

    def __len__(self) -> int:
        return len(self.least)

    def take(self, index: Array) -> State:
        """State of some groups."""
        return State(*(column[index] for column in self._columns()))

    @classmethod
    def concat(cls, parts: Sequence[State]) -> State:
        """States one after another; at least one part."""
        columns = zip(*(part._columns() for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def _columns(self) -> list[Array]:
        return [getattr(self, column.name) for column in fields(self)]


def empty(groups: int = 1) -> State:
    """State of groups without rows."""
    zero = np.zeros(groups, np.int64)
    return State(zero, zero, zero, zero, zero, zero, np.full(groups, frozenset(), object))


def chunk(aggregate: Aggregate, argument: Interval | None, groups: Groups) -> State:
    """State of an aggregate from the rows of groups."""
    state = empty(len(groups))
    if argument is None:
        return replace(state, least=groups.sizes, most=groups.sizes)
    sure, possible = ~argument.maybe_null, ~argument.surely_null
    state = replace(state, least=_number(sure, groups), most=_number(possible, groups))
    if argument.type == "null":
        return state
    if aggregate.distinct:
        return replace(state, values=_distinct(argument, groups))
    if aggregate.function in ("min", "max"):
        low, high = _extremes(aggregate, (argument.lower, argument.upper), sure, possible, groups)
        return replace(state, low=low, high=high)
    if aggregate.function in ("sum", "avg"):
        low, high = _sums(argument, groups)
        state = replace(state, low=low, high=high)
    if aggregate.function == "avg":
        small = _extreme(argument.lower, possible, groups, np.minimum)
        large = _extreme(argument.upper, possible, groups, np.maximum)
        state = replace(state, small=small, large=large)
    return state


def combine(aggregate: Aggregate, state: State, groups: Groups) -> State:
    """Merge states that were put one after another and grouped again by key.

    Associative and commutative to the last bit: counts and sums are exact, extremes and sets too.
    """
    sure, possible = state.least > 0, state.most > 0
    least, most = groups.reduce(np.add, state.least), groups.reduce(np.add, state.most)
    merged = replace(empty(len(groups)), least=least, most=most)
    if aggregate.distinct:
        return replace(merged, values=_union(state.values, groups))
    if aggregate.function in ("min", "max"):
        low, high = _extremes(aggregate, (state.low, state.high), sure, possible, groups)
        return replace(merged, low=low, high=high)
    if aggregate.function in ("sum", "avg"):
        merged = replace(merged, low=_add(state.low, groups), high=_add(state.high, groups))
    if aggregate.function == "avg":
        small = _extreme(state.small, possible, groups, np.minimum)
        large = _extreme(state.large, possible, groups, np.maximum)
        merged = replace(merged, small=small, large=large)
    return merged


def _number(chosen: Bools, groups: Groups) -> Array:
    return groups.reduce(np.add, chosen.astype(np.int64))


def _sums(argument: Interval, groups: Groups) -> tuple[Array, Array]:
    never, doubt = argument.surely_null, argument.maybe_null & ~argument.surely_null
    lower = np.where(doubt, np.minimum(argument.lower, 0), argument.lower)
    low = group_sums(groups.codes, len(groups), np.where(never, 0, lower))
    if argument.upper is argument.lower and not doubt.any():
        return low, low
    upper = np.where(doubt, np.maximum(argument.upper, 0), argument.upper)
    return low, group_sums(groups.codes, len(groups), np.where(never, 0, upper))


def _add(sums: Array, groups: Groups) -> Array:
    """Add sums by group; never wraps."""
    if sums.dtype != object and magnitude(sums) * len(sums) >= 2**63:
        sums = sums.astype(object)
    return narrow(groups.reduce(np.add, sums))


def _extremes(
    aggregate: Aggregate, bounds: tuple[Array, Array], sure: Bools, possible: Bools, groups: Groups
) -> tuple[Array, Array]:
    """Bounds of the extreme of N values in ``[low, high]`` that are surely or possibly there."""
    least = aggregate.function == "min"
    pick, other = (np.minimum, np.maximum) if least else (np.maximum, np.minimum)
    outer, inner = bounds if least else bounds[::-1]
    outermost = _extreme(outer, possible, groups, pick)
    # The extreme is no further in than any value that is surely there; where none is, it may be
    # any one of those that are possibly there.
    firm = _extreme(inner, sure, groups, pick)
    loose = _extreme(inner, possible, groups, other)
    innermost = np.where(groups.reduce(np.logical_or, sure), firm, loose)
    return (outermost, innermost) if least else (innermost, outermost)


def _extreme(values: Array, chosen: Bools, groups: Groups, pick: np.ufunc) -> Array:
    """Smallest or largest of the chosen values by group; 0 in a group without any."""
    order = groups.order[chosen[groups.order]]
    codes = groups.codes[order]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    found = np.zeros(len(groups), values.dtype)
    if len(starts):
        found[codes[starts]] = pick.reduceat(values[order], starts)
    return found


def _distinct(argument: Interval, groups: Groups) -> Array:
    found: list[set[object]] = [set() for _ in range(len(groups))]
    known = ~argument.surely_null
    codes, values = groups.codes[known].tolist(), argument.lower[known].tolist()
    for code, value in zip(codes, values, strict=True):
        found[code].add(value)
    return _objects([frozenset(held) for held in found])


def _union(values: Array, groups: Groups) -> Array:
    found: list[set[object]] = [set() for _ in range(len(groups))]
    for code, held in zip(groups.codes.tolist(), values.tolist(), strict=True):
        found[code] |= held
    return _objects([frozenset(held) for held in found])


def _objects(values: Sequence[object]) -> Array:
    held = np.empty(len(values), object)
    held[:] = values
    return held


def finalize(aggregate: Aggregate, state: State) -> Interval:
    """Intervals of the aggregate for G groups."""
    if aggregate.distinct:
        return Interval.points("int", np.array([len(held) for held in state.values], np.int64))
    if aggregate.function == "count":
        upper = state.least if np.array_equal(state.least, state.most) else state.most
        return Interval.between("int", state.least, upper)
    maybe, never = state.least == 0, state.most == 0
    if aggregate.type == "null":
        return Interval.constant(None, "null", len(state))
    if aggregate.function == "avg" or (aggregate.function, aggregate.type) == ("sum", "float"):
        low, high = _rounded(aggregate, state)
        return finite(low, high, maybe, never)
    low = _typed(np.where(never, neutral(aggregate.type), state.low), aggregate)
    if np.array_equal(state.low, state.high):
        return Interval(aggregate.type, low, low, maybe, never)
    high = _typed(np.where(never, neutral(aggregate.type), state.high), aggregate)
    return Interval(aggregate.type, low, high, maybe, never)


def _typed(values: Array, aggregate: Aggregate) -> Array:
    # A blank state holds int64 zeros, whatever the type.
    if aggregate.type == "float":
        return values.astype(np.float64)
    return narrow(values) if aggregate.type == "int" else values.astype(object)


def _rounded(aggregate: Aggregate, state: State) -> tuple[Array, Array]:
    """Bounds of sums of floats, or of averages, as floats: rounded once, maybe infinite."""
    floats = aggregate.argument is not None and aggregate.argument.type == "float"
    divisor: Array = np.ones(len(state), np.int64)
    if aggregate.function == "avg":
        divisor = np.maximum(state.most, 1)
    if floats:
        divisor = divisor.astype(object) * UNIT
    low = quotient(state.low, divisor)
    high = low if np.array_equal(state.low, state.high) else quotient(state.high, divisor)
    doubt = (state.least < state.most) & (aggregate.function == "avg")
    if not doubt.any():
        return low, high
    # How many there are is not known: an average lies between the smallest and the largest.
    small, large = float_array(state.small), float_array(state.large)
    return np.where(doubt, small, low), np.where(doubt, large, high)
