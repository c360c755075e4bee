"""The 2-D gradient predictor: what is left of a pixel once its neighbours are known.

A pixel is predicted as left + up - upper left; the remainder, modulo the integer's size, is small
where a mask is smooth. Wider integers are written as byte planes, lowest first, after folding the
sign into the lowest bit, so that the upper planes are mostly zero.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["predict", "restore"]


def predict(pixels: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.uint8]:
    """Remainders of a tile as bytes.

    Parameters
    ----------
    pixels : numpy.ndarray
        uint8, uint16 or uint32, shape ``(h, w)``.

    Returns
    -------
    numpy.ndarray
        uint8, shape ``(h * w * itemsize,)``.
    """
    rest = np.empty(pixels.nbytes, np.uint8)
    if pixels.itemsize == 1:
        _predict_bytes(pixels, rest)
    else:
        _predict_planes(pixels, rest)
    return rest


def restore(rest: npt.NDArray[np.uint8], pixels: npt.NDArray[np.unsignedinteger]) -> None:
    """Undo `predict`.

    Parameters
    ----------
    rest : numpy.ndarray
        uint8, shape ``(h * w * itemsize,)``.
    pixels : numpy.ndarray
        uint8, uint16 or uint32, shape ``(h, w)``; written to.
    """
    if pixels.itemsize == 1:
        _restore_bytes(rest, pixels)
    else:
        _restore_planes(rest, pixels)


@numba.njit(cache=True, nogil=True)
def _predict_bytes(pixels: Any, rest: Any) -> None:
    height, width = pixels.shape
    for y in range(height):
        row, out = pixels[y], rest[y * width : (y + 1) * width]
        above = pixels[max(0, y - 1)]
        for x in range(1, width):
            out[x] = row[x] - row[x - 1]
        out[0] = row[0]
        if y:
            for x in range(1, width):
                out[x] -= above[x] - above[x - 1]
            out[0] -= above[0]


@numba.njit(cache=True, nogil=True)
def _predict_planes(pixels: Any, rest: Any) -> None:
    height, width = pixels.shape
    size, planes = height * width, pixels.itemsize
    last = np.uint32(8 * planes - 1)
    mask = np.uint32(0xFFFFFFFF) >> np.uint32(31 - last)
    for y in range(height):
        left = np.uint32(0)
        for x in range(width):
            here = np.uint32(pixels[y, x])
            if y:
                here -= np.uint32(pixels[y - 1, x])
            step = (here - left) & mask
            left = here
            folded = (step << np.uint32(1)) ^ (np.uint32(0) - (step >> last))
            for plane in range(planes):
                rest[plane * size + y * width + x] = folded >> np.uint32(8 * plane)


@numba.njit(cache=True, nogil=True)
def _restore_bytes(rest: Any, pixels: Any) -> None:
    height, width = pixels.shape
    for y in range(height):
        row = rest[y * width : (y + 1) * width]
        left = np.uint8(0)
        for x in range(width):
            left = np.uint8(left + row[x])
            pixels[y, x] = left
        if y:
            for x in range(width):
                pixels[y, x] += pixels[y - 1, x]


@numba.njit(cache=True, nogil=True)
def _restore_planes(rest: Any, pixels: Any) -> None:
    height, width = pixels.shape
    size = height * width
    for y in range(height):
        left = np.uint32(0)
        for x in range(width):
            folded = np.uint32(0)
            for plane in range(rest.size // size):
                byte = np.uint32(rest[plane * size + y * width + x])
                folded |= np.uint32(byte << np.uint32(8 * plane))
            sign = np.uint32(0) - (folded & np.uint32(1))
            left = np.uint32(left + np.uint32((folded >> np.uint32(1)) ^ sign))
            pixels[y, x] = left
        if y:
            for x in range(width):
                pixels[y, x] += pixels[y - 1, x]
