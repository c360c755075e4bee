"""What one would write without an engine: NumPy over masks that all lie in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.model.values import Domain, stored_cut

__all__ = ["NumpyMasks"]


class NumpyMasks:
    """Counts over every pixel of every region, mask by mask.

    Comparing stored integers is several times as fast as comparing values, and counting mask by
    mask stays in the processor's cache: a slower way would flatter the engine.

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
        cut = int(stored_cut(low, "uint8", Domain()))
        each = np.broadcast_to(boxes, (len(self._masks), 4)).tolist()
        counts = [
            np.count_nonzero(mask[y0:y1, x0:x1] >= cut)
            for mask, (x0, y0, x1, y1) in zip(self._masks, each, strict=True)
        ]
        return np.array(counts, np.int64)

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
