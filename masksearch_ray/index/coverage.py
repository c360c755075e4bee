"""How many pixels of each cell lie in a region: one number a cell, a box a mask, or all numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.bounds import box_coverage
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
        grid = self.grid
        x0, y0, x1, y1 = self.boxes
        if self.outside:
            every = ((x0 <= 0) & (y0 <= 0) & (x1 >= grid.width) & (y1 >= grid.height)).all()
            return np.arange(0 if every else grid.cells, dtype=np.int32)
        held = (x0 < x1) & (y0 < y1)
        # Differences marked at a rectangle's corners add up to how many rectangles hold a cell.
        marks = np.zeros((grid.cell_rows + 1, grid.cell_cols + 1), np.int64)
        left, right = x0[held] // grid.cell, (x1[held] - 1) // grid.cell + 1
        top, bottom = y0[held] // grid.cell, (y1[held] - 1) // grid.cell + 1
        for ys, xs, sign in (
            (top, left, 1),
            (top, right, -1),
            (bottom, left, -1),
            (bottom, right, 1),
        ):
            np.add.at(marks, (ys, xs), sign)
        touched = marks.cumsum(0).cumsum(1)[:-1, :-1]
        return np.flatnonzero(touched).astype(np.int32)

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
