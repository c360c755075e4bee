"""Masks drawn and counted value by value, fast enough for billions of pixels."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["draw_pairs", "value_counts"]


@numba.njit(cache=True, nogil=True)
def draw_pairs(coarse: Any, left: Any, share: Any, masks: Any) -> None:
    """Draw what two models say of each image; the second agrees with the first by seven tenths.

    Parameters
    ----------
    coarse : numpy.ndarray
        float32, shape ``(N, 2, m, m)``: the first model's map, and one independent of it.
    left : numpy.ndarray
        int64, shape ``(side,)``: the coarse value before each pixel.
    share : numpy.ndarray
        float32, shape ``(side,)``: how far the pixel is on the way to the next.
    masks : numpy.ndarray
        uint8, shape ``(2, N, side, side)``: filled in.
    """
    side = len(left)
    first = np.empty((side, side), np.float32)
    other = np.empty((side, side), np.float32)
    for n in range(len(coarse)):
        _enlarge(coarse[n, 0], left, share, first)
        _enlarge(coarse[n, 1], left, share, other)
        _normalise(first)
        _normalise(other)
        _store(first, masks[0, n])
        for y in range(side):
            for x in range(side):
                other[y, x] = np.float32(0.7) * first[y, x] + np.float32(0.3) * other[y, x]
        _normalise(other)
        _store(other, masks[1, n])


@numba.njit(cache=True, nogil=True)
def _enlarge(coarse: Any, left: Any, share: Any, image: Any) -> None:
    """Interpolate between pixel centres, along columns, then along rows."""
    row = np.empty(len(coarse), np.float32)
    for y in range(len(left)):
        i, f = left[y], share[y]
        for j in range(len(coarse)):
            row[j] = coarse[i, j] + (coarse[i + 1, j] - coarse[i, j]) * f
        for x in range(len(left)):
            j = left[x]
            image[y, x] = row[j] + (row[j + 1] - row[j]) * share[x]


@numba.njit(cache=True, nogil=True)
def _normalise(image: Any) -> None:
    low = high = image[0, 0]
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            low = min(low, image[y, x])
            high = max(high, image[y, x])
    scale = np.float32(1.0) / (high - low)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            image[y, x] = (image[y, x] - low) * scale


@numba.njit(cache=True, nogil=True)
def _store(image: Any, mask: Any) -> None:
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            mask[y, x] = np.uint8(image[y, x] * np.float32(255.0) + np.float32(0.5))


@numba.njit(cache=True, nogil=True)
def value_counts(masks: npt.NDArray[np.uint8], boxes: Any, counts: Any) -> None:
    """Count the pixels of every value in regions.

    Parameters
    ----------
    masks : numpy.ndarray
        uint8, shape ``(N, H, W)``.
    boxes : numpy.ndarray
        int32, shape ``(N, R, 4)``: regions of each mask.
    counts : numpy.ndarray
        uint32, shape ``(N, R, 256)``: added to.
    """
    for n in range(len(masks)):
        for r in range(boxes.shape[1]):
            x0, y0, x1, y1 = boxes[n, r]
            for y in range(y0, y1):
                for x in range(x0, x1):
                    counts[n, r, masks[n, y, x]] += 1
