"""The 2-D gradient predictor: what is left of a pixel once its neighbours are known.

A pixel is predicted as left + up - upper left; the remainder, modulo the integer's size, is small
where a mask is smooth. Wider integers are written as byte planes, lowest first, after folding the
sign into the lowest bit, so that the upper planes are mostly zero.
"""

from __future__ import annotations

import sys
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["predict", "restore_bytes", "restore_tiles", "restore_words"]

# Every other byte of a word, and a word that holds a number four times.
_EVEN = np.uint64(0x00FF00FF00FF00FF)
_FOUR_TIMES = np.uint64(0x0001000100010001)
_BYTES, _BYTE, _HIGHEST = np.uint64(0xFF), np.uint64(8), np.uint64(48)


def predict(
    mask: npt.NDArray[np.unsignedinteger], boxes: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Remainders of tiles as bytes, one tile after the other.

    Parameters
    ----------
    mask : numpy.ndarray
        uint8, uint16 or uint32, shape ``(H, W)``.
    boxes : numpy.ndarray
        int64, shape ``(n, 4)``: x0, y0, x1, y1 of each tile.

    Returns
    -------
    numpy.ndarray
        uint8, shape ``(pixels of all tiles * itemsize,)``.
    """
    pixels = (boxes[:, 2] - boxes[:, 0]) @ (boxes[:, 3] - boxes[:, 1])
    rests = np.empty(pixels * mask.itemsize, np.uint8)
    if mask.itemsize == 1:
        _predict_bytes(mask, boxes, rests)
    else:
        _predict_planes(mask, boxes, rests)
    return rests


def restore_tiles(
    rests: npt.NDArray[np.uint8],
    shapes: npt.NDArray[np.int64],
    tiles: npt.NDArray[np.unsignedinteger],
    unfold: bool = False,
) -> None:
    """Undo `predict` for some tiles.

    Parameters
    ----------
    rests : numpy.ndarray
        uint8: the remainders of the tiles, one after the other.
    shapes : numpy.ndarray
        int64, shape ``(n, 2)``: height and width of each tile.
    tiles : numpy.ndarray
        uint8, uint16 or uint32, shape ``(n, H, W)``, C-contiguous: written to within the shape of
        each tile.
    unfold : bool
        Whether integers stand for floats of their size: those with the highest bit for positive
        ones without it, the others for the complement of negative ones.
    """
    if tiles.itemsize > 1:
        _restore_planes(rests, shapes, tiles, unfold)
        return
    if sys.byteorder == "little" and not (shapes[:, 1] % 8).any() and tiles.shape[2] % 8 == 0:
        _restore_words(rests.view(np.uint64), shapes, tiles.view(np.uint64))
    else:
        _restore_bytes(rests, shapes, tiles)


@numba.njit(cache=True, nogil=True)
def _predict_bytes(mask: Any, boxes: Any, rests: Any) -> None:
    at, steps = 0, np.zeros(mask.shape[1] + 1, np.uint8)
    for i in range(len(boxes)):
        x0, y0, x1, y1 = boxes[i]
        # Loops over all of a row, without a rest that is not done many at once.
        left, here = steps[: x1 - x0], steps[1 : x1 - x0 + 1]
        for y in range(y0, y1):
            row, out = mask[y, x0:x1], rests[at : at + x1 - x0]
            at += x1 - x0
            if y == y0:
                for x in range(len(here)):
                    here[x] = row[x]
            else:
                above = mask[y - 1, x0:x1]
                for x in range(len(here)):
                    here[x] = row[x] - above[x]
            for x in range(len(out)):
                out[x] = here[x] - left[x]


@numba.njit(cache=True, nogil=True)
def _predict_planes(mask: Any, boxes: Any, rests: Any) -> None:
    at, planes = 0, mask.itemsize
    last = np.uint32(8 * planes - 1)
    bits = np.uint32(0xFFFFFFFF) >> np.uint32(31 - last)
    for i in range(len(boxes)):
        x0, y0, x1, y1 = boxes[i]
        size = (y1 - y0) * (x1 - x0)
        for y in range(y0, y1):
            left, first = np.uint32(0), at + (y - y0) * (x1 - x0)
            for x in range(x0, x1):
                here = np.uint32(mask[y, x])
                if y > y0:
                    here -= np.uint32(mask[y - 1, x])
                step = (here - left) & bits
                left = here
                folded = (step << np.uint32(1)) ^ (np.uint32(0) - (step >> last))
                for plane in range(planes):
                    rests[first + x - x0 + plane * size] = folded >> np.uint32(8 * plane)
        at += planes * size


@numba.njit(cache=True, nogil=True)
def _restore_words(rests: Any, shapes: Any, tiles: Any) -> None:
    sums, at = np.empty((2, tiles.shape[2]), np.uint64), 0
    for i in range(len(tiles)):
        end = at + shapes[i, 0] * (shapes[i, 1] // 8)
        restore_words(rests[at:end], shapes[i, 0], shapes[i, 1] // 8, tiles[i], sums)
        at = end


@numba.njit(cache=True, nogil=True)
def _restore_bytes(rests: Any, shapes: Any, tiles: Any) -> None:
    at = 0
    for i in range(len(tiles)):
        end = at + shapes[i, 0] * shapes[i, 1]
        restore_bytes(rests[at:end], shapes[i, 0], shapes[i, 1], tiles[i])
        at = end


@numba.njit(cache=True, nogil=True)
def restore_words(rests: Any, height: int, width: int, tile: Any, sums: Any) -> None:
    """Restore bytes of a tile, eight at a time; for use in other kernels.

    Sums are kept in every other byte, so that none carries.

    Parameters
    ----------
    rests : numpy.ndarray
        uint64, shape ``(height * width,)``: remainders, eight bytes a word, lowest first.
    height, width : int
        Of the tile, in words.
    tile : numpy.ndarray
        uint64, written to.
    sums : numpy.ndarray
        uint64, shape ``(2, most)``: room for the sums of a row.
    """
    odds, evens = sums[0, :width], sums[1, :width]
    odds[:], evens[:] = 0, 0
    for y in range(height):
        left = np.uint64(0)
        row, out = rests[y * width : (y + 1) * width], tile[y, :width]
        for x in range(width):
            word = row[x]
            odd = (word >> _BYTE) & _EVEN
            # The product's parts are sums over the pairs of bytes up to each.
            through = ((word & _EVEN) + odd + left) * _FOUR_TIMES
            left = (through >> _HIGHEST) & _BYTES
            evens[x] = (evens[x] + through - odd) & _EVEN
            odds[x] = (odds[x] + through) & _EVEN
            out[x] = evens[x] | (odds[x] << _BYTE)


@numba.njit(cache=True, nogil=True)
def restore_bytes(rests: Any, height: int, width: int, tile: Any) -> None:
    """Restore bytes of a tile of any width; for use in other kernels.

    Parameters
    ----------
    rests : numpy.ndarray
        uint8, shape ``(height * width,)``.
    height, width : int
    tile : numpy.ndarray
        uint8, written to.
    """
    at = 0
    for y in range(height):
        left = np.uint8(0)
        for x in range(width):
            left = np.uint8(left + rests[at])
            at += 1
            tile[y, x] = left + tile[y - 1, x] if y else left


@numba.njit(cache=True, nogil=True)
def _restore_planes(rests: Any, shapes: Any, tiles: Any, unfold: bool) -> None:
    at, planes = 0, tiles.itemsize
    for i in range(len(tiles)):
        height, width = shapes[i]
        size = height * width
        rest = rests[at : at + planes * size]
        at += planes * size
        for y in range(height):
            left = np.uint32(0)
            for x in range(width):
                folded = np.uint32(0)
                for plane in range(planes):
                    byte = np.uint32(rest[plane * size + y * width + x])
                    folded |= np.uint32(byte << np.uint32(8 * plane))
                sign = np.uint32(0) - (folded & np.uint32(1))
                left = np.uint32(left + np.uint32((folded >> np.uint32(1)) ^ sign))
                tiles[i, y, x] = left + tiles[i, y - 1, x] if y else left
        if unfold:
            _unfold(tiles[i, :height, :width])


@numba.njit(cache=True, nogil=True)
def _unfold(pixels: Any) -> None:
    highest = pixels.dtype.type(1 << (8 * pixels.itemsize - 1))
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            word = pixels[y, x]
            pixels[y, x] = word ^ highest if word & highest else ~word
