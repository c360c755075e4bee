"""Boxes laid over the cells of a mask: pixels shared, and which cells are touched."""

from __future__ import annotations

from typing import Any

import numba

__all__ = ["box_coverage", "count_rectangles"]


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
def count_rectangles(boxes: Any, outside: bool, shape: Any, marks: Any) -> None:
    """Mark the corners of the rectangles of cells that boxes touch, or that they hold wholly.

    Summed along both axes, marks are how many rectangles hold each cell.

    Parameters
    ----------
    boxes : numpy.ndarray
        int32, shape ``(4, n)``: x0, y0, x1, y1 inside the mask.
    outside : bool
        Whether cells are marked that a box holds wholly, else those that it touches.
    shape : tuple of int
        Height and width of the mask, side and number of columns of its cells.
    marks : numpy.ndarray
        int64, shape ``(rows + 1, columns + 1)``; added to.
    """
    height, width, side, _ = shape
    up, down = (side - 1, 0) if outside else (0, side - 1)
    for i in range(boxes.shape[1]):
        x0, y0, x1, y1 = boxes[0, i], boxes[1, i], boxes[2, i], boxes[3, i]
        if x0 >= x1 or y0 >= y1:
            continue
        # A cell at the rim may be smaller than others.
        right = marks.shape[1] - 1 if x1 == width else (x1 + down) // side
        bottom = marks.shape[0] - 1 if y1 == height else (y1 + down) // side
        left, top = (x0 + up) // side, (y0 + up) // side
        if left < right and top < bottom:
            marks[top, left] += 1
            marks[top, right] -= 1
            marks[bottom, left] -= 1
            marks[bottom, right] += 1
