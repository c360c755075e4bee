"""How many pixels of each cell lie in a region: one number a cell, a box a mask, or all numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.box_cells import box_coverage, count_rectangles
from masksearch_ray.model.grid import Grid

__all__ = ["BoxCoverage", "ConstantCoverage", "Coverage", "DenseCoverage", "shape_of"]


@dataclass(frozen=True, eq=False)
class ConstantCoverage:
    """The same pixels in every mask.

    Parameters
    ----------
    inside : numpy.ndarray
        int32, shape ``(cells,)``.
    """

    inside: npt.NDArray[np.int32]

    @cached_property
    def cells(self) -> npt.NDArray[np.int32]:
        """Cells that hold pixels of the region: int32, ascending."""
        return np.flatnonzero(self.inside).astype(np.int32)

    def of(self, rows: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int32]:
        """Pixels of each cell in the region, for some masks: int32, shape ``(m, cells)``."""
        return np.broadcast_to(self.inside, (len(rows), len(self.inside)))


@dataclass(frozen=True, eq=False)
class BoxCoverage:
    """One box a mask, or what lies outside it.

    Parameters
    ----------
    grid : Grid
    boxes : numpy.ndarray
        int32, shape ``(4, N)``: x0, y0, x1, y1 inside the mask; all 0 where there is no box.
    outside : bool
        Whether the region is the complement of the box.
    """

    grid: Grid
    boxes: npt.NDArray[np.int32]
    outside: bool = False

    @cached_property
    def cells(self) -> npt.NDArray[np.int32]:
        """Cells that hold pixels of the region in any mask: int32, ascending."""
        marks = np.zeros((self.grid.cell_rows + 1, self.grid.cell_cols + 1), np.int64)
        count_rectangles(self.boxes, self.outside, shape_of(self.grid), marks)
        counts = marks.cumsum(0).cumsum(1)[:-1, :-1].ravel()
        # The rest of the mask is in a cell unless the box holds all of it.
        return np.flatnonzero(counts < self.boxes.shape[1] if self.outside else counts).astype(
            np.int32
        )

    def of(self, rows: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int32]:
        """Pixels of each cell in the region, for some masks: int32, shape ``(m, cells)``."""
        inside = np.empty((len(rows), self.grid.cells), np.int32)
        boxes = np.ascontiguousarray(self.boxes[:, rows])
        box_coverage(boxes, self.outside, self.grid.cell_areas(), shape_of(self.grid), inside)
        return inside


@dataclass(frozen=True, eq=False)
class DenseCoverage:
    """Any region a mask.

    Parameters
    ----------
    inside : numpy.ndarray
        int32, shape ``(cells, N)``.
    """

    inside: npt.NDArray[np.int32]

    @cached_property
    def cells(self) -> npt.NDArray[np.int32]:
        """Cells that hold pixels of the region in any mask: int32, ascending."""
        return np.flatnonzero(self.inside.any(axis=1)).astype(np.int32)

    def of(self, rows: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int32]:
        """Pixels of each cell in the region, for some masks: int32, shape ``(m, cells)``."""
        return np.ascontiguousarray(self.inside[:, rows].T)


Coverage = ConstantCoverage | BoxCoverage | DenseCoverage


def shape_of(grid: Grid) -> tuple[int, int, int, int]:
    """Give what kernels ask of a grid: height, width, side of a cell, columns of cells."""
    return grid.height, grid.width, grid.cell, grid.cell_cols
