"""Exact counts of pixel-wise aggregates of groups of masks, from the tiles of their members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.group_bounds import Kind, ones_in_range
from masksearch_ray.kernels.ordered import comparable, comparable_cut
from masksearch_ray.model.values import Domain, ValueRange, k_max, pixel_values, stored_cut

__all__ = ["count_aggregate_tiles"]

Tile = npt.NDArray[Any]
"""Shape ``(T, T)``, as stored."""
Bitmap = npt.NDArray[np.bool_]


def count_aggregate_tiles(
    kind: Kind,
    threshold: ValueRange | None,
    pixels: Sequence[Tile],
    offsets: npt.NDArray[np.int64],
    bitmaps: npt.NDArray[np.bool_],
    values: ValueRange,
    domain: Domain,
) -> npt.NDArray[np.int64]:
    """Count the marked pixels of one tile of every group at which the aggregate lies in a range.

    Parameters
    ----------
    kind : {"intersect", "union", "avg"}
        Pixel-wise minimum, maximum, or mean: of integers from their exact sum, else of the float64
        values, rounded once.
    threshold : ValueRange, optional
        Members become 0/1 masks first: 1 where the value lies in this range.
    pixels : sequence of numpy.ndarray
        The tile of every member, shape ``(T, T)``, as stored; dtypes may differ.
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``,
        at least one.
    bitmaps : numpy.ndarray
        bool, shape ``(G, T, T)``: pixels of the tile inside the region.
    values : ValueRange
        Of the aggregate. NaN, which a NaN in any member brings about, is in no range.
    domain : Domain
        Of the members' values.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(G,)``.
    """
    counts = np.zeros(len(bitmaps), np.int64)
    # NumPy warns of NaN in more places than it treats it wrongly.
    with np.errstate(invalid="ignore", over="ignore"):
        for g, marked in enumerate(bitmaps):
            members = pixels[offsets[g] : offsets[g + 1]]
            if threshold is not None:
                inside = _ones_inside(kind, threshold, members, values, domain)
            elif kind == "avg":
                inside = _mean_inside(members, values, domain)
            else:
                inside = _extreme_inside(kind, members, values, domain)
            counts[g] = np.count_nonzero(inside & marked)
    return counts


def _ones_inside(
    kind: Kind, threshold: ValueRange, members: Sequence[Tile], values: ValueRange, domain: Domain
) -> Bitmap:
    start, stop = ones_in_range(kind, len(members), values)
    ones = np.zeros(members[0].shape, np.int32)
    for member in members:
        ones += _stored_inside(member, threshold, domain)
    return (ones >= start) & (ones < stop)


def _extreme_inside(
    kind: Kind, members: Sequence[Tile], values: ValueRange, domain: Domain
) -> Bitmap:
    pick = np.minimum if kind == "intersect" else np.maximum
    if len({member.dtype for member in members}) > 1:
        members = [pixel_values(member, domain) for member in members]
        extreme = pick.reduce(members)
        return np.asarray((extreme >= values.start) & (extreme < values.stop))
    return _stored_inside(pick.reduce(members), values, domain)


def _stored_inside(tile: Tile, values: ValueRange, domain: Domain) -> Bitmap:
    """Pixels whose value lies in a range, by cut-offs in stored units."""
    start, stop = (
        comparable_cut(stored_cut(end, tile.dtype.name, domain), tile.dtype)
        for end in (values.start, values.stop)
    )
    stored = comparable(tile)
    inside = np.zeros(tile.shape, np.bool_) if start is None else stored >= start
    return np.asarray(inside if stop is None else inside & (stored < stop))


def _mean_inside(members: Sequence[Tile], values: ValueRange, domain: Domain) -> Bitmap:
    dtype = members[0].dtype.name
    if any(member.dtype.name != dtype for member in members) or k_max(dtype) is None:
        return _float_mean_inside([pixel_values(m, domain) for m in members], values)
    total = np.add.reduce([member.astype(np.int64) for member in members])
    start, stop = (
        _sum_cut(end, dtype, len(members), domain) for end in (values.start, values.stop)
    )
    return np.asarray((total >= start) & (total < stop))


@lru_cache(maxsize=4096)
def _sum_cut(value: float, dtype: str, size: int, domain: Domain) -> int:
    """Smallest sum of stored integers whose mean, rounded once, reaches a value."""
    top = k_max(dtype)
    assert top is not None
    lo, hi = (0.0, 1.0) if dtype == "bool" else (domain.lo, domain.hi)
    most = size * top
    return _first(
        most + 1, lambda s: float(Fraction(lo) + (Fraction(hi) - Fraction(lo)) * s / most) >= value
    )


def _first(stop: int, holds: Callable[[int], bool]) -> int:
    """Smallest number below `stop` from which on a monotone property holds, or `stop`."""
    start = 0
    while start < stop:
        middle = (start + stop) // 2
        if holds(middle):
            stop = middle
        else:
            start = middle + 1
    return start


def _float_mean_inside(members: Sequence[npt.NDArray[np.float64]], values: ValueRange) -> Bitmap:
    """Pixels at which the exact mean, rounded once, lies in a range."""
    size = len(members)
    total = np.zeros(members[0].shape)
    rounded = np.zeros(members[0].shape, np.bool_)
    for member in members:
        total, error = _two_sum(total, member)
        rounded |= error != 0
    mean = total / size
    nan = np.logical_or.reduce([np.isnan(member) for member in members])
    # Where no sum was rounded the quotient is right; else it may be off by less than this margin.
    largest = np.add.reduce([np.abs(member) for member in members]) / size
    margin = (size + 4) * 2.0**-52 * largest + 2.0**-1000
    clear = (np.abs(mean - values.start) > margin) & (np.abs(mean - values.stop) > margin)
    for y, x in np.argwhere(rounded & ~clear & ~nan):
        exact = sum((Fraction(float(member[y, x])) for member in members), Fraction())
        mean[y, x] = float(exact / size)
    return np.asarray((mean >= values.start) & (mean < values.stop) & ~nan)


def _two_sum(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give the rounded sum and what rounding took away (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
