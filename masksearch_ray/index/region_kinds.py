"""Regions of interest on the masks of one block: one box a mask, a bitmap, lists of boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
from masksearch_ray.kernels.count import count_in_bitmaps, count_in_boxes
from masksearch_ray.kernels.regions import draw_boxes, union_coverage
from masksearch_ray.model.grid import Grid

__all__ = ["BitmapRegion", "BoxListRegion", "BoxRegion", "Region"]

Rows = npt.NDArray[np.integer[Any]]
"""Integers, shape ``(m,)``."""
Bitmaps = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Region(ABC):
    """A region of interest on the masks of a block.

    Where the region of a mask is null it holds no pixel.

    Parameters
    ----------
    grid : Grid
    n : int
        Masks of the block, N.
    null : numpy.ndarray or None
        bool, shape ``(N,)``: masks without a region; None where the ROI is no column.
    """

    grid: Grid
    n: int
    null: npt.NDArray[np.bool_] | None

    @abstractmethod
    def coverage(self) -> Coverage:
        """Pixels of each cell inside the region."""

    @abstractmethod
    def area(self) -> npt.NDArray[np.int64]:
        """Pixels of the region in each mask: int64, shape ``(N,)``."""

    @abstractmethod
    def windows(self, rows: Rows, corners: npt.NDArray[np.int32], h: int, w: int) -> Bitmaps:
        """Pixels of the region in windows of ``h x w`` pixels.

        Parameters
        ----------
        rows : numpy.ndarray
            Integers, shape ``(m,)``: the mask of each window.
        corners : numpy.ndarray
            int32, shape ``(m, 2)``: x and y of the upper left pixel of each window.
        h, w : int

        Returns
        -------
        numpy.ndarray
            bool, shape ``(m, h, w)``; False beyond the mask.
        """

    @abstractmethod
    def take(self, rows: Rows) -> Region:
        """Region on some masks of the block."""

    @abstractmethod
    def join(self, others: Sequence[Region]) -> Region:
        """Region of the same kind on this one's masks and then on those of others, of one grid."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that it takes in memory at most."""

    def coverage_of(self, rows: Rows) -> npt.NDArray[np.int32]:
        """Pixels of each cell inside the region, for some masks: int32, shape ``(m, cells)``."""
        return self.coverage().of(rows)

    def coverage_on(self, rows: Rows) -> Coverage:
        """Pixels of each cell inside the region, on some masks alone, in their order."""
        return self.take(rows).coverage()

    def cells(self) -> npt.NDArray[np.int32]:
        """Cells that hold pixels of the region in any mask: int32, ascending."""
        return self.coverage().cells

    def bitmaps(self, rows: Rows, tiles: Rows) -> Bitmaps:
        """Pixels of tiles that lie in the region.

        Parameters
        ----------
        rows, tiles : numpy.ndarray
            Integers, shape ``(m,)``: masks, and a tile of each.

        Returns
        -------
        numpy.ndarray
            bool, shape ``(m, T, T)``; False beyond the mask.
        """
        return self.windows(rows, tile_corners(self.grid, tiles), self.grid.tile, self.grid.tile)

    def count_tiles(
        self, pixels: npt.NDArray[Any], rows: Rows, tiles: Rows, lo: float, hi: float
    ) -> npt.NDArray[np.int64]:
        """Count the region's pixels in tiles that lie in a range of stored values.

        Parameters
        ----------
        pixels : numpy.ndarray
            Stored dtype, shape ``(m, T, T)``; what lies beyond the mask does not matter.
        rows, tiles : numpy.ndarray
            Integers, shape ``(m,)``: the mask of each tile, and which of its tiles it is.
        lo, hi : float
            Pixels with ``lo <= stored < hi`` count; NaN never does.

        Returns
        -------
        numpy.ndarray
            int64, shape ``(m,)``.
        """
        return count_in_bitmaps(pixels, self.bitmaps(rows, tiles), lo, hi)


