"""Unions of boxes, a list of them a mask."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["draw_boxes", "union_coverage"]


@numba.njit(cache=True, nogil=True)
def union_coverage(offsets: Any, boxes: Any, shape: Any, inside: Any) -> None:
    """Pixels of each cell in the union of each mask's boxes.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape ``(N + 1,)``: the boxes of mask i are ``boxes[offsets[i]:offsets[i + 1]]``.
    boxes : numpy.ndarray
        int32, shape ``(K, 4)``: x0, y0, x1, y1 inside the mask.
    shape : tuple of int
        Height and width of the mask, side and number of columns of its cells.
    inside : numpy.ndarray
        int32, shape ``(cells, N)``, all 0; added to.
    """
    height, width, cell, cols = shape
    seen = np.zeros((height, width), np.uint8)
    for i in range(len(offsets) - 1):
        for k in range(offsets[i], offsets[i + 1]):
            x0, y0, x1, y1 = boxes[k]
            for y in range(y0, y1):
                for x in range(x0, x1):
                    if not seen[y, x]:
                        seen[y, x] = 1
                        inside[y // cell * cols + x // cell, i] += 1
        for k in range(offsets[i], offsets[i + 1]):
            x0, y0, x1, y1 = boxes[k]
            for y in range(y0, y1):
                for x in range(x0, x1):
                    seen[y, x] = 0


@numba.njit(cache=True, nogil=True)
def draw_boxes(offsets: Any, boxes: Any, owners: Any, corners: Any, bitmaps: Any) -> None:
    """Mark the pixels of windows that lie in the union of their mask's boxes.

    Parameters
    ----------
    offsets, boxes : numpy.ndarray
        As in `union_coverage`.
    owners : numpy.ndarray
        Integers, shape ``(n,)``: the mask of each window.
    corners : numpy.ndarray
        int32, shape ``(n, 2)``: x and y of the upper left pixel of each window.
    bitmaps : numpy.ndarray
        bool, shape ``(n, h, w)``, all False; marked.
    """
    _, height, width = bitmaps.shape
    for i in range(len(owners)):
        for k in range(offsets[owners[i]], offsets[owners[i] + 1]):
            x0, y0, x1, y1 = boxes[k]
            left, top = corners[i]
            for y in range(max(0, y0 - top), min(height, y1 - top)):
                for x in range(max(0, x0 - left), min(width, x1 - left)):
                    bitmaps[i, y, x] = True
