"""Regions of interest resolved on the masks of one block."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.polygon import polygon_bitmap
from masksearch_ray.index.region_kinds import BitmapRegion, BoxListRegion, BoxRegion, Region
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.roi import (
    Box,
    BoxListColumn,
    FullImage,
    Outside,
    Polygon,
    Roi,
)

__all__ = ["BoxArrays", "BoxLists", "Boxes", "Region", "resolve"]


class BoxArrays(Protocol):
    """What `Boxes` and `BoxLists`, and records like them, have in common."""

    @property
    def boxes(self) -> npt.NDArray[np.int32]:
        """Boxes: int32, shape ``(K, 4)``."""

    @property
    def null(self) -> npt.NDArray[np.bool_]:
        """Masks without a region: bool, shape ``(N,)``."""


class Boxes(NamedTuple):
    """What a column of boxes holds.

    Parameters
    ----------
    boxes : numpy.ndarray
        int32, shape ``(N, 4)``: x0, y0, x1, y1, not clipped.
    null : numpy.ndarray
        bool, shape ``(N,)``.
    """

    boxes: npt.NDArray[np.int32]
    null: npt.NDArray[np.bool_]


class BoxLists(NamedTuple):
    """What a column of lists of boxes holds.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape ``(N + 1,)``: the boxes of mask i are ``boxes[offsets[i]:offsets[i + 1]]``.
    boxes : numpy.ndarray
        int32, shape ``(K, 4)``: x0, y0, x1, y1, not clipped.
    null : numpy.ndarray
        bool, shape ``(N,)``.
    """

    offsets: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int32]
    null: npt.NDArray[np.bool_]


def resolve(roi: Roi, grid: Grid, n: int, boxes: BoxArrays | None = None) -> Region:
    """Resolve a region of interest on the masks of a block.

    Parameters
    ----------
    roi : Roi
    grid : Grid
    n : int
        Masks of the block, N.
    boxes : BoxArrays, optional
        What the column holds that `roi` names, or that the region inside `outside` names; for a
        column of lists it has `offsets`, too.

    Raises
    ------
    InputError
        A polygon's coordinate is not finite.
    """
    outside = False
    while isinstance(roi, Outside):
        roi, outside = roi.roi, not outside
    match roi:
        case FullImage():
            return _constant_box((0, 0, grid.width, grid.height), outside, grid, n)
        case Box(x0, y0, x1, y1):
            return _constant_box((x0, y0, x1, y1), outside, grid, n)
        case Polygon(points):
            bitmap = polygon_bitmap(points, grid.height, grid.width)
            return BitmapRegion(grid, n, None, ~bitmap if outside else bitmap)
    offsets = getattr(boxes, "offsets", None)
    if boxes is None or isinstance(roi, BoxListColumn) != (offsets is not None):
        raise TypeError(f"{roi}: what its column holds is wanted, not {type(boxes).__name__}")
    if offsets is None:
        return _box_column(boxes, outside, grid, n)
    clipped = _clip(boxes.boxes, grid)
    return BoxListRegion(grid, n, boxes.null, np.asarray(offsets, np.int64), clipped, outside)


def _constant_box(box: tuple[int, int, int, int], outside: bool, grid: Grid, n: int) -> Region:
    x0, y0, x1, y1 = box
    left, top = min(max(x0, 0), grid.width), min(max(y0, 0), grid.height)
    right, bottom = min(max(x1, left), grid.width), min(max(y1, top), grid.height)
    corners = np.array([[left], [top], [right], [bottom]], np.int32)
    return BoxRegion(grid, n, None, corners, True, outside)


def _box_column(column: BoxArrays, outside: bool, grid: Grid, n: int) -> Region:
    clipped = _clip(column.boxes, grid)
    # The complement of the whole mask holds no pixel, as a region that is null must not.
    clipped[column.null] = (0, 0, grid.width, grid.height) if outside else 0
    corners = np.ascontiguousarray(clipped.T)
    return BoxRegion(grid, n, column.null, corners, False, outside)


def _clip(boxes: npt.NDArray[np.int32], grid: Grid) -> npt.NDArray[np.int32]:
    """Boxes cut to the mask: int32, shape ``(K, 4)``, a copy."""
    sides = (grid.width, grid.height)
    starts = np.clip(boxes[:, :2], 0, sides)
    stops = np.clip(np.maximum(boxes[:, 2:], starts), 0, sides)
    return np.concatenate([starts, stops], axis=1).astype(np.int32)
