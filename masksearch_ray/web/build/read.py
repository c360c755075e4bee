"""A bound query as the builder's state, where it fits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

from masksearch_ray.errors import InputError
from masksearch_ray.model.query import (
    Aggregate,
    Area,
    Call,
    Column,
    CountPixels,
    Expr,
    Key,
    Literal,
    MaskSource,
    Query,
    leaves,
)
from masksearch_ray.model.roi import Outside, Roi
from masksearch_ray.model.values import Domain, ValueRange
from masksearch_ray.sql.masks import BINARY_DOMAIN
from masksearch_ray.web.build.checks import check_values
from masksearch_ray.web.build.conditions import MIRRORED, conditions, conjuncts, negated
from masksearch_ray.web.build.state import (
    PAIR_COLUMNS,
    Built,
    Comparison,
    Condition,
    Pair,
    Pixels,
    essential,
)

__all__ = ["from_query"]


class _DoesNotFitError(Exception):
    """The query says what the builder has no control for."""


def from_query(query: Query) -> Built | None:
    """State of the builder that asks the same as a query.

    Any spelling is recognised: names by alias, by number or written out, comparisons from either
    side or under NOT, BETWEEN, parameters, casts and factors of one. What it selects beside the
    id may be any column, the score and its parts.

    Parameters
    ----------
    query : Query
        Of `Collection.parse`.

    Returns
    -------
    Built or None
        None where the query does not fit the builder. Fields that the query does not use are at
        their defaults, see `with_rest`.
    """
    if query.distinct or query.offset or query.explain:
        return None
    try:
        built = _row_query(query) if query.group_by is None else _group_query(query)
        check_values(built, query.domain)
    except (_DoesNotFitError, InputError, RecursionError):
        return None
    return essential(built, query.domain)


def _fit(condition: bool) -> None:
    if not condition:
        raise _DoesNotFitError


def _row_query(query: Query) -> Built:
    parts = conjuncts(query.where)
    scored = [part for part in parts if _has_pixels(part)]
    where = _metadata([part for part in parts if not _has_pixels(part)])
    mask_id = Column("mask_id", "int")
    built, score = _asked(query, scored, where, mask_id)
    _check_outputs(query, score, mask_id)
    return built


def _group_query(query: Query) -> Built:
    _fit(query.group_by is not None and len(query.group_by) == 1)
    assert query.group_by is not None
    key = query.group_by[0]
    _fit(isinstance(key, Column) and key.name == "image_id")
    parts = conjuncts(query.where)
    _fit(not any(_has_pixels(part) for part in parts))
    where = _metadata(parts)
    image_id = Key(0, key.type)
    groups = conjuncts(query.having)
    both = [part for part in groups if _has_both(part)]
    rest = [part for part in groups if part not in both]
    built, score = _asked(query, rest, where, image_id)
    _fit(built.score == "iou" and built.pair is not None)
    assert built.pair is not None
    _fit(all(_has_both(part) == built.pair.column for part in both))
    built = replace(built, both=bool(both))
    _check_outputs(query, score, image_id)
    return built


def _has_both(expr: Expr) -> str:
    """Column of which a group has two values; empty for another condition."""
    if isinstance(expr, Call) and expr.op == "=":
        args = expr.args if isinstance(expr.args[0], Aggregate) else expr.args[::-1]
        match args:
            case (Aggregate("count", Column(name), True), two) if _is_number(two, 2):
                return name
    return ""


def _metadata(parts: list[Expr]) -> tuple[Condition, ...]:
    found = conditions(parts)
    if found is None:
        raise _DoesNotFitError
    return found


def _asked(
    query: Query, scored: list[Expr], where: tuple[Condition, ...], identity: Expr
) -> tuple[Built, Expr]:
    """The query's state, and its score."""
    if query.limit is None:
        _fit(len(scored) == 1 and all(key.expr == identity for key in query.order_by[:1]))
        _fit(not any(key.descending for key in query.order_by[:1]))
        comparison, score, threshold = _threshold(scored[0])
        base = Built("filter", comparison=comparison, threshold=threshold)
    else:
        _fit(not scored and bool(query.order_by))
        first, *rest = query.order_by
        _fit(not first.nulls_first)
        # Ties are settled by ascending id, said or not.
        _fit(all(key.expr == identity and not key.descending for key in rest[:1]))
        score, descending = first.expr, first.descending
        while isinstance(score, Call) and score.op == "neg":
            score, descending = score.args[0], not descending
        base = Built("top", descending=descending, k=query.limit)
    return _scored(base, score, where, query.domain), score


def _threshold(expr: Expr) -> tuple[Comparison, Expr, int | float]:
    flip = False
    while isinstance(expr, Call) and expr.op == "not":
        expr, flip = expr.args[0], not flip
    _fit(isinstance(expr, Call) and expr.op in ("<", "<=", ">", ">="))
    assert isinstance(expr, Call)
    op, (left, right) = negated(expr.op) if flip else expr.op, expr.args
    if isinstance(left, Literal):
        op, left, right = MIRRORED[op], right, left
    _fit(isinstance(right, Literal) and right.type in ("int", "float"))
    assert isinstance(right, Literal) and isinstance(right.value, int | float)
    return next(c for c in get_args(Comparison) if c == op), left, right.value


