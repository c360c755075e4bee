"""Pixels at or above cut-offs, per region: what ROI histograms hold."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.ordered import comparable, comparable_cut
from masksearch_ray.kernels.strips import WIDTH, add_part, ascending

__all__ = ["histogram_of_bitmaps", "histogram_of_boxes"]

# Rows counted at a time: the fewer, the fewer cut-offs lie among their values.
_ROWS = 32


def histogram_of_boxes(
    masks: npt.NDArray[Any], boxes: npt.NDArray[np.int32], cuts: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint32]:
    """Count the pixels of every mask's box with ``stored >= cut``, for every cut-off.

    Parameters
    ----------
    masks : numpy.ndarray
        Shape ``(n, H, W)``; bool, uint8, uint16, float16 or float32.
    boxes : numpy.ndarray
        int32, shape ``(4, n)``: x0, y0, x1, y1 inside the mask.
    cuts : numpy.ndarray
        float64, shape ``(L,)``, in stored units. ``-inf`` counts all pixels but NaN.

    Returns
    -------
    numpy.ndarray
        uint32, shape ``(L, n)``.
    """
    return _counted(masks, boxes, cuts, _count_boxes_of_any)


def histogram_of_bitmaps(
    masks: npt.NDArray[Any], bitmaps: npt.NDArray[np.bool_], cuts: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint32]:
    """Count the marked pixels of every mask with ``stored >= cut``, for every cut-off.

    Parameters
    ----------
    masks : numpy.ndarray
        Shape ``(n, H, W)``; bool, uint8, uint16, float16 or float32.
    bitmaps : numpy.ndarray
        bool, shape ``(n, H, W)``.
    cuts : numpy.ndarray
        float64, shape ``(L,)``, in stored units. ``-inf`` counts all pixels but NaN.

    Returns
    -------
    numpy.ndarray
        uint32, shape ``(L, n)``.
    """
    return _counted(masks, bitmaps, cuts, _count_bitmaps)


def _counted(
    masks: npt.NDArray[Any], where: npt.NDArray[Any], cuts: npt.NDArray[np.float64], kernel: Any
) -> npt.NDArray[np.uint32]:
    typed = [comparable_cut(float(cut), masks.dtype) for cut in cuts]
    reached = [level for level, cut in enumerate(typed) if cut is not None]
    pixels = comparable(np.ascontiguousarray(masks))
    found = np.zeros((len(masks), len(reached)), np.uint32)
    kernel(pixels, where, np.array([typed[level] for level in reached], pixels.dtype), found)
    counts = np.zeros((len(cuts), len(masks)), np.uint32)
    counts[reached] = found.T
    return counts


def _count_boxes_of_any(masks: Any, boxes: Any, cuts: Any, counts: Any) -> None:
    if masks.dtype == np.uint8:
        spare = np.empty((_ROWS + 1) * WIDTH, np.uint8)
        _count_boxes_of_bytes(masks, boxes, ascending(cuts), spare, counts[:, None])
    else:
        _count_boxes(masks, boxes, cuts, counts)


@numba.njit(cache=True, nogil=True)
def _count_boxes_of_bytes(masks: Any, boxes: Any, levels: Any, spare: Any, counts: Any) -> None:
    for i in range(len(masks)):
        x0, y0, x1, y1 = boxes[0, i], boxes[1, i], boxes[2, i], boxes[3, i]
        for y in range(y0, y1, _ROWS):
            for x in range(x0, x1, WIDTH):
                part = i, y, x, min(_ROWS, y1 - y), min(WIDTH, x1 - x)
                add_part(masks, part, levels, spare, counts, (i, 0))


@numba.njit(cache=True, nogil=True)
def _count_boxes(masks: Any, boxes: Any, cuts: Any, counts: Any) -> None:
    for i in range(len(masks)):
        x0, y0, x1, y1 = boxes[0, i], boxes[1, i], boxes[2, i], boxes[3, i]
        for y in range(y0, y1):
            row = masks[i, y, x0:x1]
            for level in range(len(cuts)):
                cut = cuts[level]
                found = np.uint32(0)
                for x in range(len(row)):
                    found += np.uint32(row[x] >= cut)
                counts[i, level] += found


@numba.njit(cache=True, nogil=True)
def _count_bitmaps(masks: Any, bitmaps: Any, cuts: Any, counts: Any) -> None:
    for i in range(len(masks)):
        for y in range(masks.shape[1]):
            row, marked = masks[i, y], bitmaps[i, y]
            for level in range(len(cuts)):
                cut = cuts[level]
                found = np.uint32(0)
                for x in range(len(row)):
                    found += np.uint32((row[x] >= cut) & marked[x])
                counts[i, level] += found
