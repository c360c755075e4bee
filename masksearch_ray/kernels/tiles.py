"""Bounds of tiles of some masks, and which of them settle most of what is in doubt."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from masksearch_ray.kernels.bounds import ALL, COLUMN
from masksearch_ray.kernels.doubt import choose_half

__all__ = ["next_tiles", "settle_tiles", "tile_bounds_of_rows"]


@numba.njit(cache=True, nogil=True)
def tile_bounds_of_rows(
    outer: Any, inner: Any, modes: Any, rows: Any, inside: Any, cells: Any, lower: Any, upper: Any
) -> None:
    """Add up the bounds of the cells of each tile, for some masks.

    Parameters
    ----------
    outer, inner, modes
        As in `masksearch_ray.kernels.bounds.sum_constant_bounds`.
    rows : numpy.ndarray
        int64, shape ``(m,)``.
    inside : numpy.ndarray
        int32, shape ``(m, cells)``, or ``(1, cells)`` where it is the same in every mask: pixels of
        each cell in the region. Where there are none no counts are read.
    cells : tuple of two numpy.ndarray
        int64 and int32, shape ``(cells,)``: pixels of each cell, and the tile that holds it.
    lower, upper : numpy.ndarray
        int64, shape ``(m, tiles)``; added to.
    """
    areas, tile_of_cell = cells
    for c in range(len(areas)):
        area, tile = areas[c], tile_of_cell[c]
        for i in range(len(rows)):
            a = np.int64(inside[min(i, len(inside) - 1), c])
            if a > 0:
                high = _difference(outer, modes[0], c, rows[i], area)
                low = high
                if modes[1, 0] != -1:
                    low = _difference(inner, modes[1], c, rows[i], area)
                upper[i, tile] += min(high, a)
                lower[i, tile] += max(np.int64(0), low - (area - a))


@numba.njit(cache=True, nogil=True, inline="always")
def _difference(ends: Any, modes: Any, cell: int, row: int, area: int) -> Any:
    return _count(ends[0], modes[0], cell, row, area) - _count(ends[1], modes[1], cell, row, area)


@numba.njit(cache=True, nogil=True, inline="always")
def _count(counts: Any, mode: int, cell: int, row: int, area: int) -> Any:
    if mode == COLUMN:
        return np.int64(counts[cell, row])
    return np.int64(area) if mode == ALL else np.int64(0)


@numba.njit(cache=True, nogil=True)
def next_tiles(lower: Any, upper: Any, low: Any, high: Any, pending: Any) -> Any:
    """Tiles to read next: of each pending row the most doubtful that hold half of its doubt.

    Parameters
    ----------
    lower, upper : numpy.ndarray
        int64, shape ``(terms, m, tiles)``: bounds of each term in each tile.
    low, high : numpy.ndarray
        int64, shape ``(terms, m)``: bounds of each term in the whole row. Where they are one, its
        tiles are in no doubt.
    pending : numpy.ndarray
        bool, shape ``(m,)``.

    Returns
    -------
    rows, tiles : numpy.ndarray
        int64, shape ``(n,)`` each, ordered by row, then tile.
    """
    _, m, tiles = lower.shape
    doubt, chosen = np.zeros((m, tiles), np.int64), np.zeros((m, tiles), np.bool_)
    for term in range(len(lower)):
        for row in range(m):
            if pending[row] and low[term, row] < high[term, row]:
                for tile in range(tiles):
                    doubt[row, tile] += upper[term, row, tile] - lower[term, row, tile]
    choose_half(doubt, pending, chosen)
    return np.nonzero(chosen)


@numba.njit(cache=True, nogil=True)
def settle_tiles(
    lower: Any, upper: Any, rows: Any, tiles: Any, counts: Any, ends: Any, low: Any, high: Any
) -> None:
    """Take in exact counts of tiles, and bound the whole rows again.

    Parameters
    ----------
    lower, upper : numpy.ndarray
        int64, shape ``(m, tiles)``: bounds in each tile; written to.
    rows, tiles, counts : numpy.ndarray
        int64, shape ``(n,)``: a tile of a row, and its count.
    ends : tuple of two numpy.ndarray
        int64, shape ``(m,)``: bounds of the whole that are known from elsewhere.
    low, high : numpy.ndarray
        int64, shape ``(m,)``; written to: bounds of the whole.
    """
    for i in range(len(rows)):
        lower[rows[i], tiles[i]] = upper[rows[i], tiles[i]] = counts[i]
    floor, ceiling = ends
    for row in range(len(lower)):
        least, most = np.int64(0), np.int64(0)
        for tile in range(lower.shape[1]):
            least += lower[row, tile]
            most += upper[row, tile]
        low[row], high[row] = max(least, floor[row]), min(most, ceiling[row])
