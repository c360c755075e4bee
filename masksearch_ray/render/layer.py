"""Masks as see-through pictures, to lie over their images: PNG files of one byte a pixel."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from masksearch_ray.render.colour import colour_scale, levels

__all__ = ["PairShown", "heat_layer", "pair_layer"]

_PAIR = ((0, 0, 0), (51, 187, 238), (238, 119, 51), (255, 255, 255))
"""Neither, the first alone (blue), the second alone (orange), both: told apart by all eyes."""

PairShown = Literal["all", "both", "either"]

_NO_VALUE = 255  # entry of the palette that stands for NaN, which is clear


def heat_layer(
    values: NDArray[np.float64],
    domain: tuple[float, float] = (0.0, 1.0),
    name: str = "inferno",
    size: int | None = None,
) -> bytes:
    """Draw the heat map of a mask, the clearer the lower the value.

    Parameters
    ----------
    values : ndarray of float, shape (H, W)
        Pixel values; NaN is clear.
    domain : tuple of float, default (0, 1)
        The values at the two ends of the colours.
    name : str
        One of `COLOUR_MAPS`.
    size : int, optional
        Longer side at most, pixels: a larger mask is averaged down to it.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    InputError
        The mask is not two-dimensional, the domain has no width, or no such colour map.
    """
    level = levels(values, domain)
    index = np.rint(254 * np.nan_to_num(level)).astype(np.uint8)
    index = _smaller(index, size)
    clear = _smaller(np.isnan(level).astype(np.uint8), size).astype(bool)
    index[clear] = _NO_VALUE
    # The square root lets middling values show.
    alpha = np.rint(255 * np.sqrt(np.arange(256) / 254).clip(0, 1)).astype(np.uint8)
    alpha[_NO_VALUE] = 0
    return _png(index, colour_scale(name).tobytes(), alpha.tobytes())


def pair_layer(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    threshold: float,
    size: int | None = None,
    show: PairShown = "all",
) -> bytes:
    """Draw where two masks reach a threshold: one, the other, or both.

    Parameters
    ----------
    first, second : ndarray of float, shape (H, W)
    threshold : float
    size : int, optional
        Longer side at most, pixels: of a larger mask some pixels are left out.
    show : {"all", "both", "either"}
        What is told apart; or where both do alone; or where either does.

    Returns
    -------
    bytes
        A PNG file: blue the first alone, orange the second alone, white both (or either), clear
        elsewhere.
    """
    index = ((first >= threshold) + 2 * (second >= threshold)).astype(np.uint8)
    if show != "all":
        index = (3 * ((index == 3) if show == "both" else (index > 0))).astype(np.uint8)
    step = 1 if size is None else -(-max(index.shape) // size)
    palette = bytes(channel for colour in _PAIR for channel in colour)
    return _png(np.ascontiguousarray(index[::step, ::step]), palette, bytes([0, 255, 255, 255]))


def _smaller(index: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    longest = max(index.shape)
    if size is None or longest <= size:
        return index
    shape = (max(1, side * size // longest) for side in reversed(index.shape))
    return np.array(Image.fromarray(index).resize(tuple(shape), Image.Resampling.BOX))


def _png(index: NDArray[np.uint8], palette: bytes, alpha: bytes) -> bytes:
    picture = Image.fromarray(index)
    picture.putpalette(palette)
    stream = io.BytesIO()
    picture.save(stream, format="PNG", transparency=alpha, compress_level=3)
    return stream.getvalue()
