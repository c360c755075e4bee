"""How a mask is cut into cells (of the index) and tiles (of storage)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["BlockShape", "Grid", "default_cell", "grid_for"]


def default_cell(height: int, width: int) -> int:
    """Default side of a cell in pixels for masks of a size."""
    longer = max(height, width)
    return 32 if longer >= 192 else 16 if longer >= 96 else 8


@dataclass(frozen=True)
class BlockShape:
    """What all masks of one block of a segment share.

    Parameters
    ----------
    height, width : int
        Pixels.
    dtype : str
        Stored dtype, one of `masksearch_ray.model.values.DTYPES`.
    """

    height: int
    width: int
    dtype: str


@dataclass(frozen=True)
class Grid:
    """Cells and tiles of masks of one size; both are numbered row by row.

    A tile holds ``group x group`` cells; cells and tiles at the right and lower rim may be smaller.

    Parameters
    ----------
    height, width : int
        Pixels.
    cell : int
        Side of a cell, pixels.
    group : int
        Cells along the side of a tile.
    """

    height: int
    width: int
    cell: int
    group: int

    @property
    def tile(self) -> int:
        """Side of a tile in pixels."""
        return self.cell * self.group

    @property
    def cell_rows(self) -> int:
        """Number of rows of cells."""
        return -(-self.height // self.cell)

    @property
    def cell_cols(self) -> int:
        """Number of columns of cells."""
        return -(-self.width // self.cell)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.cell_rows * self.cell_cols

    @property
    def tile_rows(self) -> int:
        """Number of rows of tiles."""
        return -(-self.height // self.tile)

    @property
    def tile_cols(self) -> int:
        """Number of columns of tiles."""
        return -(-self.width // self.tile)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.tile_rows * self.tile_cols

    @property
    def area(self) -> int:
        """Pixels of a mask."""
        return self.height * self.width

    @property
    def count_dtype(self) -> np.dtype[np.unsignedinteger]:
        """Narrowest unsigned dtype that holds the pixels of a cell."""
        largest = min(self.cell, self.height) * min(self.cell, self.width)
        return np.dtype(np.min_scalar_type(largest))

    def cell_areas(self) -> npt.NDArray[np.int64]:
        """Pixels of every cell: int64, shape ``(cells,)``, read-only."""
        return _cell_areas(self.height, self.width, self.cell)

    def tile_of_cell(self) -> npt.NDArray[np.int32]:
        """Tile that holds each cell: int32, shape ``(cells,)``, read-only."""
        return _tile_of_cell(self)

    def tile_shapes(self) -> npt.NDArray[np.int64]:
        """Height and width of every tile in pixels: int64, shape ``(tiles, 2)``, read-only."""
        return _tile_shapes(self.height, self.width, self.tile)

    def tile_box(self, tile: int) -> tuple[int, int, int, int]:
        """Pixels ``(x0, y0, x1, y1)`` of a tile, half-open."""
        row, col = divmod(tile, self.tile_cols)
        x0, y0 = col * self.tile, row * self.tile
        return x0, y0, min(x0 + self.tile, self.width), min(y0 + self.tile, self.height)


@lru_cache(maxsize=256)
def _cell_areas(height: int, width: int, cell: int) -> npt.NDArray[np.int64]:
    areas: npt.NDArray[np.int64] = np.outer(_spans(height, cell), _spans(width, cell)).ravel()
    areas.flags.writeable = False
    return areas


@lru_cache(maxsize=256)
def _tile_shapes(height: int, width: int, tile: int) -> npt.NDArray[np.int64]:
    down, across = _spans(height, tile), _spans(width, tile)
    shapes = np.stack([np.repeat(down, len(across)), np.tile(across, len(down))], axis=1)
    shapes.flags.writeable = False
    return shapes


@lru_cache(maxsize=256)
def _tile_of_cell(grid: Grid) -> npt.NDArray[np.int32]:
    rows = np.arange(grid.cell_rows) // grid.group
    cols = np.arange(grid.cell_cols) // grid.group
    tiles = (rows[:, None] * grid.tile_cols + cols[None, :]).ravel().astype(np.int32)
    tiles.flags.writeable = False
    return tiles


def _spans(length: int, step: int) -> npt.NDArray[np.int64]:
    starts = np.arange(0, length, step, dtype=np.int64)
    return np.minimum(starts + step, length) - starts


@lru_cache(maxsize=4096)
def grid_for(height: int, width: int, cell: int | None = None) -> Grid:
    """Grid of masks of a size; `cell` None takes the default side.

    A tile is the largest square of whole cells with a side of at most 64 px (32 px where cells
    are smaller than 24 px), and at least one cell.
    """
    side = cell or default_cell(height, width)
    return Grid(height, width, side, max(1, (64 if side >= 24 else 32) // side))
