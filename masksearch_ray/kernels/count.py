"""Exact counts over decoded tiles."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.ordered import comparable, comparable_cut

__all__ = ["count_in_bitmaps", "count_in_boxes"]


def count_in_boxes(
    pixels: npt.NDArray[Any], boxes: npt.NDArray[np.int32], lo: float, hi: float
) -> npt.NDArray[np.int64]:
    """Count the pixels of each tile that lie in its box and in a range of stored values.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape ``(n, T, T)``; bool, uint8, uint16, float16 or float32.
    boxes : numpy.ndarray
        int32, shape ``(n, 4)``: ``x0, y0, x1, y1`` relative to the tile, half-open, not clipped.
    lo, hi : float
        Pixels with ``lo <= stored < hi`` count; NaN never does.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(n,)``.
    """
    return _counted(pixels, boxes, lo, hi, _count_boxes)


def count_in_bitmaps(
    pixels: npt.NDArray[Any], bitmaps: npt.NDArray[np.bool_], lo: float, hi: float
) -> npt.NDArray[np.int64]:
    """Count the pixels of each tile that its bitmap marks and that lie in a range.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape ``(n, T, T)``; bool, uint8, uint16, float16 or float32.
    bitmaps : numpy.ndarray
        bool, shape ``(n, T, T)``.
    lo, hi : float
        Pixels with ``lo <= stored < hi`` count; NaN never does.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(n,)``.
    """
    return _counted(pixels, bitmaps, lo, hi, _count_bitmaps)


def _counted(
    pixels: npt.NDArray[Any], where: npt.NDArray[Any], lo: float, hi: float, kernel: Any
) -> npt.NDArray[np.int64]:
    counts = np.zeros(len(pixels), np.int64)
    start = comparable_cut(lo, pixels.dtype)
    stop = comparable_cut(hi, pixels.dtype)
    # Without an upper cut the lower one stands in: the second comparison never excludes a pixel.
    if start is not None and (stop is None or start < stop):
        bounded = stop is not None
        kernel(comparable(pixels), where, start, stop if bounded else start, bounded, counts)
    return counts


@numba.njit(cache=True, nogil=True)
def _count_boxes(tiles: Any, boxes: Any, start: Any, stop: Any, bounded: bool, counts: Any) -> None:
    _, height, width = tiles.shape
    for i in range(len(tiles)):
        left, right = max(0, boxes[i, 0]), min(width, boxes[i, 2])
        total = np.int64(0)
        for y in range(max(0, boxes[i, 1]), min(height, boxes[i, 3])):
            row = tiles[i, y]
            found = np.uint32(0)
            for x in range(left, right):
                found += np.uint32((row[x] >= start) & (not (bounded & (row[x] >= stop))))
            total += np.int64(found)
        counts[i] = total


@numba.njit(cache=True, nogil=True)
def _count_bitmaps(
    tiles: Any, bitmaps: Any, start: Any, stop: Any, bounded: bool, counts: Any
) -> None:
    _, height, width = tiles.shape
    for i in range(len(tiles)):
        total = np.int64(0)
        for y in range(height):
            row, marked = tiles[i, y], bitmaps[i, y]
            found = np.uint32(0)
            for x in range(width):
                inside = (row[x] >= start) & (not (bounded & (row[x] >= stop)))
                found += np.uint32(inside & marked[x])
            total += np.int64(found)
        counts[i] = total
