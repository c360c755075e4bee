"""Bounds for pixel-wise aggregates of groups of masks, from the counts of their members.

At a threshold t, with g the pixels of a member at or above t: the minimum reaches t where all
members do, the maximum where any does, and the mean somewhere between. NaN in any member takes the
pixel out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.levels import Bracket
from masksearch_ray.kernels import group_bounds as kernel
from masksearch_ray.kernels.groups import most_pixels
from masksearch_ray.model.values import ValueRange

__all__ = ["Kind", "group_cell_bounds", "ones_in_range", "threshold_cell_bounds"]

Kind = Literal["intersect", "union", "avg"]
Counts = npt.NDArray[np.int64]
"""int64, shape ``(M, cells)``: pixels of the cells of every member."""
_KINDS = {"intersect": kernel.INTERSECT, "union": kernel.UNION, "avg": kernel.MEAN}
Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Lower and upper bounds: int64, shape ``(G, cells)``."""


def group_cell_bounds(
    kind: Kind,
    counts: Mapping[int, Counts],
    bracket: Bracket,
    offsets: npt.NDArray[np.int64],
    areas: npt.NDArray[np.int64],
) -> Bounds:
    """Bound the count of whole cells of every group's aggregate.

    Parameters
    ----------
    kind : {"intersect", "union", "avg"}
        Pixel-wise minimum, maximum or mean.
    counts : mapping of int to numpy.ndarray
        By level index: int64, shape ``(M, cells)``. All of ``bracket.needed_in_groups``, but 0
        only where a member may hold NaN.
    bracket : Bracket
        Of the range among these levels.
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``,
        at least one.
    areas : numpy.ndarray
        int64, shape ``(cells,)``: pixels of each cell.

    Returns
    -------
    c_lo, c_hi : numpy.ndarray
        int64, shape ``(G, cells)``.
    """
    members = int(offsets[-1])
    every = np.broadcast_to(areas, (members, len(areas)))

    nothing = np.zeros((members, 0), np.int64)
    unbounded = bracket.stop_outer == bracket.stop_inner == bracket.none
    known = unbounded, 0 not in counts

    def at(level: int) -> Counts:
        if level == bracket.none:
            return np.zeros(every.shape, np.int64)
        held = every if level == 0 and 0 not in counts else counts[level]
        return np.ascontiguousarray(held)

    start = at(bracket.start_inner), at(bracket.start_outer)
    stop = (nothing,) * 2 if unbounded else (at(bracket.stop_outer), at(bracket.stop_inner))
    lower = np.empty((len(offsets) - 1, len(areas)), np.int64)
    upper = np.empty_like(lower)
    held = (*start, *stop, at(0) if 0 in counts else nothing)
    kernel.aggregate_bounds(_KINDS[kind], held, known, offsets, areas, lower, upper)
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


def threshold_cell_bounds(
    kind: Kind,
    ones_lo: Counts,
    ones_hi: Counts,
    offsets: npt.NDArray[np.int64],
    areas: npt.NDArray[np.int64],
    values: ValueRange,
) -> Bounds:
    """Bound the count of whole cells of every group's aggregate of thresholded members.

    Parameters
    ----------
    kind : {"intersect", "union", "avg"}
    ones_lo, ones_hi : numpy.ndarray
        int64, shape ``(M, cells)``: bounds on the ones of every member, which are its pixels that
        pass the threshold (`masksearch_ray.index.bounds.cell_bounds`).
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``,
        at least one.
    areas : numpy.ndarray
        int64, shape ``(cells,)``: pixels of each cell.
    values : ValueRange
        Of the aggregate's values, which lie in [0, 1].

    Returns
    -------
    c_lo, c_hi : numpy.ndarray
        int64, shape ``(G, cells)``.
    """
    sizes = np.diff(offsets)
    wanted = {int(size): ones_in_range(kind, int(size), values) for size in np.unique(sizes)}
    start = np.array([wanted[int(size)][0] for size in sizes], np.int64)
    stop = np.array([wanted[int(size)][1] for size in sizes], np.int64)

    def at_least(ones: npt.NDArray[np.int64]) -> Bounds:
        # Fewer than that many ones: at least so many zeros.
        fewer = most_pixels(areas - ones_lo, offsets, sizes - ones + 1, areas)
        return areas - fewer, most_pixels(ones_hi, offsets, ones, areas)

    start_lo, start_hi = at_least(start)
    stop_lo, stop_hi = at_least(stop)
    none = (start == stop)[:, None]
    return np.maximum(start_lo - stop_hi, 0), np.where(none, 0, np.maximum(start_hi - stop_lo, 0))