def _scored(base: Built, score: Expr, where: tuple[Condition, ...], domain: Domain) -> Built:
    above, divisor = _fraction(score)
    _fit(isinstance(above, CountPixels))
    assert isinstance(above, CountPixels)
    if above.source.aggregate is not None:
        _fit(isinstance(divisor, CountPixels))
        assert isinstance(divisor, CountPixels)
        pair, rest = _pair(where)
        pixels, cut = _iou(above, divisor, domain)
        return replace(base, score="iou", pixels=pixels, cut=cut, pair=pair, where=rest)
    pixels = _pixels(above.roi, above.range, domain)
    base = replace(base, pixels=pixels, where=where)
    if divisor is None:
        return replace(base, score="count")
    if isinstance(divisor, Area):
        _fit(_plain(divisor.roi) == _plain(above.roi))
        return replace(base, score="share")
    assert isinstance(divisor, CountPixels)
    _fit(divisor.source == MaskSource())
    return replace(base, score="ratio", below=_pixels(divisor.roi, divisor.range, domain))


def _fraction(score: Expr) -> tuple[Expr, Expr | None]:
    score = _peeled(score)
    if not (isinstance(score, Call) and score.op == "/"):
        return score, None
    above, below = map(_peeled, score.args)
    # Division by zero is NULL, said or not.
    if isinstance(below, Call) and below.op == "nullif" and _is_number(below.args[1], 0):
        below = _peeled(below.args[0])
    _fit(isinstance(below, CountPixels | Area))
    return above, below


def _peeled(expr: Expr) -> Expr:
    """An expression without what leaves its value as it is."""
    while isinstance(expr, Call):
        if expr.op == "cast" and expr.type == "float":
            expr = expr.args[0]
        elif expr.op == "*" and _is_number(expr.args[0], 1):
            expr = expr.args[1]
        elif expr.op in ("*", "/") and _is_number(expr.args[1], 1):
            expr = expr.args[0]
        else:
            break
    return expr


def _is_number(expr: Expr, value: int) -> bool:
    return isinstance(expr, Literal) and expr.type in ("int", "float") and expr.value == value


def _iou(above: CountPixels, below: CountPixels, domain: Domain) -> tuple[Pixels, bool]:
    first, second = above.source, below.source
    _fit((first.aggregate, second.aggregate) == ("intersect", "union"))
    _fit(first.threshold == second.threshold and _plain(above.roi) == _plain(below.roi))
    if first.threshold is None:
        _fit(above.range == below.range)
        pixels = _pixels(above.roi, above.range, domain)
        _fit(pixels.high == domain.hi)
        return pixels, False
    for values in (above.range, below.range):
        _fit(values.holds(1.0) and not values.holds(0.0))
    _fit(first.threshold.stop == math.inf)
    upper = ValueRange(first.threshold.start, math.nextafter(domain.hi, math.inf))
    return _pixels(above.roi, upper, domain), True


def _pair(where: tuple[Condition, ...]) -> tuple[Pair, tuple[Condition, ...]]:
    for place, condition in enumerate(where):
        values = condition.values
        is_pair = condition.operator == "in" and len(values) == 2 and values[0] != values[1]
        if is_pair and condition.column in PAIR_COLUMNS:
            return Pair(condition.column, *values), where[:place] + where[place + 1 :]
    raise _DoesNotFitError


def _pixels(roi: Roi, values: ValueRange, domain: Domain) -> Pixels:
    low, high = values.start, values.stop
    # No pixel lies outside the domain; only masks of 0 and 1 have one of their own.
    whole = domain.lo <= BINARY_DOMAIN.lo and BINARY_DOMAIN.hi <= domain.hi
    if high == math.nextafter(domain.hi, math.inf) or (whole and high > domain.hi):
        high = domain.hi
    else:
        _fit(high != domain.hi or low == high)
    if whole and low < domain.lo:
        low = domain.lo
    roi = _plain(roi)
    pixels = Pixels(roi, low=low, high=high)
    if isinstance(roi, Outside):
        pixels = Pixels(roi.roi, outside=True, low=low, high=high)
    _fit(ValueRange.of(low, high, domain).start == low)
    return pixels


def _plain(roi: Roi) -> Roi:
    """A region without an `Outside` of an `Outside`."""
    while isinstance(roi, Outside) and isinstance(roi.roi, Outside):
        roi = roi.roi.roi
    return roi


def _has_pixels(expr: Expr) -> bool:
    return any(isinstance(leaf, CountPixels | Area) for leaf in leaves(expr))


def _check_outputs(query: Query, score: Expr, identity: Expr) -> None:
    exprs = [output.expr for output in query.outputs]
    _fit(identity in exprs)
    above, below = _fraction(score)
    known = (_bare(score), above, below)
    for expr in exprs:
        is_count = isinstance(expr, Aggregate) and expr.argument is None
        _fit(is_count or isinstance(expr, Column | Key) or _bare(expr) in known)


def _bare(expr: Expr) -> Expr:
    above, below = _fraction(expr)
    return above if below is None else Call("/", (above, below), "float")
