"""Bounds on pixel counts, cell by cell."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = [
    "ALL",
    "BOXES",
    "COLUMN",
    "CONSTANT",
    "DENSE",
    "NONE",
    "OUTSIDE_BOXES",
    "box_coverage",
    "sum_bounds",
    "tile_sums",
]

# What stands for a level's counts: every pixel of the cell, no pixel, or a stored column.
ALL, NONE, COLUMN = 0, 1, 2
# What says how many pixels of a cell lie in the region: a number a cell, a box a mask, the
# complement of a box a mask, or a number a cell and mask.
CONSTANT, BOXES, OUTSIDE_BOXES, DENSE = 0, 1, 2, 3
# Masks bounded together: their counts and sums stay in the first-level cache.
_CHUNK = 512


@numba.njit(cache=True, nogil=True)
def sum_bounds(
    outer: Any, inner: Any, modes: Any, cells: Any, areas: Any, coverage: Any, shape: Any, sums: Any
) -> None:
    """Add up the bounds of the cells that a region touches.

    Parameters
    ----------
    outer, inner : tuple of two numpy.ndarray
        Counts at the start and the end of the outer and the inner range, each ``(cells, N)``.
    modes : numpy.ndarray
        int64, shape ``(2, 2)``: what stands for each of them. ``[ALL, ALL]`` for `inner`: there is
        no inner range; ``[-1, -1]``: it is the outer range.
    cells : numpy.ndarray
        int32: cells to add up; no others are read.
    areas : numpy.ndarray
        int64, shape ``(cells,)``: pixels of each cell.
    coverage : tuple of int and two numpy.ndarray
        `CONSTANT`, `BOXES`, `OUTSIDE_BOXES` or `DENSE`; pixels of each cell in the region, int32,
        shape ``(cells, 1)`` or ``(cells, N)``; boxes inside the mask, int32, shape ``(4, N)``:
        x0, y0, x1, y1. The kind says which of the two arrays counts.
    shape : tuple of int
        Height and width of the mask, side and number of columns of its cells.
    sums : numpy.ndarray
        int32 or int64, shape ``(2, N)``: lower and upper bounds, added to.
    """
    kind, inside, boxes = coverage
    n = sums.shape[1]
    boxed = kind in (BOXES, OUTSIDE_BOXES)
    across = np.empty((shape[3] if boxed else 0, _CHUNK), np.int32)
    spare = np.empty((4, _CHUNK), np.int32)
    for first in range(0, n, _CHUNK):
        stop = min(n, first + _CHUNK)
        size = stop - first
        high, low, within, down = spare[0, :size], spare[1, :size], spare[2, :size], spare[3, :size]
        lower, upper = sums[0, first:stop], sums[1, first:stop]
        for col in range(len(across)):
            x0 = col * shape[2]
            x1 = min(x0 + shape[2], shape[1])
            _overlap(boxes[0, first:stop], boxes[2, first:stop], x0, x1, across[col])
        band = -1
        for c in cells:
            area = areas[c]
            if boxed:
                if c // shape[3] != band:
                    band = c // shape[3]
                    y0 = band * shape[2]
                    y1 = min(y0 + shape[2], shape[0])
                    _overlap(boxes[1, first:stop], boxes[3, first:stop], y0, y1, down)
                _multiply(across[c % shape[3]], down, kind == OUTSIDE_BOXES, area, within)
            elif kind == DENSE:
                _copy(inside[c, first:stop], within)
            else:
                within[:] = inside[c, 0]
            _difference(modes[0], outer[0][c], outer[1][c], first, area, high)
            if modes[1, 0] == -1:
                _add(high, high, within, area, lower, upper)
            else:
                _difference(modes[1], inner[0][c], inner[1][c], first, area, low)
                _add(high, low, within, area, lower, upper)


@numba.njit(cache=True, nogil=True)
def _difference(modes: Any, start: Any, stop: Any, first: int, area: int, out: Any) -> None:
    if modes[0] == COLUMN:
        _copy(start[first : first + len(out)], out)
    else:
        out[:] = area if modes[0] == ALL else 0
    if modes[1] == COLUMN:
        column = stop[first : first + len(out)]
        for i in range(len(out)):
            out[i] -= np.int32(column[i])
    elif modes[1] == ALL:
        out[:] = 0


@numba.njit(cache=True, nogil=True)
def _copy(column: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = column[i]


@numba.njit(cache=True, nogil=True)
def _add(high: Any, low: Any, within: Any, area: int, lower: Any, upper: Any) -> None:
    for i in range(len(high)):
        upper[i] += min(high[i], within[i])
        lower[i] += max(np.int32(0), low[i] + within[i] - np.int32(area))


@numba.njit(cache=True, nogil=True)
def _overlap(starts: Any, stops: Any, start: int, stop: int, out: Any) -> None:
    """Pixels along an axis that boxes share with a row or column of cells."""
    lowest, highest = np.int32(start), np.int32(stop)
    for i in range(len(starts)):
        out[i] = max(np.int32(0), min(stops[i], highest) - max(starts[i], lowest))


@numba.njit(cache=True, nogil=True)
def _multiply(across: Any, down: Any, outside: bool, area: int, out: Any) -> None:
    if outside:
        for i in range(len(out)):
            out[i] = np.int32(area) - across[i] * down[i]
    else:
        for i in range(len(out)):
            out[i] = across[i] * down[i]


@numba.njit(cache=True, nogil=True)
def box_coverage(boxes: Any, outside: bool, areas: Any, shape: Any, inside: Any) -> None:
    """Pixels of each cell in each mask's box.

    Parameters
    ----------
    boxes : numpy.ndarray
        int32, shape ``(4, n)``: x0, y0, x1, y1 inside the mask.
    outside : bool
        Whether the region is what lies outside the box.
    areas : numpy.ndarray
        int64, shape ``(cells,)``.
    shape : tuple of int
        Height and width of the mask, side and number of columns of its cells.
    inside : numpy.ndarray
        int32, shape ``(n, cells)``; written to.
    """
    height, width, cell, cols = shape
    for i in range(len(inside)):
        for c in range(len(areas)):
            y0, x0 = c // cols * cell, c % cols * cell
            y1, x1 = min(y0 + cell, height), min(x0 + cell, width)
            down = max(0, min(boxes[3, i], y1) - max(boxes[1, i], y0))
            across = max(0, min(boxes[2, i], x1) - max(boxes[0, i], x0))
            overlap = down * across
            inside[i, c] = areas[c] - overlap if outside else overlap


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
