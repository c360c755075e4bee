"""Pixels at or above cut-offs, per cell: what the columns of the index hold."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.ordered import comparable, comparable_cut

__all__ = ["count_cells"]

# Masks counted before their counts are moved to the columns: one cache line of uint16 each.
_BATCH = 32
# Rows of pixels that an 8-bit accumulator can take.
_BAND = 255


def count_cells(
    masks: npt.NDArray[Any], cuts: npt.NDArray[np.float64], cell: int
) -> npt.NDArray[np.unsignedinteger]:
    """Count the pixels of every cell with ``stored >= cut``, for every cut-off.

    Parameters
    ----------
    masks : numpy.ndarray
        Shape ``(N, H, W)``; bool, uint8, uint16, float16 or float32.
    cuts : numpy.ndarray
        float64, shape ``(L,)``, in stored units. ``-inf`` counts all pixels but NaN.
    cell : int
        Side of a cell, pixels.

    Returns
    -------
    numpy.ndarray
        Shape ``(L, cells, N)``, narrowest unsigned dtype that holds the pixels of a cell.
    """
    n, height, width = masks.shape
    rows, cols = -(-height // cell), -(-width // cell)
    largest = min(cell, height) * min(cell, width)
    counts = np.zeros((len(cuts), rows * cols, n), np.min_scalar_type(largest))
    typed = [comparable_cut(float(cut), masks.dtype) for cut in cuts]
    reached = [i for i, cut in enumerate(typed) if cut is not None]
    if reached and n:
        pixels = comparable(np.ascontiguousarray(masks))
        found = counts if len(reached) == len(cuts) else counts[: len(reached)].copy()
        lanes = np.zeros((len(reached), width), f"u{pixels.dtype.itemsize}")
        batch = np.empty((_BATCH, len(reached), rows * cols), counts.dtype)
        limits = np.array([typed[i] for i in reached], pixels.dtype)
        _count(pixels, limits, cell, lanes, batch, found)
        counts[reached] = found
    return counts


@numba.njit(cache=True, nogil=True)
def _count(masks: Any, cuts: Any, cell: int, lanes: Any, batch: Any, counts: Any) -> None:
    for first in range(0, len(masks), len(batch)):
        taken = min(len(batch), len(masks) - first)
        for i in range(taken):
            batch[i] = 0
            _count_mask(masks[first + i], cuts, cell, lanes, batch[i])
        # Moved together: the columns of one mask lie far apart, those of a batch share cache lines.
        for level in range(counts.shape[0]):
            for c in range(counts.shape[1]):
                for i in range(taken):
                    counts[level, c, first + i] = batch[i, level, c]


@numba.njit(cache=True, nogil=True)
def _count_mask(mask: Any, cuts: Any, cell: int, lanes: Any, counts: Any) -> None:
    height, width = mask.shape
    cols = (width + cell - 1) // cell
    top = 0
    while top < height:
        stop = min(height, top + _BAND, (top // cell + 1) * cell)
        lanes[:] = 0
        for y in range(top, stop):
            row = mask[y]
            for level in range(len(cuts)):
                cut = cuts[level]
                lane = lanes[level]
                for x in range(width):
                    lane[x] += row[x] >= cut
        for level in range(len(cuts)):
            for col in range(cols):
                total = 0
                for x in range(col * cell, min(width, (col + 1) * cell)):
                    total += lanes[level, x]
                counts[level, (top // cell) * cols + col] += total
        top = stop
