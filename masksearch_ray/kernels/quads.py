"""Small remainders, four to a byte.

Where a mask is smooth, nearly all remainders of bytes are 0, 1 or -1. A tile of them is packed as

1. *quads*: for every four rows a row of bytes, each of which holds a column's four remainders, the
   uppermost in the lowest two bits: 0, 1 and -1 as 00, 01 and 11, any other as 10. Rows that the
   tile lacks are zeros.
2. The others, a byte each, in the order in which 10 is met, byte by byte, lowest bits first.

A packed tile has fewer bytes than pixels; one with as many is not packed.
"""

from __future__ import annotations

import sys
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.predict import restore_bytes, restore_words

__all__ = ["pack_tiles", "restore_packed"]

_ROWS = 4
_LOW, _PAIR = np.uint64(0x5555555555555555), np.uint64(0x0303030303030303)
_FOURS, _EIGHTS = np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_ONES, _ONE = np.uint64(0x0101010101010101), np.uint64(1)


def pack_tiles(
    rests: npt.NDArray[np.uint8], shapes: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pack tiles of which at most half of the remainders are others than 0, 1 and -1.

    Parameters
    ----------
    rests : numpy.ndarray
        uint8: the remainders of the tiles, one after the other.
    shapes : numpy.ndarray
        int64, shape ``(n, 2)``: height and width of each tile.

    Returns
    -------
    contents : numpy.ndarray
        uint8: the tiles, packed or as they were, one after the other.
    lengths : numpy.ndarray
        int64, shape ``(n,)``: bytes of each.
    """
    contents, lengths = np.empty_like(rests), np.empty(len(shapes), np.int64)
    end = _pack(rests, shapes, contents, lengths)
    return contents[:end], lengths


def restore_packed(
    contents: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.int64],
    shapes: npt.NDArray[np.int64],
    tiles: npt.NDArray[np.uint8],
) -> int:
    """Undo `pack_tiles` and the prediction; which tile cannot be restored, else -1.

    Parameters
    ----------
    contents : numpy.ndarray
        uint8: tiles, packed or not, one after the other.
    lengths : numpy.ndarray
        int64, shape ``(n,)``: bytes of each.
    shapes : numpy.ndarray
        int64, shape ``(n, 2)``: height and width of each.
    tiles : numpy.ndarray
        uint8, shape ``(n, H, W)``, C-contiguous: written to within the shape of each tile.
    """
    if sys.byteorder == "little" and not (shapes[:, 1] % 8).any() and tiles.shape[2] % 8 == 0:
        return int(_restore_words(contents, lengths, shapes, tiles.view(np.uint64)))
    return int(_restore_bytes(contents, lengths, shapes, tiles))


@numba.njit(cache=True, nogil=True)
def _pack(rests: Any, shapes: Any, contents: Any, lengths: Any) -> int:
    words, at, end = _room(shapes), 0, 0
    quads = words.view(np.uint8)
    for i in range(len(shapes)):
        height, width, size, least = _sizes(shapes[i])
        rest = rests[at : at + size]
        at += size
        _fill(rest, height, width, quads)
        others = _count_others(words[: (least + 7) // 8])
        if 2 * others > size or least + others >= size:
            lengths[i] = size
            contents[end : end + size] = rest
        else:
            lengths[i] = least + others
            contents[end : end + least] = quads[:least]
            _put_others(rest, width, words, quads[:least], contents[end + least :])
        end += lengths[i]
    return end


@numba.njit(cache=True, nogil=True)
def _fill(rest: Any, height: int, width: int, quads: Any) -> None:
    whole, strip = height // _ROWS * width, _ROWS * width
    for first in range(0, whole, width):
        rows, out = rest[_ROWS * first : _ROWS * first + strip], quads[first : first + width]
        a, b = rows[:width], rows[width : 2 * width]
        c, d = rows[2 * width : 3 * width], rows[3 * width :]
        for x in range(width):
            high = np.uint8(_pair(d[x]) << 6) | np.uint8(_pair(c[x]) << 4)
            out[x] = np.uint8(_pair(b[x]) << 2) | _pair(a[x]) | high
    quads[whole:] = 0
    for j in range(_ROWS * whole, len(rest)):
        quads[whole + j % width] |= np.uint8(_pair(rest[j]) << 2 * (j // width % _ROWS))


@numba.njit(cache=True, nogil=True)
def _pair(rest: Any) -> Any:
    return np.uint8(rest & 3) if np.uint8(rest + 1) <= 2 else np.uint8(2)


@numba.njit(cache=True, nogil=True)
def _others(word: Any) -> Any:
    """Lower bits of the pairs that are 10."""
    return word >> _ONE & ~word & _LOW


@numba.njit(cache=True, nogil=True)
def _count_others(words: Any) -> Any:
    total = np.uint64(0)
    for i in range(len(words)):
        found = _others(words[i])
        fours = (found & _FOURS) + (found >> np.uint64(2) & _FOURS)
        bytewise = (fours & _EIGHTS) + (fours >> np.uint64(4) & _EIGHTS)
        total += bytewise * _ONES >> np.uint64(56)
    return np.int64(total)


@numba.njit(cache=True, nogil=True)
def _put_others(rest: Any, width: int, words: Any, quads: Any, out: Any) -> None:
    put = 0
    for word in range((len(quads) + 7) // 8):
        if not _others(words[word]):
            continue
        for j in range(8 * word, min(8 * word + 8, len(quads))):
            for row in range(_ROWS):
                if quads[j] >> (2 * row) & 3 == 2:
                    out[put] = rest[(j // width * _ROWS + row) * width + j % width]
                    put += 1


@numba.njit(cache=True, nogil=True)
def _sizes(shape: Any) -> Any:
    """Height, width, pixels, and bytes of the quads."""
    height, width = shape[0], shape[1]
    return height, width, height * width, (height + _ROWS - 1) // _ROWS * width


@numba.njit(cache=True, nogil=True)
def _room(shapes: Any) -> Any:
    """Zeroed words, enough for any of the tiles not packed."""
    most = 0
    for i in range(len(shapes)):
        most = max(most, (shapes[i, 0] + _ROWS - 1) * shapes[i, 1])
    return np.zeros((most + 7) // 8, np.uint64)


@numba.njit(cache=True, nogil=True)
def _restore_words(contents: Any, lengths: Any, shapes: Any, tiles: Any) -> int:
    words, rests = _room(shapes), _room(shapes)
    quads, bytewise, at = words.view(np.uint8), rests.view(np.uint8), 0
    sums = np.empty((2, tiles.shape[2]), np.uint64)
    for i in range(len(tiles)):
        height, width, size, least = _sizes(shapes[i])
        content = contents[at : at + lengths[i]]
        at += lengths[i]
        if len(content) == size:
            bytewise[:size] = content
        elif least <= len(content) < size:
            quads[:least] = content[:least]
            _spread_words(words, height, width // 8, rests)
            others = content[least:]
            if not _take_others(words, quads[:least], width, others, bytewise[:size]):
                return i
        else:
            return i
        restore_words(rests, height, width // 8, tiles[i], sums)
    return -1


@numba.njit(cache=True, nogil=True)
def _restore_bytes(contents: Any, lengths: Any, shapes: Any, tiles: Any) -> int:
    words, rests, at = _room(shapes), _room(shapes).view(np.uint8), 0
    quads = words.view(np.uint8)
    for i in range(len(tiles)):
        height, width, size, least = _sizes(shapes[i])
        content = contents[at : at + lengths[i]]
        at += lengths[i]
        if len(content) == size:
            rests[:size] = content
        elif least <= len(content) < size:
            quads[:least] = content[:least]
            # What an earlier tile has left in the last word.
            quads[least : (least + 7) // 8 * 8] = 0
            _spread(quads, height, width, rests)
            if not _take_others(words, quads[:least], width, content[least:], rests[:size]):
                return i
        else:
            return i
        restore_bytes(rests, height, width, tiles[i])
    return -1


@numba.njit(cache=True, nogil=True)
def _spread_words(words: Any, height: int, width: int, rest: Any) -> None:
    for first in range(0, height // _ROWS * width, width):
        row, out = words[first : first + width], rest[_ROWS * first : _ROWS * (first + width)]
        a, b = out[:width], out[width : 2 * width]
        c, d = out[2 * width : 3 * width], out[3 * width :]
        for x in range(width):
            word = row[x]
            a[x] = _bytes(word)
            b[x] = _bytes(word >> np.uint64(2))
            c[x] = _bytes(word >> np.uint64(4))
            d[x] = _bytes(word >> np.uint64(6))
    for y in range(height // _ROWS * _ROWS, height):
        shift, first = np.uint64(2 * (y % _ROWS)), y // _ROWS * width
        for x in range(width):
            rest[y * width + x] = _bytes(words[first + x] >> shift)


@numba.njit(cache=True, nogil=True)
def _bytes(word: Any) -> Any:
    """Remainders of the lowest pair of each byte."""
    pair = word & _PAIR
    minus = pair >> _ONE & _ONES
    return pair + (minus << np.uint64(8)) - (minus << np.uint64(2))


@numba.njit(cache=True, nogil=True)
def _spread(quads: Any, height: int, width: int, rest: Any) -> None:
    for y in range(height):
        for x in range(width):
            pair = quads[y // _ROWS * width + x] >> (2 * (y % _ROWS)) & 3
            rest[y * width + x] = (pair ^ 2) - 2


@numba.njit(cache=True, nogil=True)
def _take_others(words: Any, quads: Any, width: int, others: Any, rest: Any) -> bool:
    """Put the others in their places; whether these are as many as there are others."""
    taken = 0
    for word in range((len(quads) + 7) // 8):
        if not _others(words[word]):
            continue
        for j in range(8 * word, min(8 * word + 8, len(quads))):
            for row in range(_ROWS):
                if quads[j] >> (2 * row) & 3 == 2:
                    place = (j // width * _ROWS + row) * width + j % width
                    if taken == len(others) or place >= len(rest):
                        return False
                    rest[place] = others[taken]
                    taken += 1
    return taken == len(others)
