"""Bounds for pixel-wise aggregates of groups of masks, from the counts of their members.

At a threshold t, with g the pixels of a member at or above t: the minimum reaches t where all
members do, the maximum where any does, and the mean somewhere between. NaN in any member takes the
pixel out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.levels import Bracket
from masksearch_ray.kernels.groups import most_pixels
from masksearch_ray.model.values import ValueRange

__all__ = [
    "Kind",
    "MemberCounts",
    "group_cell_bounds",
    "join_members",
    "ones_in_range",
    "threshold_cell_bounds",
]

Kind = Literal["intersect", "union", "avg"]
Counts = npt.NDArray[np.int64]
"""int64, shape ``(M, cells)``: pixels of the cells of every member."""
Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Lower and upper bounds: int64, shape ``(G, cells)``."""


@dataclass(frozen=True, eq=False)
class MemberCounts:
    """Bounds on the pixels of every member, cell by cell, at both ends of a range of values.

    Parameters
    ----------
    start_lo, start_hi : numpy.ndarray
        Pixels with a value at or above the start of the range: int64, shape ``(M, cells)``.
    stop_lo, stop_hi : numpy.ndarray
        Pixels with a value at or above its end.
    valid : numpy.ndarray
        Pixels that are not NaN, exactly.
    """

    start_lo: Counts
    start_hi: Counts
    stop_lo: Counts
    stop_hi: Counts
    valid: Counts

    @classmethod
    def of(
        cls,
        counts: Mapping[int, npt.NDArray[Any]],
        bracket: Bracket,
        areas: npt.NDArray[np.int64],
        members: int,
    ) -> MemberCounts:
        """Take the counts of members that lie in one block.

        Parameters
        ----------
        counts : mapping of int to numpy.ndarray
            By level index, shape ``(M, cells)``: all of ``bracket.needed_in_groups``, but 0 where
            the block holds no NaN.
        bracket : Bracket
            Of the range in this block.
        areas : numpy.ndarray
            int64, shape ``(cells,)``: pixels of each cell.
        members : int
            M.
        """
        full = np.broadcast_to(areas, (members, len(areas)))

        def at(level: int) -> Counts:
            if level == bracket.none:
                return np.zeros(full.shape, np.int64)
            if level == 0 and 0 not in counts:
                return full
            return counts[level].astype(np.int64)

        return cls(
            start_lo=at(bracket.start_inner),
            start_hi=at(bracket.start_outer),
            stop_lo=at(bracket.stop_outer),
            stop_hi=at(bracket.stop_inner),
            valid=at(0),
        )


def join_members(parts: Sequence[MemberCounts], order: npt.NDArray[np.intp]) -> MemberCounts:
    """Join the members of several blocks, and bring them into another order.

    Parameters
    ----------
    parts : sequence of MemberCounts
        At least one; of one grid.
    order : numpy.ndarray
        Integers, shape ``(M,)``: which of all members, counted through `parts`, comes where.
    """
    return MemberCounts(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])[order]
            for field in fields(MemberCounts)
        )
    )


def group_cell_bounds(
    kind: Kind,
    members: MemberCounts,
    offsets: npt.NDArray[np.int64],
    areas: npt.NDArray[np.int64],
) -> Bounds:
    """Bound the count of whole cells of every group's aggregate.

    Parameters
    ----------
    kind : {"intersect", "union", "avg"}
        Pixel-wise minimum, maximum or mean.
    members : MemberCounts
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
    start_lo, start_hi = _reaching(
        kind, members, members.start_lo, members.start_hi, offsets, areas
    )
    stop_lo, stop_hi = _reaching(kind, members, members.stop_lo, members.stop_hi, offsets, areas)
    upper = start_hi - stop_lo
    if kind != "avg":
        # The extreme of the members is the value of one of them, which lies in the range, too.
        in_range = np.maximum(members.start_hi - members.stop_lo, 0)
        upper = np.minimum(upper, np.add.reduceat(in_range, offsets[:-1], axis=0))
    return np.maximum(start_lo - stop_hi, 0), np.maximum(upper, 0)


def _reaching(
    kind: Kind,
    members: MemberCounts,
    low: Counts,
    high: Counts,
    offsets: npt.NDArray[np.int64],
    areas: npt.NDArray[np.int64],
) -> Bounds:
    """Bound the pixels at which the aggregate reaches a threshold that members reach so often."""
    sizes, ones = np.diff(offsets), np.ones(len(offsets) - 1, np.int64)
    all_reach = areas - most_pixels(areas - low, offsets, ones, areas)
    if kind == "intersect":
        return all_reach, most_pixels(high, offsets, sizes, areas)
    any_reach = np.minimum(
        most_pixels(high, offsets, ones, areas), most_pixels(members.valid, offsets, sizes, areas)
    )
    if kind == "avg":
        return all_reach, any_reach
    # Where a member reaches the threshold the maximum does, unless another member is NaN there.
    nan = areas - members.valid
    surely = np.maximum.reduceat(low + nan, offsets[:-1], axis=0)
    surely -= np.add.reduceat(nan, offsets[:-1], axis=0)
    return np.maximum(surely, 0), any_reach


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
