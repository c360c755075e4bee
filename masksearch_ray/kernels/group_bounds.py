"""Bounds for pixel-wise aggregates of the masks of groups, all of one size.

Groups lie side by side in *lanes*: the counts of a member are of all cells of all groups, cell
after cell, ``(cells * n,)``, in integers as narrow as twice a cell's pixels allow. Some cells are
bounded at a time, so that what is derived from their counts stays in the cache.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = [
    "INTERSECT",
    "MEAN",
    "UNION",
    "aggregate_bounds",
    "gather_members",
    "most_pixels",
    "ones_bounds",
]

INTERSECT, UNION, MEAN = 0, 1, 2

_TOGETHER = 2048  # lanes bounded at a time
_LONG = 8  # members in a row, on the average, from which on to copy them as one pays


@numba.njit(cache=True, nogil=True)
def gather_members(counts: Any, rows: Any, members: Any, groups: Any, held: Any) -> None:
    """Put the counts of masks where their groups have them.

    Parameters
    ----------
    counts : numpy.ndarray
        Unsigned integers, shape ``(cells, N)``.
    rows, members, groups : numpy.ndarray
        int64, shape ``(k,)``: masks, and which member of which group each is.
    held : numpy.ndarray
        Shape ``(size, cells, n)``; written to.
    """
    starts, runs = np.empty(len(rows) + 1, np.int64), 0
    for i in range(len(rows)):
        goes_on = (
            i > 0
            and rows[i] == rows[i - 1] + 1
            and groups[i] == groups[i - 1] + 1
            and members[i] == members[i - 1]
        )
        if not goes_on:
            starts[runs] = i
            runs += 1
    starts[runs] = len(rows)
    for c in range(len(counts)):
        if len(rows) < _LONG * runs:
            for i in range(len(rows)):
                held[members[i], c, groups[i]] = counts[c, rows[i]]
            continue
        for r in range(runs):
            i, size = starts[r], starts[r + 1] - starts[r]
            column = counts[c, rows[i] : rows[i] + size]
            lanes = held[members[i], c, groups[i] : groups[i] + size]
            for j in range(size):
                lanes[j] = column[j]


@numba.njit(cache=True, nogil=True)
def aggregate_bounds(
    kind: int, counts: Any, known: Any, cells: Any, lower: Any, upper: Any
) -> None:
    """Bound the pixels of regions at which the aggregates of groups lie in a range.

    Parameters
    ----------
    kind : int
        `INTERSECT`, `UNION` or `MEAN`.
    counts : tuple of five numpy.ndarray
        Pixels of each member's cells, ``(size, cells * n)``: bounds from below and from above on
        those at or above the start of the range, the same for its end, and those that are not NaN.
    known : tuple of bool
        Whether no pixel is at or above the end, and whether none is NaN: then the counts of either
        are not read.
    cells : tuple of three numpy.ndarray
        Pixels of each cell, int64, shape ``(cells,)``; those in the region, int32, ``(cells, n)``,
        or ``(cells, 1)`` where they are the same in all groups; and where the bounds of a cell are
        added up, int32, ``(cells,)``.
    lower, upper : numpy.ndarray
        int64, shape ``(places, n)``; added to.
    """
    start_low, start_high, stop_low, stop_high, valid = counts
    unbounded, whole = known
    areas, n = cells[0], lower.shape[1]
    together = max(1, _TOGETHER // max(1, n))
    lanes = np.empty((6, together * n), start_low.dtype)
    for first in range(0, len(areas), together):
        last = min(len(areas), first + together)
        # Sliced so that loops know that what they go over is contiguous.
        begin, size = first * n, (last - first) * n
        area, nan = lanes[0, :size], lanes[1, :size]
        least, most = lanes[2, :size], lanes[3, :size]
        stop_least, stop_most = lanes[4, :size], lanes[5, :size]
        _fill(areas[first:last], area)
        held = start_low, start_high, valid
        _reaching(kind, held, begin, whole, area, nan, least, most)
        if not unbounded:
            held = stop_low, stop_high, valid
            _reaching(kind, held, begin, whole, area, nan, stop_least, stop_most)
            _between(least, most, stop_least, stop_most)
            if kind != MEAN:
                # An extreme of the members is the value of one of them, in the range like it.
                _among(start_high, stop_low, begin, area, nan, most)
        _add_up(least, most, first, cells, lower, upper)


@numba.njit(cache=True, nogil=True)
def ones_bounds(
    low: Any, high: Any, start: int, stop: int, cells: Any, lower: Any, upper: Any
) -> None:
    """Bound the pixels of regions that are ones in so many members.

    Parameters
    ----------
    low, high : numpy.ndarray
        Bounds on the ones of each member's cells, ``(size, cells * n)``.
    start, stop : int
        In how many members at least, and in fewer than how many.
    cells, lower, upper
        As in `aggregate_bounds`.
    """
    areas, n = cells[0], lower.shape[1]
    together = max(1, _TOGETHER // max(1, n))
    lanes = np.empty((5, together * n), low.dtype)
    for first in range(0, len(areas), together):
        last = min(len(areas), first + together)
        begin, size = first * n, (last - first) * n
        area, least, most = lanes[0, :size], lanes[1, :size], lanes[2, :size]
        stop_least, stop_most = lanes[3, :size], lanes[4, :size]
        _fill(areas[first:last], area)
        # Fewer ones than that: at least so many zeros.
        zeros, ones = np.empty((len(low), size), low.dtype), np.empty((len(low), size), low.dtype)
        for m in range(len(low)):
            _copy(high[m, begin : begin + size], ones[m])
            _subtract(area, low[m, begin : begin + size], zeros[m])
        _rest(zeros, len(low) - start + 1, area, least)
        most_pixels(ones, start, area, most)
        _rest(zeros, len(low) - stop + 1, area, stop_least)
        most_pixels(ones, stop, area, stop_most)
        _between(least, most, stop_least, stop_most)
        if start == stop:
            most[:] = 0
        _add_up(least, most, first, cells, lower, upper)


@numba.njit(cache=True, nogil=True)
def most_pixels(counts: Any, wanted: int, areas: Any, most: Any) -> None:
    """Bound from above how many pixels are marked in at least some number of members.

    A pixel marked in j members is marked in at least j - k of those that remain when the k members
    with the most marks are left out, so there are at most ``sum of the others // (j - k)``.

    Parameters
    ----------
    counts : numpy.ndarray
        Shape ``(size, lanes)``: marked pixels of every member.
    wanted : int
        At least how many members; 0 or less holds everywhere.
    areas : numpy.ndarray
        Shape ``(lanes,)``: pixels of each cell.
    most : numpy.ndarray
        Shape ``(lanes,)``; written to.
    """
    size = len(counts)
    if wanted > size:
        most[:] = 0
    elif wanted <= 0 or wanted == size:
        most[:] = areas
        for m in range(size if wanted > 0 else 0):
            _lessen(counts[m], most)
    elif wanted == 1:
        most[:] = 0
        for m in range(size):
            _add_to(counts[m], areas, most)
    else:
        for i in range(len(areas)):
            most[i] = _some(counts[:, i], wanted, areas[i])


@numba.njit(cache=True, nogil=True)
def _some(counts: Any, wanted: int, area: int) -> Any:
    ascending = np.sort(counts)
    left = np.int64(0)
    for one in ascending:
        left += np.int64(one)
    best = min(np.int64(area), left // wanted)
    for k in range(1, wanted):
        left -= np.int64(ascending[len(ascending) - k])
        best = min(best, left // (wanted - k))
    return best


@numba.njit(cache=True, nogil=True)
def _rest(counts: Any, wanted: int, areas: Any, least: Any) -> None:
    most_pixels(counts, wanted, areas, least)
    for i in range(len(least)):
        least[i] = areas[i] - least[i]


@numba.njit(cache=True, nogil=True)
def _reaching(
    kind: int, counts: Any, begin: int, whole: bool, area: Any, nan: Any, least: Any, most: Any
) -> None:
    """Bound the pixels at which the aggregate reaches a threshold, from those of the members."""
    low, high, valid = counts
    end, members = begin + len(area), len(low)
    if kind == INTERSECT:
        most[:] = area
        for m in range(members):
            _lessen(high[m, begin:end], most)
    else:
        most[:] = 0
        for m in range(members):
            _add_to(high[m, begin:end], area, most)
        for m in range(0 if whole else members):
            _lessen(valid[m, begin:end], most)
    if kind != UNION:
        # All members reach it where none does not.
        least[:] = area
        for m in range(members):
            _take_missing(low[m, begin:end], area, least)
        return
    least[:] = 0
    for m in range(0 if not whole else members):
        _raise(low[m, begin:end], least)
    if not whole:
        # Where a member reaches it the maximum does, unless another member is NaN there.
        nan[:] = 0
        for m in range(members):
            _see_nan(low[m, begin:end], valid[m, begin:end], area, nan, least)
        _take(nan, least)


@numba.njit(cache=True, nogil=True)
def _take_missing(low: Any, area: Any, least: Any) -> None:
    zero = least.dtype.type(0)
    for i in range(len(least)):
        least[i] = max(least.dtype.type(least[i] - area[i] + low[i]), zero)


@numba.njit(cache=True, nogil=True)
def _lessen(bound: Any, most: Any) -> None:
    for i in range(len(most)):
        most[i] = min(most[i], bound[i])


@numba.njit(cache=True, nogil=True)
def _raise(bound: Any, least: Any) -> None:
    for i in range(len(least)):
        least[i] = max(least[i], bound[i])


@numba.njit(cache=True, nogil=True)
def _add_to(counts: Any, area: Any, most: Any) -> None:
    """Add counts, but no more than there are pixels."""
    for i in range(len(most)):
        most[i] = min(most.dtype.type(most[i] + counts[i]), area[i])


@numba.njit(cache=True, nogil=True)
def _see_nan(low: Any, valid: Any, area: Any, nan: Any, surest: Any) -> None:
    lane = nan.dtype.type
    for i in range(len(area)):
        lost = lane(area[i] - valid[i])
        nan[i] = min(lane(nan[i] + lost), area[i])
        surest[i] = max(surest[i], lane(low[i] + lost))


@numba.njit(cache=True, nogil=True)
def _take(counts: Any, least: Any) -> None:
    """Subtract counts, but no more than there are."""
    zero = least.dtype.type(0)
    for i in range(len(least)):
        least[i] = max(least.dtype.type(least[i] - counts[i]), zero)


@numba.njit(cache=True, nogil=True)
def _copy(counts: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = counts[i]


@numba.njit(cache=True, nogil=True)
def _subtract(counts: Any, less: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = counts[i] - less[i]


@numba.njit(cache=True, nogil=True)
def _between(least: Any, most: Any, stop_least: Any, stop_most: Any) -> None:
    """Take those that reach the end from those that reach the start."""
    _take(stop_most, least)
    _take(stop_least, most)


@numba.njit(cache=True, nogil=True)
def _among(start_high: Any, stop_low: Any, begin: int, area: Any, among: Any, most: Any) -> None:
    end = begin + len(area)
    among[:] = 0
    for m in range(len(start_high)):
        _add_range(start_high[m, begin:end], stop_low[m, begin:end], area, among)
    _lessen(among, most)


@numba.njit(cache=True, nogil=True)
def _add_range(high: Any, low: Any, area: Any, among: Any) -> None:
    lane = among.dtype.type
    for i in range(len(among)):
        inside = max(lane(high[i] - low[i]), lane(0))
        among[i] = min(lane(among[i] + inside), area[i])


@numba.njit(cache=True, nogil=True)
def _fill(areas: Any, area: Any) -> None:
    n = len(area) // max(1, len(areas))
    for c in range(len(areas)):
        area[c * n : (c + 1) * n] = areas[c]


@numba.njit(cache=True, nogil=True)
def _add_up(least: Any, most: Any, first: int, cells: Any, lower: Any, upper: Any) -> None:
    """Add bounds on whole cells, from the first of these on, as far as the region holds them."""
    areas, inside, places = cells
    n, lane = lower.shape[1], least.dtype.type
    for at in range(len(least) // max(1, n)):
        c = first + at
        low, high = least[at * n : (at + 1) * n], most[at * n : (at + 1) * n]
        to_low, to_high = lower[places[c]], upper[places[c]]
        if inside.shape[1] != n:
            held, rest = lane(inside[c, 0]), lane(areas[c] - inside[c, 0])
            if held == 0:
                continue
            for i in range(n):
                to_high[i] += min(high[i], held)
                to_low[i] += max(low[i], rest) - rest
        else:
            for i in range(n):
                within = lane(inside[c, i])
                rest = lane(areas[c] - inside[c, i])
                to_high[i] += min(high[i], within)
                to_low[i] += max(low[i], rest) - rest