@dataclass(frozen=True, eq=False)
class BoxRegion(Region):
    """A box a mask, or what lies outside it.

    Parameters
    ----------
    boxes : numpy.ndarray
        int32, shape ``(4, N)``, or ``(4, 1)`` where it is the same in every mask: x0, y0, x1, y1
        inside the mask. A mask without a region has an empty box, or all of the mask if `outside`.
    constant : bool
        Whether the region is the same in every mask.
    outside : bool
        Whether the region is the complement of the box.
    """

    boxes: npt.NDArray[np.int32]
    constant: bool
    outside: bool

    def coverage(self) -> Coverage:
        """Pixels of each cell inside the region."""
        return self._coverage

    def coverage_on(self, rows: Rows) -> Coverage:
        """Pixels of each cell inside the region, on some masks alone, in their order."""
        return self._coverage if self.constant else self.take(rows).coverage()

    def area(self) -> npt.NDArray[np.int64]:
        """Pixels of the region in each mask: int64, shape ``(N,)``."""
        x0, y0, x1, y1 = self.boxes.astype(np.int64)
        area = (x1 - x0) * (y1 - y0)
        return np.broadcast_to(self.grid.area - area if self.outside else area, (self.n,)).copy()

    def windows(self, rows: Rows, corners: npt.NDArray[np.int32], h: int, w: int) -> Bitmaps:
        """Pixels of the region in windows of masks; see `Region.windows`."""
        x0, y0, x1, y1 = self._of(rows)[:, :, None]
        xs = corners[:, :1] + np.arange(w, dtype=np.int32)
        ys = corners[:, 1:] + np.arange(h, dtype=np.int32)
        inside = _cross((ys >= y0) & (ys < y1), (xs >= x0) & (xs < x1))
        if not self.outside:
            return inside
        return _cross(ys < self.grid.height, xs < self.grid.width) & ~inside

    def count_tiles(
        self, pixels: npt.NDArray[Any], rows: Rows, tiles: Rows, lo: float, hi: float
    ) -> npt.NDArray[np.int64]:
        """Count the region's pixels in tiles; see `Region.count_tiles`."""
        corners = np.tile(tile_corners(self.grid, tiles), 2)
        inside = count_in_boxes(pixels, self._of(rows).T - corners, lo, hi)
        if not self.outside:
            return inside
        mask = np.array([0, 0, self.grid.width, self.grid.height], np.int32)
        return count_in_boxes(pixels, mask - corners, lo, hi) - inside

    def take(self, rows: Rows) -> Region:
        """Region on some masks of the block."""
        null = None if self.null is None else self.null[rows]
        boxes = self.boxes if self.constant else np.ascontiguousarray(self.boxes[:, rows])
        return replace(self, n=len(rows), null=null, boxes=boxes)

    @cached_property
    def _coverage(self) -> Coverage:
        coverage = BoxCoverage(self.grid, self.boxes, self.outside)
        if self.constant:
            return ConstantCoverage(coverage.of(np.zeros(1, np.intp))[0])
        return coverage

    def join(self, others: Sequence[Region]) -> Region:
        """Region on the masks of several; see `Region.join`."""
        every = [self, *(other for other in others if isinstance(other, BoxRegion))]
        n, null = _joined(every)
        boxes = self.boxes if self.constant else np.hstack([one.boxes for one in every])
        return replace(self, n=n, null=null, boxes=boxes)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return self.boxes.nbytes + (0 if self.null is None else self.null.nbytes)

    def _of(self, rows: Rows) -> npt.NDArray[np.int32]:
        """Boxes of some masks: int32, shape ``(4, m)``, or ``(4, 1)`` if constant."""
        return self.boxes if self.constant else self.boxes[:, rows]


@dataclass(frozen=True, eq=False)
class BitmapRegion(Region):
    """Any region that is the same in every mask.

    Parameters
    ----------
    bitmap : numpy.ndarray
        bool, shape ``(height, width)``.
    """

    bitmap: Bitmaps

    def coverage(self) -> Coverage:
        """Pixels of each cell inside the region."""
        return self._coverage

    def coverage_on(self, rows: Rows) -> Coverage:
        """Pixels of each cell inside the region, on some masks alone, in their order."""
        return self._coverage

    @cached_property
    def _coverage(self) -> Coverage:
        grid = self.grid
        bands = np.arange(0, grid.height, grid.cell)
        columns = np.arange(0, grid.width, grid.cell)
        inside = np.add.reduceat(self.bitmap, bands, axis=0, dtype=np.int32)
        inside = np.add.reduceat(inside, columns, axis=1, dtype=np.int32)
        return ConstantCoverage(inside.ravel())

    def area(self) -> npt.NDArray[np.int64]:
        """Pixels of the region in each mask: int64, shape ``(N,)``."""
        return np.full(self.n, np.count_nonzero(self.bitmap), np.int64)

    def windows(self, rows: Rows, corners: npt.NDArray[np.int32], h: int, w: int) -> Bitmaps:
        """Pixels of the region in windows of masks; see `Region.windows`."""
        out = np.zeros((len(rows), h, w), np.bool_)
        for i, (x, y) in enumerate(corners):
            part = self.bitmap[y : y + h, x : x + w]
            out[i, : part.shape[0], : part.shape[1]] = part
        return out

    def take(self, rows: Rows) -> Region:
        """Region on some masks of the block."""
        return replace(self, n=len(rows))

    def join(self, others: Sequence[Region]) -> Region:
        """Region on the masks of several; see `Region.join`."""
        return replace(self, n=_joined([self, *others])[0])

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return self.bitmap.nbytes


