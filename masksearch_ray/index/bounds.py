"""Bounds on the pixels of a region whose values lie in a range, from counts per cell.

With ``c_hi`` and ``c_lo`` a cell's counts for the bins around and inside the range, ``a`` the
pixels of the cell inside the region and ``A`` the cell's pixels::

    upper = sum of min(c_hi, a)        lower = sum of max(0, c_lo - (A - a))

over the cells that the region touches.

References
----------
He et al., "MaskSearch: Querying Image Masks at Scale", arXiv:2305.02375, section 3, whose two
bounds (cells covering the region, cells inside it) these never exceed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.coverage import (
    BoxCoverage,
    ConstantCoverage,
    Coverage,
    DenseCoverage,
    shape_of,
)
from masksearch_ray.index.levels import Bracket
from masksearch_ray.kernels import bounds as kernel
from masksearch_ray.kernels.tiles import tile_bounds_of_rows
from masksearch_ray.model.grid import Grid

__all__ = [
    "cell_bounds",
    "difference_histogram",
    "histogram_bounds",
    "row_tile_bounds",
    "sum_bounds",
    "tile_bounds",
]

Counts = Mapping[int, npt.NDArray[Any]]
"""Counts by level index. Where 0 is missing, the block holds no NaN and every pixel counts."""
Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Lower and upper bounds of one shape."""


def sum_bounds(levels: Counts, bracket: Bracket, grid: Grid, coverage: Coverage, n: int) -> Bounds:
    """Bound the count of every mask of a block.

    Parameters
    ----------
    levels : mapping of int to numpy.ndarray
        By level index: counts of one unsigned dtype, shape ``(cells, N)``. Only the rows of
        ``coverage.cells`` are read.
    bracket : Bracket
    grid : Grid
    coverage : Coverage
        Of the region of interest.
    n : int
        Masks of the block, N.

    Returns
    -------
    lower, upper : numpy.ndarray
        int64, shape ``(N,)``.
    """
    if bracket.empty:
        return np.zeros(n, np.int64), np.zeros(n, np.int64)
    # Two arrays: what is freed in small pieces is used again, not given back to the system.
    sums = np.empty(n, np.int64), np.empty(n, np.int64)
    if n:
        outer, inner, modes = _columns(levels, bracket, grid.cells)
        areas, most = _areas_and_most(grid)
        cells = coverage.cells
        if isinstance(coverage, ConstantCoverage):
            inside = coverage.inside
            kernel.sum_constant_bounds(outer, inner, modes, cells, areas, inside, most, sums)
        else:
            held, shape = _coverage_arrays(coverage), shape_of(grid)
            kernel.sum_bounds(outer, inner, modes, cells, areas, held, shape, most, sums)
    return sums


def cell_bounds(
    levels: Counts, bracket: Bracket, grid: Grid, rows: npt.NDArray[np.integer[Any]]
) -> Bounds:
    """Bound the count of whole cells, for some masks of a block.

    Parameters
    ----------
    levels : mapping of int to numpy.ndarray
        As in `sum_bounds`.
    bracket : Bracket
    grid : Grid
    rows : numpy.ndarray
        Integers, shape ``(m,)``: which masks.

    Returns
    -------
    c_lo, c_hi : numpy.ndarray
        int64, shape ``(m, cells)``; without meaning where the counts of a cell were not read.
    """
    areas = np.broadcast_to(_areas_and_most(grid)[0], (len(rows), grid.cells))
    wanted = {
        level: np.ascontiguousarray(counts[:, rows].T, np.int64)
        for level, counts in levels.items()
        if level in bracket.needed
    }
    return _around(wanted, bracket, areas)


def tile_bounds(
    c_lo: npt.NDArray[np.int64],
    c_hi: npt.NDArray[np.int64],
    coverage: npt.NDArray[np.int32],
    grid: Grid,
) -> Bounds:
    """Bound the count of the region's pixels in every tile.

    Parameters
    ----------
    c_lo, c_hi : numpy.ndarray
        int64, shape ``(m, cells)``: bounds for whole cells; not read where a cell holds no pixel
        of the region.
    coverage : numpy.ndarray
        int32, shape ``(m, cells)``: pixels of each cell in the region.
    grid : Grid

    Returns
    -------
    lower, upper : numpy.ndarray
        int64, shape ``(m, tiles)``.
    """
    lower = np.zeros((len(c_lo), grid.tiles), np.int64)
    upper = np.zeros_like(lower)
    areas, _ = _areas_and_most(grid)
    kernel.tile_sums(c_lo, c_hi, coverage, areas, grid.tile_of_cell(), lower, upper)
    return lower, upper


