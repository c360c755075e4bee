"""What one would write without an engine: full scans in NumPy and in numba."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.model.values import Domain, stored_cut

__all__ = ["NumpyMasks", "in_threads", "numpy_counts", "stored_range"]

Masks = NDArray[np.uint8]
Boxes = NDArray[np.int32]


def stored_range(low: float, high: float) -> tuple[int, int]:
    """Smallest stored integer of a range of values, and one past the greatest.

    Comparing stored integers is several times as fast as comparing values: a slower way would
    flatter the engine.
    """
    cut = int(stored_cut(low, "uint8", Domain()))
    return cut, 256 if high >= 1.0 else int(stored_cut(high, "uint8", Domain()))


def numpy_counts(
    masks: Masks, boxes: Boxes, cuts: tuple[int, int], threads: int
) -> NDArray[np.int64]:
    """Count in every mask's box, mask by mask, which stays in the processor's cache.

    Parameters
    ----------
    masks : numpy.ndarray
        uint8, shape ``(N, H, W)``.
    boxes : numpy.ndarray
        int32, shape ``(N, 4)``.
    cuts : (int, int)
        Of `stored_range`.
    threads : int
    """
    counts = np.zeros(len(masks), np.int64)
    each = boxes.tolist()

    def part(rows: range) -> None:
        # Room that is used again and again, as memory that is new to a process is slow.
        room, inside = (np.empty(masks[0].size, dtype) for dtype in (np.uint8, np.bool_))
        start, width = np.uint8(cuts[0]), np.uint8(min(cuts[1] - cuts[0], 255))
        for row in rows:
            x0, y0, x1, y1 = each[row]
            shape, size = (y1 - y0, x1 - x0), (y1 - y0) * (x1 - x0)
            found = inside[:size].reshape(shape)
            view = masks[row, y0:y1, x0:x1]
            if cuts[1] > 255:
                np.greater_equal(view, start, out=found)
            else:
                # What lies below wraps around, so that one comparison does.
                shifted = np.subtract(view, start, out=room[:size].reshape(shape))
                np.less(shifted, width, out=found)
            counts[row] = np.count_nonzero(found)

    in_threads(part, len(masks), threads)
    return counts


def in_threads(work: Callable[[range], None], rows: int, threads: int) -> None:
    """Give each thread its share of the rows."""
    ends = [rows * n // threads for n in range(threads + 1)]
    parts = [range(*pair) for pair in pairwise(ends)]
    if threads == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, parts))


class NumpyMasks:
    """Counts over every pixel of every region, mask by mask.

    Parameters
    ----------
    masks : numpy.ndarray
        uint8, shape ``(N, H, W)``, values 0 to 1.
    """

    def __init__(self, masks: NDArray[np.uint8]) -> None:
        self._masks = masks

    def count(self, boxes: NDArray[np.int32], low: float) -> NDArray[np.int64]:
        """Pixels with a value of at least `low` in each mask's box.

        Parameters
        ----------
        boxes : numpy.ndarray
            int32, shape ``(N, 4)`` or ``(4,)``, within the mask.
        low : float
            Smallest value counted, in 0 … 1.
        """
        each = np.broadcast_to(boxes, (len(self._masks), 4))
        return numpy_counts(self._masks, each, stored_range(low, 1.0), 1)

    def above(self, boxes: NDArray[np.int32], low: float, least: int) -> list[int]:
        """Positions of masks with more than `least` such pixels."""
        found: list[int] = np.flatnonzero(self.count(boxes, low) > least).tolist()
        return found

    def lowest(self, boxes: NDArray[np.int32], low: float, k: int) -> list[int]:
        """Positions of the `k` masks with the smallest share of such pixels, ties by position."""
        widths, heights = (boxes[:, 2:] - boxes[:, :2]).T.astype(np.int64)
        shares = self.count(boxes, low) / (widths * heights)
        found: list[int] = np.argsort(shares, kind="stable")[:k].tolist()
        return found
