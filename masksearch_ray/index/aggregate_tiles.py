"""Exact counts of pixel-wise aggregates of groups of masks, from the tiles of their members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.group_bounds import Kind, ones_in_range
from masksearch_ray.kernels.group_count import count_extremes, count_ones, count_sums
from masksearch_ray.kernels.ordered import comparable, comparable_cut
from masksearch_ray.model.values import Domain, ValueRange, k_max, pixel_values, stored_cut

__all__ = ["MemberTiles", "count_aggregate_tiles"]

Tile = npt.NDArray[Any]
"""Shape ``(T, T)``, as stored."""
Bitmap = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MemberTiles:
    """A tile of every member of some groups.

    Parameters
    ----------
    pixels : numpy.ndarray or sequence of numpy.ndarray
        Tiles as stored, ``(M, T, T)``; a sequence where dtypes differ.
    members : numpy.ndarray
        int64, shape ``(M,)``: the tile of every member, group after group.
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``,
        at least one.
    """

    pixels: Tile | Sequence[Tile]
    members: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]

    @property
    def side(self) -> int:
        """Side of a tile in pixels."""
        return int(self.pixels[0].shape[0])

    def of(self, g: int) -> list[Tile]:
        """Tiles of the members of a group."""
        at = self.members[self.offsets[g] : self.offsets[g + 1]]
        return [self.pixels[i] for i in at.tolist()]


def count_aggregate_tiles(
    kind: Kind,
    threshold: ValueRange | None,
    held: MemberTiles,
    bitmaps: npt.NDArray[np.bool_] | None,
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
    held : MemberTiles
        Of G groups.
    bitmaps : numpy.ndarray or None
        bool, shape ``(G, T, T)``: pixels of the tile inside the region; None where all are.
    values : ValueRange
        Of the aggregate. NaN, which a NaN in any member brings about, is in no range.
    domain : Domain
        Of the members' values.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(G,)``.
    """
    groups, side = len(held.offsets) - 1, held.side
    counts = np.zeros(groups, np.int64)
    if isinstance(held.pixels, np.ndarray):
        marked = np.ones((0, side, side), np.bool_) if bitmaps is None else bitmaps
        if threshold is not None:
            return _count_ones(kind, threshold, held, marked, values, domain)
        if kind != "avg":
            return _count_extremes(kind, held, marked, values, domain)
        if k_max(held.pixels.dtype.name) is not None:
            return _count_means(held, marked, values, domain)
    # NumPy warns of NaN in more places than it treats it wrongly.
    with np.errstate(invalid="ignore", over="ignore"):
        for g in range(groups):
            members = held.of(g)
            if threshold is not None:
                inside = _ones_inside(kind, threshold, members, values, domain)
            elif kind == "avg":
                inside = _mean_inside(members, values, domain)
            else:
                inside = _extreme_inside(kind, members, values, domain)
            counts[g] = np.count_nonzero(inside if bitmaps is None else inside & bitmaps[g])
    return counts


def _count_ones(
    kind: Kind,
    threshold: ValueRange,
    held: MemberTiles,
    marked: Bitmap,
    values: ValueRange,
    domain: Domain,
) -> npt.NDArray[np.int64]:
    pixels, sizes = np.asarray(held.pixels), np.diff(held.offsets)
    counts = np.zeros(len(sizes), np.int64)
    wanted = {size: ones_in_range(kind, size, values) for size in np.unique(sizes).tolist()}
    starts, stops = np.array([wanted[size] for size in sizes.tolist()], np.int64).reshape(-1, 2).T
    cuts = _cuts(threshold, pixels.dtype, domain)
    if cuts is None:  # no member has ones
        every = marked.sum(axis=(1, 2)) if len(marked) else pixels[0].size
        return np.where((starts <= 0) & (stops > 0), every, counts)
    where = held.members, held.offsets, marked
    count_ones(comparable(pixels), *where, cuts, starts.copy(), stops.copy(), counts)
    return counts


def _count_extremes(
    kind: Kind, held: MemberTiles, marked: Bitmap, values: ValueRange, domain: Domain
) -> npt.NDArray[np.int64]:
    pixels = np.asarray(held.pixels)
    counts = np.zeros(len(held.offsets) - 1, np.int64)
    cuts = _cuts(values, pixels.dtype, domain)
    valid = comparable_cut(-np.inf, pixels.dtype)
    if cuts is not None and valid is not None:
        ends = (pixels.dtype.kind == "f", valid, *cuts)
        where = held.members, held.offsets, marked
        count_extremes(kind == "union", comparable(pixels), *where, ends, counts)
    return counts


def _count_means(
    held: MemberTiles, marked: Bitmap, values: ValueRange, domain: Domain
) -> npt.NDArray[np.int64]:
    pixels, sizes = np.asarray(held.pixels), np.diff(held.offsets).tolist()
    counts = np.zeros(len(sizes), np.int64)
    dtype = pixels.dtype.name
    starts, stops = (
        np.array([_sum_cut(end, dtype, size, domain) for size in sizes], np.int64)
        for end in (values.start, values.stop)
    )
    where = held.members, held.offsets, marked
    count_sums(comparable(pixels), *where, starts, stops, counts)
    return counts


def _cuts(values: ValueRange, dtype: np.dtype[Any], domain: Domain) -> tuple[Any, bool, Any] | None:
    """Cut-offs of a range for kernels: start, whether there is an end, the end; None: nothing."""
    start, stop = (
        comparable_cut(stored_cut(end, dtype.name, domain), dtype)
        for end in (values.start, values.stop)
    )
    # Without an end the start stands in for it, and is not looked at.
    return None if start is None else (start, stop is not None, start if stop is None else stop)


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
