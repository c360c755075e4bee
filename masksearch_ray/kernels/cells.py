"""Pixels at or above cut-offs, per cell: what the columns of the index hold."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.ordered import comparable, comparable_cut
from masksearch_ray.kernels.strips import WIDTH, add_part, ascending

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
        limits = np.array([typed[i] for i in reached], pixels.dtype)
        if pixels.dtype == np.uint8 and cell % WIDTH == 0:
            spare = np.empty(largest + WIDTH, np.uint8)
            batch = np.empty((_BATCH, rows * cols, len(reached)), counts.dtype)
            _count_bytes(pixels, ascending(limits), cell, spare, batch, found)
        else:
            lanes = np.zeros((len(reached), width), f"u{pixels.dtype.itemsize}")
            batch = np.empty((len(reached), rows * cols, _BATCH), counts.dtype)
            _count(pixels, limits, cell, lanes, batch, found)
        if found is not counts:
            counts[reached] = found
    return counts


@numba.njit(cache=True, nogil=True)
def _count_bytes(masks: Any, levels: Any, cell: int, spare: Any, batch: Any, counts: Any) -> None:
    n, height, width = masks.shape
    cols = (width + cell - 1) // cell
    for first in range(0, n, _BATCH):
        taken = min(_BATCH, n - first)
        batch[:] = 0
        for i in range(taken):
            for c in range(counts.shape[1]):
                y, x = c // cols * cell, c % cols * cell
                part = first + i, y, x, min(cell, height - y), min(cell, width - x)
                add_part(masks, part, levels, spare, batch, (i, c))
        # Moved together: the columns of one mask lie far apart, those of a batch share cache lines.
        for c in range(counts.shape[1]):
            for i in range(taken):
                for level in range(counts.shape[0]):
                    counts[level, c, first + i] = batch[i, c, level]


@numba.njit(cache=True, nogil=True)
def _count(masks: Any, cuts: Any, cell: int, lanes: Any, batch: Any, counts: Any) -> None:
    for first in range(0, len(masks), _BATCH):
        taken = min(_BATCH, len(masks) - first)
        batch[:] = 0
        for i in range(taken):
            _count_mask(masks[first + i], cuts, cell, lanes, batch[:, :, i])
        for level in range(counts.shape[0]):
            for c in range(counts.shape[1]):
                for i in range(taken):
                    counts[level, c, first + i] = batch[level, c, i]


@numba.njit(cache=True, nogil=True)
def _count_mask(mask: Any, cuts: Any, cell: int, lanes: Any, counts: Any) -> None:
    height, width = mask.shape
    cols = (width + cell - 1) // cell
    top = 0
    while top < height:
        stop = min(height, top + _BAND, (top // cell + 1) * cell)
        lanes[:] = 0
        y = top
        while y < stop:
            # Four rows at once: a pass over a lane costs as much as one over a row.
            if y + 4 <= stop:
                _add_four(mask[y], mask[y + 1], mask[y + 2], mask[y + 3], cuts, lanes)
                y += 4
            else:
                _add_one(mask[y], cuts, lanes)
                y += 1
        _add_up(lanes, cell, cols, top // cell * cols, counts)
        top = stop


@numba.njit(cache=True, nogil=True)
def _add_four(a: Any, b: Any, c: Any, d: Any, cuts: Any, lanes: Any) -> None:
    for level in range(len(cuts)):
        cut, lane = cuts[level], lanes[level]
        for x in range(len(lane)):
            lane[x] += (
                np.uint8(a[x] >= cut)
                + np.uint8(b[x] >= cut)
                + np.uint8(c[x] >= cut)
                + np.uint8(d[x] >= cut)
            )


@numba.njit(cache=True, nogil=True)
def _add_one(row: Any, cuts: Any, lanes: Any) -> None:
    for level in range(len(cuts)):
        cut, lane = cuts[level], lanes[level]
        for x in range(len(lane)):
            lane[x] += np.uint8(row[x] >= cut)


@numba.njit(cache=True, nogil=True)
def _add_up(lanes: Any, cell: int, cols: int, first: int, counts: Any) -> None:
    for level in range(len(lanes)):
        for col in range(cols):
            part = lanes[level, col * cell : (col + 1) * cell]
            total = np.uint32(0)
            for x in range(len(part)):
                total += np.uint32(part[x])
            counts[level, first + col] += total
