"""Whether the builder's state is a query, in words that name the control to change."""

from __future__ import annotations

import math
from typing import Any

from masksearch_ray.errors import InputError
from masksearch_ray.model.query import Catalog
from masksearch_ray.model.roi import Box, BoxColumn, BoxListColumn, FullImage, Polygon, Roi
from masksearch_ray.model.values import Domain
from masksearch_ray.web.build.state import (
    COMPARISONS,
    OPERATORS,
    PAIR_COLUMNS,
    Built,
    Condition,
    Pair,
    Pixels,
)

__all__ = ["check", "check_values"]

_INT64 = range(-(2**63), 2**63)
_MOST_CORNERS = 1000
_MOST_VALUES = 1000
_KINDS = {"int": "numbers", "float": "numbers", "string": "texts", "bool": "yes or no"}
_ORDERED = ("<", "<=", ">", ">=", "between")


def check(built: Built, catalog: Catalog) -> None:
    """Refuse a state that is no query of a collection.

    Parameters
    ----------
    built : Built
        Its numbers may be anything that a control may hold, as None or a text.
    catalog : Catalog

    Raises
    ------
    InputError
        Its text begins with the name of the control: ``Threshold: a number is wanted``.
    """
    check_values(built, catalog.domain)
    _check_region(built.pixels.region, catalog, "Region")
    if built.score == "ratio":
        _check_region(built.below.region, catalog, "Second region")
    if built.score == "iou":
        if "image_id" not in catalog.fields:
            raise InputError("Score: an IoU needs the column image_id, which is not there")
        assert built.pair is not None
        _check_pair(built.pair, catalog)
    for condition in built.where:
        _check_condition(condition, catalog)


def check_values(built: Built, domain: Domain) -> None:
    """The part of `check` that needs no columns."""
    _choice("Kind", built.kind, ("filter", "top"))
    _choice("Score", built.score, ("count", "share", "ratio", "iou"))
    _check_pixels(built.pixels, domain, "", cut_only=built.score == "iou")
    if built.score == "ratio":
        _check_pixels(built.below, domain, "Second ")
    if built.score == "iou" and built.pair is None:
        raise InputError("Compare: choose the two masks of an image that an IoU compares")
    if built.kind == "filter":
        _choice("Comparison", built.comparison, COMPARISONS)
        _number("Threshold", built.threshold)
    elif type(built.k) is not int or not 1 <= built.k < _INT64.stop:
        raise InputError(f"Number of results: a whole number from 1 is wanted{_given(built.k)}")


def _check_pixels(pixels: Pixels, domain: Domain, which: str, *, cut_only: bool = False) -> None:
    name = f"{which}values".capitalize()
    low, high = _number(name, pixels.low), _number(name, pixels.high)
    if not domain.lo <= low <= domain.hi or not domain.lo <= high <= domain.hi:
        wrong = low if not domain.lo <= low <= domain.hi else high
        raise InputError(f"{name}: from {domain.lo:g} to {domain.hi:g} is possible, not {wrong:g}")
    if low > high and not cut_only:
        raise InputError(f"{name}: the lower value {low:g} exceeds the upper value {high:g}")
    _check_shape(pixels.region, f"{which}region".capitalize())
    if pixels.outside and isinstance(pixels.region, FullImage):
        raise InputError(f"{which}region".capitalize() + ": nothing lies outside the full image")


def _check_shape(roi: Roi, name: str) -> None:
    if isinstance(roi, Box):
        corners = (roi.x0, roi.y0, roi.x1, roi.y1)
        if any(type(corner) is not int or corner not in _INT64 for corner in corners):
            raise InputError(f"{name}: a box has four whole numbers{_given(corners)}")
        if roi.x1 <= roi.x0 or roi.y1 <= roi.y0:
            raise InputError(f"{name}: the box is empty{_given(corners)}")
    elif isinstance(roi, Polygon):
        if not 3 <= len(roi.points) <= _MOST_CORNERS:
            wanted = f"a polygon has 3 to {_MOST_CORNERS:,} corners"
            raise InputError(f"{name}: {wanted}, not {len(roi.points)}")
        for point in roi.points:
            for coordinate in point:
                _number(name, coordinate)


