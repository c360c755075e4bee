"""Counting masks into the columns of the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.region_kinds import BoxRegion, Region
from masksearch_ray.kernels.cells import count_cells
from masksearch_ray.kernels.histogram import histogram_of_bitmaps, histogram_of_boxes
from masksearch_ray.model.grid import Grid

__all__ = [
    "Counts",
    "build_chi",
    "build_histogram",
    "histogram_of_chi",
    "join_counts",
    "take_counts",
]

# Masks whose regions are drawn at a time.
_DRAWN = 8


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of the masks of a block at the levels of the index.

    Parameters
    ----------
    levels : tuple of float
        Cut-offs in stored units, as `masksearch_ray.index.levels.block_levels` gives them.
    nan : bool
        Whether any mask holds NaN; if so, level 0 (all pixels but NaN) is counted, too.
    data : numpy.ndarray
        Unsigned, shape ``(nan + L, cells, N)``: level 0 if `nan`, then levels 1 to L. A histogram
        of a region has 1 in place of the number of cells.
    areas : numpy.ndarray
        int64, shape ``(cells, 1)``, or ``(1, N)`` of a histogram: pixels that could count.
    """

    levels: tuple[float, ...]
    nan: bool
    data: npt.NDArray[np.unsignedinteger]
    areas: npt.NDArray[np.int64]

    def by_level(self) -> dict[int, npt.NDArray[np.unsignedinteger]]:
        """Key counts by level index, each of shape ``(cells, N)``."""
        return {i + (not self.nan): counts for i, counts in enumerate(self.data)}


def build_chi(masks: npt.NDArray[Any], grid: Grid, levels: Sequence[float]) -> Counts:
    """Count the pixels of every cell at or above every level.

    Parameters
    ----------
    masks : numpy.ndarray
        Shape ``(N, H, W)``, as stored.
    grid : Grid
        Of these masks.
    levels : sequence of float
        As `masksearch_ray.index.levels.block_levels` gives them.
    """
    nan = _holds_nan(masks)
    data = count_cells(masks, _cuts(levels, nan), grid.cell)
    return Counts(tuple(levels), nan, data, grid.cell_areas()[:, None])


def build_histogram(masks: npt.NDArray[Any], region: Region, levels: Sequence[float]) -> Counts:
    """Count the pixels of a region at or above every level, exact in space.

    Parameters
    ----------
    masks : numpy.ndarray
        Shape ``(N, H, W)``, as stored.
    region : Region
        On these masks.
    levels : sequence of float
        As `masksearch_ray.index.levels.block_levels` gives them.
    """
    nan, n = _holds_nan(masks), len(masks)
    cuts = _cuts(levels, nan)
    if isinstance(region, BoxRegion):
        boxes = np.ascontiguousarray(np.broadcast_to(region.boxes, (4, n)))
        data = histogram_of_boxes(masks, boxes, cuts)
        if region.outside:
            full = np.zeros((4, n), np.int32)
            full[2:] = [[region.grid.width], [region.grid.height]]
            data = histogram_of_boxes(masks, full, cuts) - data
    else:
        data = np.zeros((len(cuts), n), np.uint32)
        for first in range(0, n, _DRAWN):
            rows = np.arange(first, min(n, first + _DRAWN))
            corners = np.zeros((len(rows), 2), np.int32)
            drawn = region.windows(rows, corners, region.grid.height, region.grid.width)
            data[:, rows] = histogram_of_bitmaps(masks[rows], drawn, cuts)
    return Counts(tuple(levels), nan, data[:, None], region.area()[None])


def histogram_of_chi(chi: Counts) -> Counts:
    """Histogram of the full image, from the counts of its cells."""
    data = chi.data.sum(axis=1, keepdims=True, dtype=np.uint32)
    n = chi.data.shape[2]
    areas = np.full((1, n), chi.areas.sum(), np.int64)
    return Counts(chi.levels, chi.nan, data, areas)


def join_counts(parts: Sequence[Counts]) -> Counts:
    """Join the counts of a block from those of consecutive batches.

    Parameters
    ----------
    parts : sequence of Counts
        At least one; of one grid or region, at the same levels.
    """
    nan = any(part.nan for part in parts)
    columns = [_with_level_0(part) if nan else part.data for part in parts]
    areas = parts[0].areas
    if areas.shape[1] == parts[0].data.shape[2]:
        areas = np.concatenate([part.areas for part in parts], axis=1)
    return Counts(parts[0].levels, nan, np.concatenate(columns, axis=2), areas)


def take_counts(counts: Counts, order: npt.NDArray[np.intp]) -> Counts:
    """Counts of the same masks in another order: `order` is int, shape ``(N,)``."""
    areas = counts.areas
    if areas.shape[1] == counts.data.shape[2]:
        areas = areas[:, order]
    return replace(counts, data=counts.data[:, :, order], areas=areas)


def _with_level_0(part: Counts) -> npt.NDArray[np.unsignedinteger]:
    if part.nan:
        return part.data
    every = np.broadcast_to(part.areas, part.data.shape[1:]).astype(part.data.dtype)
    return np.concatenate([every[None], part.data])


def _holds_nan(masks: npt.NDArray[Any]) -> bool:
    # Of the masks, not of the region: all parts of a block keep the same levels.
    return masks.dtype.kind == "f" and bool(np.isnan(masks).any())


def _cuts(levels: Sequence[float], nan: bool) -> npt.NDArray[np.float64]:
    return np.array([-np.inf, *levels] if nan else levels, np.float64)
