"""Quotients of counts of which one cannot exceed the other.

Interval arithmetic takes numerator and denominator for independent. Where all that the numerator
counts is counted by the denominator, too, the quotient is at most 1, and a top-k of shares (how
much of the attention lies outside the object?) need not verify what seems to exceed it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from masksearch_ray.execute.interval import Interval
from masksearch_ray.model.query import CountPixels, Expr
from masksearch_ray.model.roi import Box, FullImage, Roi

__all__ = ["at_most_one", "is_share"]

_TOP = 1.0  # largest value of a mask aggregate of thresholded masks


def is_share(numerator: Expr, denominator: Expr) -> bool:
    """Whether each pixel that the numerator counts is one that the denominator counts."""
    if not isinstance(numerator, CountPixels) or not isinstance(denominator, CountPixels):
        return False
    if numerator.range != denominator.range or not _within(numerator.roi, denominator.roi):
        return False
    if numerator.source == denominator.source:
        return True
    # Above a threshold there is at least as much of the union as of the intersection.
    first, second = numerator.source, denominator.source
    return (
        (first.aggregate, second.aggregate) == ("intersect", "union")
        and first.threshold is not None
        and first.threshold == second.threshold
        and numerator.range.stop > _TOP
    )


def _within(inner: Roi, outer: Roi) -> bool:
    if inner == outer or isinstance(outer, FullImage):
        return True
    if isinstance(inner, Box) and isinstance(outer, Box):
        starts = outer.x0 <= inner.x0 and outer.y0 <= inner.y0
        return starts and inner.x1 <= outer.x1 and inner.y1 <= outer.y1
    return False


def at_most_one(quotient: Interval) -> Interval:
    """Bounds of a quotient that is known to be at most 1.

    Rounding keeps that: the quotient of integers ``a <= b`` is at most 1.0 in float64.
    """
    if quotient.upper is quotient.lower:
        return quotient
    return replace(
        quotient,
        lower=np.minimum(quotient.lower, 1.0),
        upper=np.minimum(quotient.upper, 1.0),
    )
