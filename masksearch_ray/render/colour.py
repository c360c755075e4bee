"""Values to colours: heat maps, and heat maps over images."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.errors import InputError

__all__ = ["COLOUR_MAPS", "RGB", "colour_scale", "heat_map", "levels", "overlay"]

RGB = NDArray[np.uint8]
"""A picture, shape (H, W, 3), 0 to 255."""

COLOUR_MAPS = ("inferno", "cividis", "viridis", "gray")
"""Names of colour maps; all but ``inferno`` are made for colour-blind eyes, too."""

_NO_VALUE = (96, 96, 96)
# Ink that is white and heat that is nearly white would hide each other.
_IMAGE_DIMMED = 0.55


def heat_map(values: NDArray[np.float64], domain: tuple[float, float] = (0.0, 1.0)) -> RGB:
    """Colour the pixels of a mask from black (low) over red to pale yellow (high).

    Parameters
    ----------
    values : ndarray of float, shape (H, W)
        Pixel values; NaN is drawn grey.
    domain : tuple of float, default (0, 1)
        The values at the two ends of the colours; values beyond take the end's colour.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        The picture, one pixel per pixel of the mask.

    Raises
    ------
    InputError
        The mask is not two-dimensional, or the domain has no width.
    """
    level = levels(values, domain)
    picture = colour_scale()[np.rint(255 * np.nan_to_num(level)).astype(np.intp)]
    picture[np.isnan(level)] = _NO_VALUE
    return picture


def overlay(
    values: NDArray[np.float64],
    image: RGB,
    domain: tuple[float, float] = (0.0, 1.0),
    alpha: float = 0.85,
) -> RGB:
    """Lay the heat map of a mask over its image.

    The image is dimmed, and covered the more, the higher the value: where the mask is low the image
    shows, where it is high the heat does.

    Parameters
    ----------
    values : ndarray of float, shape (H, W)
        Pixel values of the mask; NaN covers nothing.
    image : ndarray of uint8, shape (H, W, 3)
        The image, brought to the mask's size.
    domain : tuple of float, default (0, 1)
        As for `heat_map`.
    alpha : float, default 0.85
        How much of the image the highest value hides, 0 to 1.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        The picture.

    Raises
    ------
    InputError
        The image has another size than the mask; `alpha` or the domain makes no sense.
    """
    if image.shape != (*values.shape, 3):
        raise InputError(f"mask of shape {values.shape} over an image of shape {image.shape}")
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha {alpha}: 0 to 1 wanted")
    level = np.nan_to_num(levels(values, domain))
    # The square root lets middling values show; a straight line would leave them to the image.
    cover = alpha * np.sqrt(level)[..., None]
    mixed = (1 - cover) * (_IMAGE_DIMMED * image) + cover * heat_map(values, domain)
    return np.rint(mixed).astype(np.uint8)


@lru_cache(maxsize=len(COLOUR_MAPS))
def colour_scale(name: str = COLOUR_MAPS[0]) -> RGB:
    """All colours of a colour map from low to high, shape (256, 3).

    Raises
    ------
    InputError
        The name is none of `COLOUR_MAPS`.
    """
    from matplotlib import colormaps

    if name not in COLOUR_MAPS:
        raise InputError(f"colour map {name!r}: one of {', '.join(COLOUR_MAPS)} wanted")
    scale: RGB = np.rint(255 * colormaps[name](np.arange(256))[:, :3]).astype(np.uint8)
    scale.setflags(write=False)
    return scale


def levels(values: NDArray[np.float64], domain: tuple[float, float]) -> NDArray[np.float64]:
    """Values as a share of the domain, clipped to 0 … 1; NaN stays NaN."""
    lo, hi = domain
    if values.ndim != 2:
        raise InputError(f"mask of shape {values.shape}: two dimensions wanted")
    if not -np.inf < lo < hi < np.inf:
        raise InputError(f"domain {lo} to {hi}: its end is to lie beyond its begin")
    return np.clip((np.asarray(values, np.float64) - lo) / (hi - lo), 0.0, 1.0)
