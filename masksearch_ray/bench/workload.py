"""Masks like those of Grad-CAM, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.errors import InputError

__all__ = [
    "COARSE_SIDE",
    "Workload",
    "draw_boxes",
    "draw_coarse",
    "make_workload",
    "pixel_centres",
]

COARSE_SIDE = 14
"""Side of the map that is enlarged, as a network's last convolution gives it for 448 pixels."""

_SMALLEST_SIDE = 16


@dataclass(frozen=True, eq=False)
class Workload:
    """Masks with what is known of them.

    Parameters
    ----------
    masks : numpy.ndarray
        uint8, shape ``(N, side, side)``: 0 to 255 for the values 0 to 1; each mask holds both.
    boxes : numpy.ndarray
        int32, shape ``(N, 4)``: one object a mask, ``(x0, y0, x1, y1)``, half-open.
    """

    masks: NDArray[np.uint8]
    boxes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.masks)


def make_workload(count: int, side: int = 448, seed: int = 0) -> Workload:
    """Draw masks: coarse, sparse, heavy-tailed maps, enlarged bilinearly, scaled to 0 … 255.

    Parameters
    ----------
    count : int
        Masks, at least 1.
    side : int
        Height and width, pixels, at least 16.
    seed : int
        The same seed draws the same masks.

    Raises
    ------
    InputError
        `count` or `side` is too small.

    References
    ----------
    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017: maps of the last convolution's size, negative parts cut off.
    """
    if count < 1 or side < _SMALLEST_SIDE:
        raise InputError(f"{count} masks of {side} pixels: at least 1 of {_SMALLEST_SIDE} wanted")
    rng = np.random.default_rng(seed)
    enlarge = _bilinear(COARSE_SIDE, side)
    masks = np.empty((count, side, side), np.uint8)
    for mask in masks:
        mask[:] = _scaled(enlarge @ draw_coarse(rng, 1)[0] @ enlarge.T)
    return Workload(masks, draw_boxes(rng, count, side))


def draw_coarse(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Maps ``(count, 14, 14)``: about half of each zero, a few values far above the others."""
    return np.maximum(rng.standard_t(3.0, (count, COARSE_SIDE, COARSE_SIDE)), 0.0)


def draw_boxes(rng: np.random.Generator, count: int, side: int) -> NDArray[np.int32]:
    """One box a mask, its sides a fifth to four fifths of the mask's: int32, ``(count, 4)``."""
    sides = rng.integers(side // 5, 4 * side // 5, (count, 2), endpoint=True)
    corners = (rng.random((count, 2)) * (side - sides + 1)).astype(np.int64)
    return np.hstack([corners, corners + sides]).astype(np.int32)


def pixel_centres(small: int, large: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Where the centres of an enlarged map's pixels lie in it, the rim not extrapolated.

    Returns
    -------
    left, share : numpy.ndarray
        Shape ``(large,)``: the coarse pixel before each, and how far it is on the way to the
        next, 0 to 1.
    """
    at = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    left = np.minimum(at.astype(np.intp), small - 2)
    return left, at - left


def _scaled(map_: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = map_.min(), map_.max()
    scaled: NDArray[np.uint8] = np.rint(255 * (map_ - low) / (high - low)).astype(np.uint8)
    return scaled


def _bilinear(small: int, large: int) -> NDArray[np.float64]:
    """Weights ``(large, small)`` of linear interpolation between pixel centres."""
    left, share = pixel_centres(small, large)
    weights = np.zeros((large, small))
    weights[np.arange(large), left] = 1 - share
    weights[np.arange(large), left + 1] = share
    return weights
