"""Bounds on pixel counts, cell by cell.

The narrower integers are, the more of them are added at once. Sums of some cells, as many as fit,
are kept in *lanes* no wider than the counts need, and then moved to wide ones.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = [
    "ALL",
    "BOXES",
    "COLUMN",
    "DENSE",
    "NONE",
    "OUTSIDE_BOXES",
    "sum_bounds",
    "sum_constant_bounds",
    "tile_sums",
]

# What stands for a level's counts: every pixel of the cell, no pixel, or a stored column.
ALL, NONE, COLUMN = 0, 1, 2
# What says how many pixels of a cell lie in the region of each mask: a box a mask, the complement
# of a box a mask, or a number a cell and mask.
BOXES, OUTSIDE_BOXES, DENSE = 0, 1, 2
# Masks bounded together: their sums stay in the cache while column after column streams through,
# and with boxes so do their overlaps with every column of cells. Where only sums are kept they may
# fill the second cache: the longer a column is read on, the better the processor reads ahead.
_CONSTANT_CHUNK, _CHUNK = 16384, 2048


@numba.njit(cache=True, nogil=True)
def sum_constant_bounds(
    outer: Any, inner: Any, modes: Any, cells: Any, areas: Any, inside: Any, most: Any, sums: Any
) -> None:
    """Add up the bounds of the cells that a region touches, the same in every mask.

    Parameters
    ----------
    outer, inner : tuple of two numpy.ndarray
        Counts at the start and the end of the outer and the inner range, each ``(cells, N)``.
    modes : numpy.ndarray
        int64, shape ``(2, 2)``: what stands for each of them. ``[ALL, ALL]`` for `inner`: there is
        no inner range; ``[-1, -1]``: it is the outer range.
    cells : numpy.ndarray
        int32: cells to add up; no others are read.
    areas, inside : numpy.ndarray
        int64 and int32, shape ``(cells,)``: pixels of each cell, and those in the region.
    most : numpy.unsignedinteger
        How many cells' pixels a lane holds, of the dtype of lanes.
    sums : tuple of two numpy.ndarray
        int64, shape ``(N,)`` each: lower and upper bounds, written to.
    """
    n, exact = len(sums[0]), modes[1, 0] == -1
    plain = exact and modes[0, 0] == COLUMN and modes[0, 1] != ALL
    cells, whole = _whole_first(cells, areas, inside)
    lanes = np.empty((5, min(n, _CONSTANT_CHUNK)), np.asarray(most).dtype)
    for first in range(0, n, _CONSTANT_CHUNK):
        size = min(n - first, _CONSTANT_CHUNK)
        lower, upper, both = lanes[0, :size], lanes[1, :size], lanes[2, :size]
        high, low = lanes[3, :size], lanes[3 if exact else 4, :size]
        _clear(sums, first, size)
        for begin in range(0, len(cells), most):
            end = min(len(cells), begin + np.int64(most))
            split = max(begin, min(end, whole))
            lanes[:3] = 0
            for end_of in range(1 if exact else 2):
                ends, lane = (outer, both if exact else upper) if end_of == 0 else (inner, lower)
                _add_whole(ends, modes[end_of], cells[begin:split], areas, first, lane)
            others = cells[split:end]
            if plain and modes[0, 1] == NONE:
                _clip_columns(outer[0], others, areas, inside, first, lower, upper)
            elif plain:
                _clip_pairs(outer, others, areas, inside, first, lower, upper)
            else:
                for c in others:
                    _differences(outer, inner, modes, c, areas[c], first, high, low)
                    _clip(high, low, inside[c], areas[c] - inside[c], lower, upper)
            _move(lower, upper, both, sums, first)


@numba.njit(cache=True, nogil=True)
def sum_bounds(
    outer: Any,
    inner: Any,
    modes: Any,
    cells: Any,
    areas: Any,
    coverage: Any,
    shape: Any,
    most: Any,
    sums: Any,
) -> None:
    """Add up the bounds of the cells that regions touch, another in every mask.

    Parameters
    ----------
    outer, inner, modes, areas, most, sums
        As in `sum_constant_bounds`.
    cells : numpy.ndarray
        int32: cells to add up, ascending; no others are read.
    coverage : tuple of int and two numpy.ndarray
        `BOXES`, `OUTSIDE_BOXES` or `DENSE`; pixels of each cell in the region, int32, shape
        ``(cells, N)``; boxes inside the mask, int32, shape ``(4, N)``: x0, y0, x1, y1. The kind
        says which of the two arrays counts.
    shape : tuple of int
        Height and width of the mask, side and number of columns of its cells.
    """
    kind, inside, boxes = coverage
    n, exact = len(sums[0]), modes[1, 0] == -1
    height, width, side, cols = shape
    lanes = np.empty((7, min(n, _CHUNK)), np.asarray(most).dtype)
    across = np.empty((0 if kind == DENSE else cols, lanes.shape[1]), lanes.dtype)
    for first in range(0, n, _CHUNK):
        size = min(n - first, _CHUNK)
        lower, upper, both = lanes[0, :size], lanes[1, :size], lanes[2, :size]
        high, low = lanes[3, :size], lanes[3 if exact else 4, :size]
        within, down = lanes[5, :size], lanes[6, :size]
        band, ends = -1, boxes[:, first : first + size]
        _clear(sums, first, size)
        for col in range(len(across)):
            _overlap(ends[::2], col * side, min((col + 1) * side, width), across[col])
        for begin in range(0, len(cells), most):
            lanes[:3] = 0
            for c in cells[begin : begin + np.int64(most)]:
                if kind == DENSE:
                    _copy(inside[c, first : first + size], within)
                else:
                    if c // cols != band:
                        band = c // cols
                        _overlap(ends[1::2], band * side, min((band + 1) * side, height), down)
                    _multiply(across[c % cols], down, kind == OUTSIDE_BOXES, areas[c], within)
                _differences(outer, inner, modes, c, areas[c], first, high, low)
                _clip_each(high, low, within, areas[c], lower, upper)
            _move(lower, upper, both, sums, first)


@numba.njit(cache=True, nogil=True)
def _whole_first(cells: Any, areas: Any, inside: Any) -> tuple[Any, Any]:
    """Cells in another order, those that the region holds wholly first, and how many these are."""
    ordered, whole, other = np.empty_like(cells), 0, len(cells)
    for c in cells:
        if inside[c] == areas[c]:
            ordered[whole] = c
            whole += 1
        else:
            other -= 1
            ordered[other] = c
    return ordered, whole


@numba.njit(cache=True, nogil=True)
def _add_whole(ends: Any, modes: Any, cells: Any, areas: Any, first: int, lane: Any) -> None:
    """Add the counts of whole cells to a lane that is zero."""
    if modes[1] == ALL:
        return
    if modes[1] == COLUMN:
        _add_columns(ends[1], cells, first, lane)
        for i in range(len(lane)):
            lane[i] = -lane[i]
    if modes[0] == COLUMN:
        _add_columns(ends[0], cells, first, lane)
    else:
        total = np.int64(0)
        for c in cells:
            total += areas[c]
        for i in range(len(lane)):
            lane[i] += total


@numba.njit(cache=True, nogil=True)
def _add_columns(counts: Any, cells: Any, first: int, lane: Any) -> None:
    stop = first + len(lane)
    fours = len(cells) // 4 * 4
    # Four at once: a pass over the lane costs as much as one over a column.
    for j in range(0, fours, 4):
        a, b = counts[cells[j], first:stop], counts[cells[j + 1], first:stop]
        c, d = counts[cells[j + 2], first:stop], counts[cells[j + 3], first:stop]
        for i in range(len(lane)):
            lane[i] += a[i] + b[i] + c[i] + d[i]
    for j in range(fours, len(cells)):
        a = counts[cells[j], first:stop]
        for i in range(len(lane)):
            lane[i] += a[i]


@numba.njit(cache=True, nogil=True)
def _clip_columns(
    counts: Any, cells: Any, areas: Any, inside: Any, first: int, lower: Any, upper: Any
) -> None:
    """Add bounds on cells whose counts are a column each; four at once as in `_add_columns`."""
    lane, stop, rests = lower.dtype.type, first + len(lower), np.int64(0)
    fours = len(cells) // 4 * 4
    for j in range(0, fours, 4):
        p, q, r, s = cells[j], cells[j + 1], cells[j + 2], cells[j + 3]
        a, b = counts[p, first:stop], counts[q, first:stop]
        c, d = counts[r, first:stop], counts[s, first:stop]
        most_a, most_b = lane(inside[p]), lane(inside[q])
        most_c, most_d = lane(inside[r]), lane(inside[s])
        rest_a, rest_b = lane(areas[p] - inside[p]), lane(areas[q] - inside[q])
        rest_c, rest_d = lane(areas[r] - inside[r]), lane(areas[s] - inside[s])
        rests += np.int64(rest_a) + np.int64(rest_b) + np.int64(rest_c) + np.int64(rest_d)
        for i in range(len(lower)):
            w, x, y, z = lane(a[i]), lane(b[i]), lane(c[i]), lane(d[i])
            upper[i] += min(w, most_a) + min(x, most_b) + min(y, most_c) + min(z, most_d)
            lower[i] += max(w, rest_a) + max(x, rest_b) + max(y, rest_c) + max(z, rest_d)
    _take_off(rests, lower)
    for c in cells[fours:]:
        column = counts[c, first:stop]
        _clip(column, column, inside[c], areas[c] - inside[c], lower, upper)


@numba.njit(cache=True, nogil=True)
def _clip_pairs(
    ends: Any, cells: Any, areas: Any, inside: Any, first: int, lower: Any, upper: Any
) -> None:
    """Add bounds on cells whose counts are the difference of two columns, two at once."""
    lane, stop, rests = lower.dtype.type, first + len(lower), np.int64(0)
    for j in range(0, len(cells), 2):
        p, q = cells[j], cells[min(j + 1, len(cells) - 1)]
        a, b = ends[0][p, first:stop], ends[1][p, first:stop]
        c, d = ends[0][q, first:stop], ends[1][q, first:stop]
        most_p, rest_p = lane(inside[p]), lane(areas[p] - inside[p])
        most_q, rest_q = lane(inside[q]), lane(areas[q] - inside[q])
        rests += np.int64(rest_p)
        if p == q:
            for i in range(len(lower)):
                x = lane(a[i] - b[i])
                upper[i] += min(x, most_p)
                lower[i] += max(x, rest_p)
        else:
            rests += np.int64(rest_q)
            for i in range(len(lower)):
                x, y = lane(a[i] - b[i]), lane(c[i] - d[i])
                upper[i] += min(x, most_p) + min(y, most_q)
                lower[i] += max(x, rest_p) + max(y, rest_q)
    _take_off(rests, lower)


@numba.njit(cache=True, nogil=True)
def _take_off(rests: Any, lower: Any) -> None:
    """Take off what `max(count, rest)` has too much; sums before may wrap, those after do not."""
    wrapped = lower.dtype.type(rests)
    for i in range(len(lower)):
        lower[i] -= wrapped


@numba.njit(cache=True, nogil=True)
def _differences(
    outer: Any, inner: Any, modes: Any, c: int, area: int, first: int, high: Any, low: Any
) -> None:
    """Bounds on the counts of a cell; both in one place where there is one range."""
    _difference(modes[0], outer[0][c], outer[1][c], first, area, high)
    if modes[1, 0] != -1:
        _difference(modes[1], inner[0][c], inner[1][c], first, area, low)


@numba.njit(cache=True, nogil=True)
def _difference(modes: Any, start: Any, stop: Any, first: int, area: int, out: Any) -> None:
    if modes[0] == COLUMN:
        _copy(start[first : first + len(out)], out)
    else:
        out[:] = area if modes[0] == ALL else 0
    if modes[1] == COLUMN:
        column = stop[first : first + len(out)]
        for i in range(len(out)):
            out[i] -= column[i]
    elif modes[1] == ALL:
        out[:] = 0


@numba.njit(cache=True, nogil=True)
def _copy(column: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = column[i]


@numba.njit(cache=True, nogil=True)
def _clip(high: Any, low: Any, inside: int, rest: int, lower: Any, upper: Any) -> None:
    """Add bounds on a cell of which `inside` pixels are in the region, and `rest` are not."""
    most, least = lower.dtype.type(inside), lower.dtype.type(rest)
    for i in range(len(high)):
        upper[i] += min(lower.dtype.type(high[i]), most)
        lower[i] += max(lower.dtype.type(low[i]), least) - least


@numba.njit(cache=True, nogil=True)
def _clip_each(high: Any, low: Any, within: Any, area: int, lower: Any, upper: Any) -> None:
    whole = lower.dtype.type(area)
    for i in range(len(high)):
        rest = lower.dtype.type(whole - within[i])
        upper[i] += min(high[i], within[i])
        lower[i] += max(low[i], rest) - rest


@numba.njit(cache=True, nogil=True)
def _clear(sums: Any, first: int, size: int) -> None:
    for at in range(2):
        sums[at][first : first + size] = 0


@numba.njit(cache=True, nogil=True)
def _move(lower: Any, upper: Any, both: Any, sums: Any, first: int) -> None:
    stop = first + len(both)
    for lane, wide in ((lower, sums[0][first:stop]), (upper, sums[1][first:stop])):
        for i in range(len(both)):
            wide[i] += lane.dtype.type(lane[i] + both[i])


@numba.njit(cache=True, nogil=True)
def _overlap(ends: Any, start: int, stop: int, out: Any) -> None:
    """Pixels along an axis that boxes share with a row or column of cells."""
    starts, stops = ends[0], ends[1]
    lowest, highest = np.int32(start), np.int32(stop)
    for i in range(len(starts)):
        out[i] = max(np.int32(0), min(stops[i], highest) - max(starts[i], lowest))


@numba.njit(cache=True, nogil=True)
def _multiply(across: Any, down: Any, outside: bool, area: int, out: Any) -> None:
    if outside:
        for i in range(len(out)):
            out[i] = area - across[i] * down[i]
    else:
        for i in range(len(out)):
            out[i] = across[i] * down[i]


@numba.njit(cache=True, nogil=True)
def tile_sums(
    low: Any, high: Any, inside: Any, areas: Any, tile_of_cell: Any, lower: Any, upper: Any
) -> None:
    """Add up the bounds of the cells of each tile.

    Parameters
    ----------
    low, high : numpy.ndarray
        int64, shape ``(m, cells)``: bounds on the count of the whole cell.
    inside : numpy.ndarray
        int32, shape ``(m, cells)``: pixels of each cell in the region.
    areas : numpy.ndarray
        int64, shape ``(cells,)``.
    tile_of_cell : numpy.ndarray
        int32, shape ``(cells,)``.
    lower, upper : numpy.ndarray
        int64, shape ``(m, tiles)``; added to.
    """
    for i in range(len(low)):
        for c in range(len(areas)):
            a = np.int64(inside[i, c])
            if a > 0:
                tile = tile_of_cell[c]
                upper[i, tile] += min(high[i, c], a)
                lower[i, tile] += max(0, low[i, c] - (areas[c] - a))