def row_tile_bounds(
    levels: Counts,
    bracket: Bracket,
    grid: Grid,
    coverage: Coverage,
    rows: npt.NDArray[np.int64],
) -> Bounds:
    """Bound the count of the region's pixels in every tile of some masks of a block.

    Parameters
    ----------
    levels, bracket, grid
        As in `sum_bounds`.
    coverage : Coverage
        Of the region, on these masks alone.
    rows : numpy.ndarray
        int64, shape ``(m,)``: which masks.

    Returns
    -------
    lower, upper : numpy.ndarray
        int64, shape ``(m, tiles)``.
    """
    lower = np.zeros((len(rows), grid.tiles), np.int64)
    upper = np.zeros_like(lower)
    if not bracket.empty and len(rows):
        outer, inner, modes = _columns(levels, bracket, grid.cells)
        if isinstance(coverage, ConstantCoverage):
            inside = coverage.inside[None]
        else:
            inside = coverage.of(np.arange(len(rows)))
        cells = grid.cell_areas(), grid.tile_of_cell()
        tile_bounds_of_rows(outer, inner, modes, rows, inside, cells, lower, upper)
    return lower, upper


def histogram_bounds(hist: Counts, bracket: Bracket, area: npt.NDArray[np.int64]) -> Bounds:
    """Bound counts by a histogram that is exact in space.

    Parameters
    ----------
    hist : mapping of int to numpy.ndarray
        By level index: the region's pixels at or above the level, shape ``(N,)``.
    bracket : Bracket
    area : numpy.ndarray
        int64, shape ``(N,)``: pixels of the region.

    Returns
    -------
    lower, upper : numpy.ndarray
        int64, shape ``(N,)``.
    """
    return _around({i: hist[i].astype(np.int64) for i in hist}, bracket, area)


def difference_histogram(full: Counts, inner: Counts) -> dict[int, npt.NDArray[np.int64]]:
    """Histogram of what lies outside a region, from those of the full image and of the region.

    Parameters
    ----------
    full, inner : mapping of int to numpy.ndarray
        By level index, the same in both: shape ``(N,)``.
    """
    return {
        level: counts.astype(np.int64) - inner[level].astype(np.int64)
        for level, counts in full.items()
    }


def _around(counts: Counts, bracket: Bracket, area: npt.NDArray[np.int64]) -> Bounds:
    """Count in the inner and in the outer range, of the shape of `area`."""
    zero = np.zeros(area.shape, np.int64)
    if bracket.empty:
        return zero, zero

    def at(level: int) -> npt.NDArray[Any]:
        mode = _mode(counts, level, bracket)
        return counts[level] if mode == kernel.COLUMN else area if mode == kernel.ALL else zero

    high = at(bracket.start_outer) - at(bracket.stop_outer)
    if bracket.exact:
        return high, high
    low = at(bracket.start_inner) - at(bracket.stop_inner) if bracket.has_inner else zero
    return low, high


def _columns(counts: Counts, bracket: Bracket, cells: int) -> tuple[Any, Any, Any]:
    """Columns at both ends of the outer and of the inner range, and what stands for each."""
    outer, outer_modes = _ends(counts, bracket, (bracket.start_outer, bracket.stop_outer), cells)
    if bracket.exact:
        inner, inner_modes = outer, (-1, -1)
    elif bracket.has_inner:
        within = bracket.start_inner, bracket.stop_inner
        inner, inner_modes = _ends(counts, bracket, within, cells)
    else:
        inner, inner_modes = outer, (kernel.ALL, kernel.ALL)
    return outer, inner, np.array([outer_modes, inner_modes], np.int64)


def _ends(
    counts: Counts, bracket: Bracket, ends: tuple[int, int], cells: int
) -> tuple[Any, tuple[int, int]]:
    """Columns at both ends of a range, and what stands for each of them."""
    # The kernel takes an array for each end, and reads those that are columns.
    unread = next(iter(counts.values()), np.empty((cells, 0), np.uint8))
    start, stop = (counts.get(end, unread) for end in ends)
    return (start, stop), (_mode(counts, ends[0], bracket), _mode(counts, ends[1], bracket))


def _mode(counts: Counts, level: int, bracket: Bracket) -> int:
    """Say what stands for the counts of a level; KeyError where they are missing."""
    if level in counts:
        return kernel.COLUMN
    if level == bracket.none:
        return kernel.NONE
    if level == 0:
        return kernel.ALL
    raise KeyError(level)


@lru_cache(maxsize=256)
def _areas_and_most(grid: Grid) -> tuple[npt.NDArray[np.int64], Any]:
    """Pixels of each cell, and how many cells' pixels a narrow lane holds, of its dtype."""
    areas, lane = grid.cell_areas(), np.promote_types(grid.count_dtype, np.uint16)
    return areas, lane.type(np.iinfo(lane).max // int(areas.max()))


def _coverage_arrays(
    coverage: BoxCoverage | DenseCoverage,
) -> tuple[int, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Form of a coverage that the kernel takes: kind, pixels inside, boxes."""
    if isinstance(coverage, DenseCoverage):
        return kernel.DENSE, coverage.inside, np.empty((4, 0), np.int32)
    nothing = np.empty((0, 0), np.int32)
    return kernel.OUTSIDE_BOXES if coverage.outside else kernel.BOXES, nothing, coverage.boxes
