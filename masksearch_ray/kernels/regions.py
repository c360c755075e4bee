"""Unions of boxes, a list of them a mask."""

from __future__ import annotations

from typing import Any

import numba

__all__ = ["draw_boxes", "union_coverage"]


@numba.njit(cache=True, nogil=True)
def union_coverage(offsets: Any, boxes: Any, shape: Any, inside: Any) -> None:
    """Pixels of each cell in the union of each mask's boxes.

    Parameters
    ----------
    offsets : numpy.ndarray
        int64, shape ``(N + 1,)``: the boxes of mask i are ``boxes[offsets[i]:offsets[i + 1]]``.
    boxes : numpy.ndarray
        int32, shape ``(K, 4)``: x0, y0, x1, y1 inside the mask; those of a mask by ascending x0.
    shape : tuple of int
        Height and width of the mask, side and number of columns of its cells.
    inside : numpy.ndarray
        int32, shape ``(cells, N)``, all 0; added to.
    """
    height, _, cell, cols = shape
    for i in range(len(offsets) - 1):
        if offsets[i] == offsets[i + 1]:
            continue
        for y in range(height):
            band = y // cell * cols
            reach = 0  # pixels of this row left of here are counted
            for k in range(offsets[i], offsets[i + 1]):
                if boxes[k, 1] <= y < boxes[k, 3]:
                    x, end = max(reach, boxes[k, 0]), boxes[k, 2]
                    while x < end:
                        stop = min(end, (x // cell + 1) * cell)
                        inside[band + x // cell, i] += stop - x
                        x = stop
                    reach = max(reach, end)


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
