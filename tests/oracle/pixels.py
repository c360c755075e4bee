"""Regions, counts and mask aggregates: everything that looks at pixels."""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from tests.oracle import ast as q
from tests.oracle.collection import Collection, Domain, Refusal, scaled

COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def given(value: q.Number) -> Any:
    """What is written, or what the caller handed in."""
    return value.value if isinstance(value, q.Param) else value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# ------------------------------------------------------------------ regions


def box_region(box: q.PixelBox, height: int, width: int) -> np.ndarray:
    """Pixels with ``x0 <= x < x1`` and ``y0 <= y < y1``."""
    x0, y0, x1, y1 = box
    y, x = np.mgrid[0:height, 0:width]
    inside: np.ndarray = (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
    return inside


@lru_cache(maxsize=256)
def polygon_region(coordinates: tuple[float, ...], height: int, width: int) -> np.ndarray:
    """Pixels whose centre sees an odd number of edges strictly to its right."""
    numbers = [Fraction(c) for c in coordinates]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    edges = list(zip(points, points[1:] + points[:1], strict=True))
    inside = np.zeros((height, width), bool)
    for y in range(height):
        yc = y + Fraction(1, 2)
        for (xa, ya), (xb, yb) in edges:
            if min(ya, yb) <= yc < max(ya, yb):
                crossing = xa + (yc - ya) * (xb - xa) / (yb - ya)
                # x + 1/2 < crossing
                left = math.ceil(crossing - Fraction(1, 2))
                inside[y, : max(0, left)] ^= True
    return inside


def region(
    roi: q.Roi, height: int, width: int, row: dict[str, Any], default: q.PixelBox | None
) -> np.ndarray | None:
    """The pixels of a region as a Boolean array, or None where a column has no box."""
    match roi:
        case q.FullImage():
            return np.ones((height, width), bool)
        case q.Box(x0, y0, x1, y1):
            return box_region((given(x0), given(y0), given(x1), given(y1)), height, width)
        case q.DefaultRoi():
            assert default is not None
            return box_region(default, height, width)
        case q.Polygon(coordinates):
            return polygon_region(tuple(given(c) for c in coordinates), height, width)
        case q.Outside(inner):
            pixels = region(inner, height, width, row, default)
            return None if pixels is None else ~pixels
        case q.BoxColumn(name):
            boxes = row[name]
            if boxes is None:
                return None
            if len(boxes) == 4 and not isinstance(boxes[0], tuple | list):
                boxes = [boxes]
            union = np.zeros((height, width), bool)
            for box in boxes:
                union |= box_region(box, height, width)
            return union


def check_roi(roi: q.Roi, columns: dict[str, str], default: q.PixelBox | None) -> None:
    """Refuse a region that means nothing."""
    match roi:
        case q.Outside(inner):
            check_roi(inner, columns, default)
        case q.DefaultRoi() if default is None:
            raise Refusal("no default region is given")
        case q.BoxColumn(name) if columns.get(name) not in ("box", "boxes"):
            raise Refusal(f"{name} is no column of boxes")
        case q.Box(x0, y0, x1, y1):
            if any(type(given(c)) is not int for c in (x0, y0, x1, y1)):
                raise Refusal("a box has integer corners")
        case q.Polygon(coordinates):
            numbers = [given(c) for c in coordinates]
            if len(numbers) < 6 or len(numbers) % 2:
                raise Refusal("a polygon has at least three pairs of coordinates")
            if not all(is_number(c) and math.isfinite(c) for c in numbers):
                raise Refusal("a polygon has finite coordinates")


# ------------------------------------------------------------------ counts


def check_range(values: q.Range) -> None:
    """Refuse a range that is none."""
    lv, uv = given(values.lv), given(values.uv)
    if not (is_number(lv) and is_number(uv)) or math.isnan(lv) or math.isnan(uv):
        raise Refusal("a range has two numbers")
    if lv > uv:
        raise Refusal("a range begins below its end")
    if values.ends not in (None, "[]", "[)", "(]", "()"):
        raise Refusal("the ends of a range are brackets")


def count(pixels: np.ndarray, inside: np.ndarray, values: q.Range, domain: Domain) -> int:
    """How many pixels of the region have a value in the range."""
    lv, uv = float(given(values.lv)), float(given(values.uv))
    ends = values.ends or ("[]" if uv >= domain[1] else "[)")
    above = pixels >= lv if ends[0] == "[" else pixels > lv
    below = pixels <= uv if ends[1] == "]" else pixels < uv
    return int(np.count_nonzero(inside & above & below))


# ------------------------------------------------------------------ mask aggregates


@lru_cache(maxsize=1 << 16)
def exact_mean(values: tuple[float, ...]) -> float:
    """The mean rounded once; NaN if any value is."""
    if any(math.isnan(value) for value in values):
        return math.nan
    return float(sum(map(Fraction, values)) / len(values))


def mean(collection: Collection, members: list[int]) -> np.ndarray:
    """The pixel-wise mean.

    Integers of one type: rounded once from their exact sum. Otherwise: the exact mean of the
    float64 values, rounded once.
    """
    masks = [collection.masks[i] for i in members]
    dtypes = {mask.dtype for mask in masks}
    if len(dtypes) == 1 and masks[0].dtype.kind == "u":
        total = sum(mask.astype(np.int64) for mask in masks)
        k_max = int(np.iinfo(masks[0].dtype).max)
        return scaled(np.asarray(total), len(masks), k_max, collection.domain)
    stack = np.stack([collection.values[i] for i in members], axis=-1)
    means = [exact_mean(tuple(pixel)) for pixel in stack.reshape(-1, len(members)).tolist()]
    return np.array(means, np.float64).reshape(stack.shape[:-1])


def aggregate(
    collection: Collection, members: list[int], operand: q.MaskAggregate
) -> tuple[np.ndarray, Domain]:
    """The pixel values of a mask aggregate over some rows, and their domain."""
    values = [collection.values[i] for i in members]
    if operand.threshold is not None:
        above = COMPARISONS[operand.threshold.op]
        limit = float(given(operand.threshold.value))
        values = [above(pixels, limit).astype(np.float64) for pixels in values]
    domain = collection.domain if operand.threshold is None else (0.0, 1.0)
    if operand.kind == "intersect":
        return np.minimum.reduce(values), domain
    if operand.kind == "union":
        return np.maximum.reduce(values), domain
    if operand.threshold is None:
        return mean(collection, members), domain
    # Sums of zeros and ones are exact, so the division rounds once.
    return np.add.reduce(values) / len(values), domain


def check_aggregate(operand: q.MaskAggregate) -> None:
    """Refuse a threshold that is none."""
    if operand.threshold is not None:
        limit = given(operand.threshold.value)
        if not is_number(limit) or math.isnan(limit):
            raise Refusal("a threshold is a number")
