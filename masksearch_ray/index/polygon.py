"""Pixels of a polygon, exactly."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from masksearch_ray.errors import InputError

__all__ = ["polygon_bitmap"]

Point = tuple[float, float]


@lru_cache(maxsize=16)
def polygon_bitmap(points: tuple[Point, ...], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Pixels whose centre lies inside a polygon by the even-odd rule.

    An edge is crossed in the row of centres at ``yc`` where ``min(ya, yb) <= yc < max(ya, yb)``;
    a centre is inside where an odd number of crossings lies strictly right of it.

    Parameters
    ----------
    points : tuple of (float, float)
        Corners ``(x, y)``; the last joins the first.
    height, width : int
        Of the mask, pixels.

    Returns
    -------
    numpy.ndarray
        bool, shape ``(height, width)``, read-only.

    Raises
    ------
    InputError
        A coordinate is not finite.
    """
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in points):
        raise InputError("a polygon's coordinates must be finite")
    # A crossing turns over every pixel left of it.
    turned = np.zeros((height, width + 1), np.int64)
    for start, stop in zip(points, (*points[1:], points[0]), strict=True):
        for row, pixels in _crossings(start, stop, height, width):
            turned[row, pixels] += 1
    from_right = np.cumsum(turned[:, ::-1], axis=1)[:, ::-1]
    bitmap: npt.NDArray[np.bool_] = from_right[:, 1:] % 2 == 1
    bitmap.setflags(write=False)
    return bitmap


def _crossings(start: Point, stop: Point, height: int, width: int) -> list[tuple[int, int]]:
    """Rows in which an edge is crossed, each with the number of centres left of the crossing."""
    low, high = sorted((start, stop), key=lambda point: point[1])
    xa, ya, xb, yb = (Fraction(v) for v in (*low, *high))
    half = Fraction(1, 2)
    first, last = max(0, math.ceil(ya - half)), min(height, math.ceil(yb - half))
    if first >= last:
        return []
    slope = (xb - xa) / (yb - ya)
    at = xa + (first + half - ya) * slope - half
    # Whole numbers over one denominator: adding fractions row by row would reduce each sum.
    scale = math.lcm(at.denominator, slope.denominator)
    place, step = int(at * scale), int(slope * scale)
    return [
        (row, min(width, max(0, -(-(place + (row - first) * step) // scale))))
        for row in range(first, last)
    ]
