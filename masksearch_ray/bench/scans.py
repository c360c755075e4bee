"""Full scans by compiled code, mask by mask on all cores."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["scan_boxes", "scan_pairs"]

_ROWS = 255  # whose hits a byte can count


@numba.njit(cache=True, nogil=True)
def scan_boxes(masks: Any, boxes: Any, start: int, stop: int, counts: Any) -> None:
    """Count the pixels of each mask's box whose stored value is in ``[start, stop)``.

    Parameters
    ----------
    masks : numpy.ndarray
        uint8, shape ``(N, H, W)``.
    boxes : numpy.ndarray
        int32, shape ``(N, 4)``.
    start, stop : int
    counts : numpy.ndarray
        int64, shape ``(N,)``: filled in.
    """
    lanes = np.zeros(masks.shape[2], np.uint8)
    low, width = np.uint8(start), np.uint8(stop - 1 - start)
    for n in range(len(masks)):
        x0, y0, x1, y1 = boxes[n]
        total = 0
        for first in range(y0, y1, _ROWS):
            # Bytes are counted in bytes, many in one instruction, and added up before they wrap.
            hits = lanes[: x1 - x0]
            hits[:] = 0
            for y in range(first, min(first + _ROWS, y1)):
                row = masks[n, y, x0:x1]
                for x in range(len(hits)):
                    hits[x] += np.uint8(np.uint8(row[x] - low) <= width)
            for x in range(len(hits)):
                total += hits[x]
        counts[n] = total


@numba.njit(cache=True, nogil=True)
def scan_pairs(ones: Any, others: Any, start: int, stop: int, both: Any) -> None:
    """Count where the lesser, and where the greater pixel of two masks is in ``[start, stop)``.

    Parameters
    ----------
    ones, others : numpy.ndarray
        uint8, shape ``(N, H, W)``.
    start, stop : int
    both : numpy.ndarray
        int64, shape ``(N, 2)``: filled in.
    """
    lesser = np.zeros(ones.shape[2], np.uint8)
    greater = np.zeros(ones.shape[2], np.uint8)
    low, width = np.uint8(start), np.uint8(stop - 1 - start)
    for n in range(len(ones)):
        both[n, 0] = both[n, 1] = 0
        for first in range(0, ones.shape[1], _ROWS):
            lesser[:] = 0
            greater[:] = 0
            for y in range(first, min(first + _ROWS, ones.shape[1])):
                a, b = ones[n, y], others[n, y]
                for x in range(len(lesser)):
                    lesser[x] += np.uint8(np.uint8(min(a[x], b[x]) - low) <= width)
                    greater[x] += np.uint8(np.uint8(max(a[x], b[x]) - low) <= width)
            for x in range(len(lesser)):
                both[n, 0] += lesser[x]
                both[n, 1] += greater[x]
