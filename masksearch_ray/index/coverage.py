"""How many pixels of each cell lie in a region: one number a cell, a box a mask, or all numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.bounds import box_coverage
from masksearch_ray.model.grid import Grid

__all__ = ["BoxCoverage", "ConstantCoverage", "Coverage", "DenseCoverage", "shape_of"]

Ends = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class ConstantCoverage:
    """The same pixels in every mask.

    Parameters
    ----------
    inside : numpy.ndarray
        int32, shape ``(cells,)``.
    """

    inside: npt.NDArray[np.int32]

    @property
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

    @property
    def cells(self) -> npt.NDArray[np.int32]:
        """Cells that hold pixels of the region in any mask: int32, ascending."""
        grid, cell = self.grid, self.grid.cell
        held = (self.boxes[0] < self.boxes[2]) & (self.boxes[1] < self.boxes[3])
        x0, y0, x1, y1 = (ends[held] for ends in self.boxes)
        if not self.outside:
            touched = self._boxes_over(x0 // cell, y0 // cell, -(-x1 // cell), -(-y1 // cell))
            return np.flatnonzero(touched).astype(np.int32)
        # The rest of the mask is in a cell unless the box holds all of it.
        right = np.where(x1 == grid.width, grid.cell_cols, x1 // cell)
        bottom = np.where(y1 == grid.height, grid.cell_rows, y1 // cell)
        filled = self._boxes_over(-(-x0 // cell), -(-y0 // cell), right, bottom)
        return np.flatnonzero(filled < self.boxes.shape[1]).astype(np.int32)

    def _boxes_over(
        self, left: Ends, top: Ends, right: Ends, bottom: Ends
    ) -> npt.NDArray[np.int64]:
        """How many rectangles of cells hold each cell: shape ``(cells,)``."""
        held = (left < right) & (top < bottom)
        left, top, right, bottom = left[held], top[held], right[held], bottom[held]
        # Differences marked at a rectangle's corners add up to how many rectangles hold a cell.
        marks = np.zeros((self.grid.cell_rows + 1, self.grid.cell_cols + 1), np.int64)
        np.add.at(marks, (top, left), 1)
        np.add.at(marks, (top, right), -1)
        np.add.at(marks, (bottom, left), -1)
        np.add.at(marks, (bottom, right), 1)
        return marks.cumsum(0).cumsum(1)[:-1, :-1].ravel()

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

    @property
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