def _check_region(roi: Roi, catalog: Catalog, name: str) -> None:
    wanted = {BoxColumn: "box", BoxListColumn: "boxes"}.get(type(roi))
    if wanted is None:
        return
    assert isinstance(roi, BoxColumn | BoxListColumn)
    known = catalog.fields.get(roi.name)
    if known is None or known.kind != wanted:
        raise InputError(f"{name}: there is no column of boxes {roi.name!r:.60}")


def _check_pair(pair: Pair, catalog: Catalog) -> None:
    if pair.column not in PAIR_COLUMNS:
        raise InputError(f"Compare: {' or '.join(PAIR_COLUMNS)} is wanted{_given(pair.column)}")
    values = pair.first, pair.second
    _check_condition(Condition(pair.column, "in", values), catalog, "Compare")
    if pair.first == pair.second:
        raise InputError("Compare: two different masks are wanted")


def _check_condition(condition: Condition, catalog: Catalog, name: str = "") -> None:
    name = name or f"Filter on {condition.column:.60}"
    _choice(name, condition.operator, OPERATORS)
    known = catalog.fields.get(condition.column)
    if known is None:
        raise InputError(f"{name}: there is no such column")
    if condition.operator in ("is null", "is not null"):
        return
    if known.kind not in _KINDS:
        raise InputError(f"{name}: only whether it is empty can be asked of this column")
    if condition.operator in ("like", "not like") and known.kind != "string":
        raise InputError(f"{name}: patterns are for texts")
    if known.kind == "bool" and condition.operator not in ("=", "<>"):
        raise InputError(f"{name}: only = and <> are for yes or no")
    if condition.other:
        _check_other(condition, known.kind, catalog, name)
    else:
        _check_given(condition, known.kind, name)


def _check_other(condition: Condition, kind: str, catalog: Catalog, name: str) -> None:
    if condition.operator not in ("=", "<>", "<", "<=", ">", ">="):
        raise InputError(f"{name}: two columns are compared by =, <>, <, <=, > or >=")
    other = catalog.fields.get(condition.other)
    if other is None:
        raise InputError(f"{name}: there is no column {condition.other!r:.60} to compare with")
    if _KINDS.get(other.kind) != _KINDS[kind]:
        raise InputError(f"{name}: it holds {_KINDS[kind]}, {condition.other:.60} does not")


def _check_given(condition: Condition, kind: str, name: str) -> None:
    values = condition.values
    if condition.operator == "between" and len(values) != 2:
        raise InputError(f"{name}: a lower and an upper value are wanted")
    if condition.operator in ("in", "not in") and not 1 <= len(values) <= _MOST_VALUES:
        raise InputError(f"{name}: choose 1 to {_MOST_VALUES:,} values")
    if condition.operator not in ("between", "in", "not in") and len(values) != 1:
        raise InputError(f"{name}: one value is wanted")
    for value in values:
        _check_value(name, value, kind)
    if condition.operator == "between" and values[0] > values[1]:  # type: ignore[operator]
        raise InputError(f"{name}: the lower value exceeds the upper value")


def _check_value(name: str, value: Any, kind: str) -> None:
    if kind == "string":
        if not isinstance(value, str):
            raise InputError(f"{name}: a text is wanted{_given(value)}")
        if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
            raise InputError(f"{name}: the text holds a character that no query may hold")
    elif kind == "bool":
        if type(value) is not bool:
            raise InputError(f"{name}: yes or no is wanted{_given(value)}")
    else:
        _number(name, value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name}: a number is wanted{_given(value)}")
    if isinstance(value, int) and value not in _INT64:
        raise InputError(f"{name}: the number is too large")
    if not math.isfinite(value):
        raise InputError(f"{name}: a finite number is wanted{_given(value)}")
    return value


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name}: {', '.join(choices)} are possible{_given(value)}")


def _given(value: Any) -> str:
    return "" if value is None or value == "" else f", not {value!r:.60}"
