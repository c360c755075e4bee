"""Pixels at or above cut-offs, per cell: what the columns of the index hold."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.ordered import comparable, comparable_cut
from masksearch_ray.kernels.strips import CUTS, LONGEST, WIDTH, count_below, strip_ends

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
            order = np.argsort(limits, kind="stable")
            ascending = np.concatenate([limits[order], np.zeros(CUTS, np.uint8)])
            spare = np.empty(largest + WIDTH, np.uint8)
            batch = np.empty((_BATCH, rows * cols, len(reached)), counts.dtype)
            _count_bytes(pixels, ascending, order, cell, spare, batch, found)
        else:
            lanes = np.zeros((len(reached), width), f"u{pixels.dtype.itemsize}")
            batch = np.empty((len(reached), rows * cols, _BATCH), counts.dtype)
            _count(pixels, limits, cell, lanes, batch, found)
        if found is not counts:
            counts[reached] = found
    return counts


@numba.njit(cache=True, nogil=True)
def _count_bytes(
    masks: Any, cuts: Any, order: Any, cell: int, spare: Any, batch: Any, counts: Any
) -> None:
    """Count bytes at or above ascending cuts; `order` says at which place each cut's counts go.

    `cuts` are followed by as many others as are counted at once.
    """
    n, height, width = masks.shape
    cols = (width + cell - 1) // cell
    for first in range(0, n, _BATCH):
        taken = min(_BATCH, n - first)
        for i in range(taken):
            for c in range(counts.shape[1]):
                y, x = c // cols * cell, c % cols * cell
                down, across = min(cell, height - y), min(cell, width - x)
                last = masks[first + i, y + down - 1, x + across - 1]
                if across % WIDTH:
                    _gather(masks[first + i], y, x, down, across, last, spare)
                    # One strip, filled up with pixels that are known to be there.
                    extra = -(down * across) % WIDTH
                    strip = spare.ctypes.data, WIDTH, (down * across + extra) // WIDTH, 1
                else:
                    place = masks.ctypes.data + ((first + i) * height + y) * width + x
                    extra, strip = 0, (place, width, down, across // WIDTH)
                _count_cell(strip, down * across, extra, last, cuts, order, batch, c, i)
        # Moved together: the columns of one mask lie far apart, those of a batch share cache lines.
        for c in range(counts.shape[1]):
            for i in range(taken):
                for level in range(counts.shape[0]):
                    counts[level, c, first + i] = batch[i, c, level]


@numba.njit(cache=True, nogil=True)
def _count_cell(
    strip: Any, area: int, extra: int, last: int, cuts: Any, order: Any, batch: Any, c: int, i: int
) -> None:
    """Count the pixels of one cell, at those cuts only that part them."""
    place, stride, rows, strips = strip
    low, high = strip_ends(place, stride, rows, stride * rows)
    for k in range(1, strips):
        least, most = strip_ends(place + k * WIDTH, stride, rows, stride * rows)
        low, high = min(low, least), max(high, most)
    level, levels = 0, len(order)
    while level < levels and cuts[level] <= low:
        batch[i, c, order[level]] = area
        level += 1
    while level < levels and cuts[level] <= high:
        some = cuts[level], cuts[level + 1], cuts[level + 2], cuts[level + 3]
        below = _below(place, stride, rows, strips, some)
        for k in range(min(CUTS, levels - level)):
            batch[i, c, order[level + k]] = area - (below[k] - (extra if last < some[k] else 0))
        level += CUTS
    for rest in range(level, levels):
        batch[i, c, order[rest]] = 0


@numba.njit(cache=True, nogil=True)
def _below(place: int, stride: int, rows: int, strips: int, cuts: Any) -> tuple[Any, ...]:
    p, q, r, s = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for strip in range(strips):
        for top in range(0, rows, LONGEST):
            start = place + strip * WIDTH + top * stride
            a, b, c, d = count_below(start, stride, min(LONGEST, rows - top), cuts)
            p, q, r, s = p + a, q + b, r + c, s + d
    return p, q, r, s


@numba.njit(cache=True, nogil=True)
def _gather(mask: Any, y: int, x: int, down: int, across: int, last: int, spare: Any) -> None:
    """Put the rows of a cell one after the other, and the last pixel some times after them."""
    at = 0
    for row in range(y, y + down):
        for col in range(x, x + across):
            spare[at] = mask[row, col]
            at += 1
    spare[at : at + WIDTH] = last


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
