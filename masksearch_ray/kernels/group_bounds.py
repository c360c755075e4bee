"""Bounds for pixel-wise aggregates of the masks of a group, cell by cell."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["INTERSECT", "MEAN", "UNION", "aggregate_bounds"]

INTERSECT, UNION, MEAN = 0, 1, 2


@numba.njit(cache=True, nogil=True)
def aggregate_bounds(
    kind: int, counts: Any, known: Any, offsets: Any, areas: Any, lower: Any, upper: Any
) -> None:
    """Bound the pixels of whole cells at which the aggregate of a group lies in a range.

    Parameters
    ----------
    kind : int
        `INTERSECT`, `UNION` or `MEAN`.
    counts : tuple of five numpy.ndarray
        Pixels of each member's cells, ``(M, cells)``: bounds from below and from above on those at
        or above the start of the range, the same for its end, and those that are not NaN.
    known : tuple of bool
        Whether no pixel is at or above the end, and whether none is NaN: then the counts of either
        are not read.
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``,
        at least one.
    areas : numpy.ndarray
        int64, shape ``(cells,)``.
    lower, upper : numpy.ndarray
        int64, shape ``(G, cells)``; written to.
    """
    start_low, start_high, stop_low, stop_high, valid = counts
    unbounded, whole = known
    cells = len(areas)
    # Bounds from below and from above, of the start and of the end; what lies among them.
    ends = np.empty((4, cells), np.int64)
    among = np.empty(cells, np.int64)
    scratch = np.empty((5, cells), np.int64)
    for g in range(len(lower)):
        first, last = offsets[g], offsets[g + 1]
        held = valid[first:last]
        low, high = start_low[first:last], start_high[first:last]
        _reaching(kind, low, high, held, whole, areas, scratch, ends[:2])
        if unbounded:
            ends[2:] = 0
        else:
            low, high = stop_low[first:last], stop_high[first:last]
            _reaching(kind, low, high, held, whole, areas, scratch, ends[2:])
        # Without an end there is no more in the range than reaches its start.
        if kind == MEAN or unbounded:
            among[:] = areas
        else:
            # An extreme of the members is the value of one of them, which lies in the range, too.
            among[:] = 0
            for m in range(first, last):
                for c in range(cells):
                    among[c] += max(np.int64(0), start_high[m, c] - stop_low[m, c])
        for c in range(cells):
            lower[g, c] = max(np.int64(0), ends[0, c] - ends[3, c])
            upper[g, c] = max(np.int64(0), min(ends[1, c] - ends[2, c], among[c]))


@numba.njit(cache=True, nogil=True)
def _reaching(
    kind: int, low: Any, high: Any, valid: Any, whole: bool, areas: Any, scratch: Any, bounds: Any
) -> None:
    """Bound the pixels at which the aggregate reaches a threshold, from those of the members."""
    cells = len(areas)
    missing, least = scratch[0], bounds[1]
    missing[:] = 0
    least[:] = areas
    for m in range(len(low)):
        for c in range(cells):
            missing[c] += areas[c] - low[m, c]
            least[c] = min(least[c], high[m, c])
    for c in range(cells):
        # All members reach it where none does not.
        bounds[0, c] = areas[c] - min(missing[c], areas[c])
    if kind == INTERSECT:
        return
    total, least_valid, nan, surest = scratch[1:]
    total[:] = 0
    nan[:] = 0
    surest[:] = 0
    least_valid[:] = areas
    if whole:
        _add_whole(low, high, total, surest)
    else:
        _add(low, high, valid, areas, scratch[1:])
    for c in range(cells):
        bounds[1, c] = min(min(total[c], areas[c]), least_valid[c])
        if kind == UNION:
            # Where a member reaches it the maximum does, unless another member is NaN there.
            bounds[0, c] = max(np.int64(0), surest[c] - nan[c])


@numba.njit(cache=True, nogil=True)
def _add_whole(low: Any, high: Any, total: Any, surest: Any) -> None:
    for m in range(len(low)):
        for c in range(len(total)):
            total[c] += high[m, c]
            surest[c] = max(surest[c], low[m, c])


@numba.njit(cache=True, nogil=True)
def _add(low: Any, high: Any, valid: Any, areas: Any, scratch: Any) -> None:
    total, least_valid, nan, surest = scratch
    for m in range(len(low)):
        for c in range(len(areas)):
            total[c] += high[m, c]
            lost = areas[c] - valid[m, c]
            nan[c] += lost
            surest[c] = max(surest[c], low[m, c] + lost)
            least_valid[c] = min(least_valid[c], valid[m, c])