@dataclass(frozen=True, eq=False)
class BoxListRegion(Region):
    """The union of a list of boxes a mask, or what lies outside it.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape ``(N + 1,)``: the boxes of mask i are ``boxes[offsets[i]:offsets[i + 1]]``.
    boxes : numpy.ndarray
        int32, shape ``(K, 4)``: x0, y0, x1, y1 inside the mask.
    outside : bool
        Whether the region is the complement of the union.
    """

    offsets: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int32]
    outside: bool

    def coverage(self) -> Coverage:
        """Pixels of each cell inside the region."""
        return self._coverage

    def area(self) -> npt.NDArray[np.int64]:
        """Pixels of the region in each mask: int64, shape ``(N,)``."""
        return np.asarray(self._inside.sum(axis=0, dtype=np.int64))

    def windows(self, rows: Rows, corners: npt.NDArray[np.int32], h: int, w: int) -> Bitmaps:
        """Pixels of the region in windows of masks; see `Region.windows`."""
        bitmaps = np.zeros((len(rows), h, w), np.bool_)
        draw_boxes(self.offsets, self.boxes, rows, corners, bitmaps)
        if self.outside:
            xs = corners[:, :1] + np.arange(w, dtype=np.int32)
            ys = corners[:, 1:] + np.arange(h, dtype=np.int32)
            bitmaps = _cross(ys < self.grid.height, xs < self.grid.width) & ~bitmaps
        if self.null is not None:
            bitmaps[self.null[rows]] = False
        return bitmaps

    def take(self, rows: Rows) -> Region:
        """Region on some masks of the block."""
        starts, stops = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        offsets = np.concatenate([[0], np.cumsum(stops - starts)])
        which = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], stops - starts)
        null = None if self.null is None else self.null[rows]
        return replace(self, n=len(rows), null=null, offsets=offsets, boxes=self.boxes[which])

    def join(self, others: Sequence[Region]) -> Region:
        """Region on the masks of several; see `Region.join`."""
        every = [self, *(other for other in others if isinstance(other, BoxListRegion))]
        n, null = _joined(every)
        counts = np.concatenate([np.diff(one.offsets) for one in every])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        boxes = np.concatenate([one.boxes for one in every])
        return replace(self, n=n, null=null, offsets=offsets, boxes=boxes)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory, the coverage of all cells among them."""
        return self.boxes.nbytes + self.offsets.nbytes + 4 * self.grid.cells * self.n

    @cached_property
    def _coverage(self) -> DenseCoverage:
        return DenseCoverage(self._inside)

    @cached_property
    def _inside(self) -> npt.NDArray[np.int32]:
        inside = np.zeros((self.grid.cells, self.n), np.int32)
        masks = np.repeat(np.arange(self.n), np.diff(self.offsets))
        ascending = self.boxes[np.lexsort((self.boxes[:, 0], masks))]
        union_coverage(self.offsets, ascending, shape_of(self.grid), inside)
        if self.outside:
            inside = self.grid.cell_areas().astype(np.int32)[:, None] - inside
        if self.null is not None:
            inside[:, self.null] = 0
        return inside


def _joined(every: Sequence[Region]) -> tuple[int, npt.NDArray[np.bool_] | None]:
    """How many masks regions have together, and which of them are without one."""
    null = None
    if any(one.null is not None for one in every):
        held = [np.zeros(one.n, np.bool_) if one.null is None else one.null for one in every]
        null = np.concatenate(held)
    return sum(one.n for one in every), null


def tile_corners(grid: Grid, tiles: Rows) -> npt.NDArray[np.int32]:
    """Upper left pixels of tiles: int32, shape ``(m, 2)``, x and y."""
    rows, cols = np.divmod(np.asarray(tiles, np.int32), np.int32(grid.tile_cols))
    return np.stack([cols * grid.tile, rows * grid.tile], axis=1).astype(np.int32)


def _cross(rows: Bitmaps, columns: Bitmaps) -> Bitmaps:
    """Pixels whose row and column are both marked: ``(m, h)`` and ``(m, w)`` to ``(m, h, w)``."""
    return rows[:, :, None] & columns[:, None, :]
