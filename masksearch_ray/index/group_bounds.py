"""Bounds for pixel-wise aggregates of groups of masks, from the counts of their members.

At a threshold t, with g the pixels of a member at or above t: the minimum reaches t where all
members do, the maximum where any does, and the mean somewhere between. NaN in any member takes the
pixel out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.levels import Bracket
from masksearch_ray.kernels import group_bounds as kernel
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.values import ValueRange

__all__ = [
    "Kind",
    "Sums",
    "gather_members",
    "group_bounds",
    "lane_dtype",
    "ones_in_range",
    "threshold_bounds",
]

Kind = Literal["intersect", "union", "avg"]
Counts = npt.NDArray[np.signedinteger[Any]]
"""Of a `lane_dtype`, shape ``(size, cells, n)``: pixels of the cells of every member of n groups of
one size."""
_KINDS = {"intersect": kernel.INTERSECT, "union": kernel.UNION, "avg": kernel.MEAN}
Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Lower and upper bounds: int64, shape ``(places, n)``."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Which pixels of cells are counted, and which cells are added up.

    Parameters
    ----------
    areas : numpy.ndarray
        int64, shape ``(cells,)``: pixels of each cell.
    inside : numpy.ndarray
        int32, shape ``(cells, n)``: those in the region of each group; ``(cells, 1)`` where they
        are the same in all.
    of_cell : numpy.ndarray
        int32, shape ``(cells,)``: the place at which the bounds of a cell are added up.
    places : int
        How many of these there are.
    """

    areas: npt.NDArray[np.int64]
    inside: npt.NDArray[np.int32]
    of_cell: npt.NDArray[np.int32]
    places: int


def lane_dtype(grid: Grid) -> np.dtype[np.signedinteger[Any]]:
    """Narrowest signed dtype that holds twice the pixels of a cell."""
    return np.dtype(np.min_scalar_type(-2 * int(grid.cell_areas().max()) - 1))


def gather_members(
    counts: npt.NDArray[np.unsignedinteger[Any]],
    rows: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
    held: Counts,
) -> None:
    """Put the counts of masks where their groups have them.

    Parameters
    ----------
    counts : numpy.ndarray
        Shape ``(cells, N)``.
    rows : numpy.ndarray
        int64, shape ``(k,)``: masks.
    at : numpy.ndarray
        int64, shape ``(k,)``, ascending: where each is among all members, of which those of one
        number in their groups follow each other.
    held : numpy.ndarray
        Shape ``(size, cells, n)``; written to.
    """
    members, groups = np.divmod(at, held.shape[2])
    kernel.gather_members(counts, rows, members, groups, held)


def group_bounds(kind: Kind, counts: Mapping[int, Counts], bracket: Bracket, sums: Sums) -> Bounds:
    """Bound the counts of groups' aggregates.

    Parameters
    ----------
    kind : {"intersect", "union", "avg"}
        Pixel-wise minimum, maximum or mean.
    counts : mapping of int to numpy.ndarray
        By level index. All of ``bracket.needed_in_groups``, but 0 only where a member may hold NaN.
    bracket : Bracket
        Of the range among these levels.
    sums : Sums

    Returns
    -------
    lower, upper : numpy.ndarray
        int64, shape ``(places, n)``.
    """
    some = next(iter(counts.values()))
    size, _, n = some.shape
    unbounded = bracket.stop_outer == bracket.stop_inner == bracket.none
    # The kernel does not look at it.
    nothing = np.zeros((size, 0), some.dtype)

    def at(level: int) -> Counts:
        if level == 0 and 0 not in counts:
            every = np.repeat(sums.areas.astype(some.dtype), n)
            return np.repeat(every[None], size, axis=0)
        if level == bracket.none:
            return np.zeros((size, len(sums.areas) * n), some.dtype)
        return counts[level].reshape(size, -1)

    start = at(bracket.start_inner), at(bracket.start_outer)
    stop = (nothing,) * 2 if unbounded else (at(bracket.stop_outer), at(bracket.stop_inner))
    lower, upper = np.zeros((2, sums.places, n), np.int64)
    held = (*start, *stop, at(0) if 0 in counts else nothing)
    known, cells = (unbounded, 0 not in counts), (sums.areas, sums.inside, sums.of_cell)
    kernel.aggregate_bounds(_KINDS[kind], held, known, cells, lower, upper)
    return lower, upper


def ones_in_range(kind: Kind, size: int, values: ValueRange) -> tuple[int, int]:
    """Numbers of ones among members for which the aggregate of 0/1 masks lies in a range.

    Parameters
    ----------
    kind : {"intersect", "union", "avg"}
    size : int
        Members of the group.
    values : ValueRange

    Returns
    -------
    start, stop : int
        ``start <= ones < stop``.
    """

    def aggregate(ones: int) -> float:
        if kind == "avg":
            return ones / size
        return float(ones == size if kind == "intersect" else ones > 0)

    counts = range(size + 1)
    start = bisect_left(counts, values.start, key=aggregate)
    return start, max(start, bisect_left(counts, values.stop, key=aggregate))


def threshold_bounds(
    kind: Kind, ones_lo: Counts, ones_hi: Counts, values: ValueRange, sums: Sums
) -> Bounds:
    """Bound the counts of groups' aggregates of thresholded members.

    Parameters
    ----------
    kind : {"intersect", "union", "avg"}
    ones_lo, ones_hi : numpy.ndarray
        Bounds on the ones of every member, which are its pixels that pass the threshold
        (`masksearch_ray.index.bounds.cell_bounds`).
    values : ValueRange
        Of the aggregate's values, which lie in [0, 1].
    sums : Sums

    Returns
    -------
    lower, upper : numpy.ndarray
        int64, shape ``(places, n)``.
    """
    size, _, n = ones_lo.shape
    start, stop = ones_in_range(kind, size, values)
    low, high = (np.ascontiguousarray(ones).reshape(size, -1) for ones in (ones_lo, ones_hi))
    lower, upper = np.zeros((2, sums.places, n), np.int64)
    cells = sums.areas, sums.inside, sums.of_cell
    kernel.ones_bounds(low, high, start, stop, cells, lower, upper)
    return lower, upper
