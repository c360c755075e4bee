"""Where tiles lie in a file, from the entries of its directory."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["tile_spans"]


@numba.njit(cache=True, nogil=True)
def tile_spans(entries: Any, width: int, rows: Any, tiles: Any, spans: Any) -> None:
    """First byte of tiles, and one past the last.

    Parameters
    ----------
    entries : numpy.ndarray
        uint8, shape ``(N, stride)``: the entry of every mask. It begins with the first byte of its
        first tile in 8 bytes, then comes the length of each tile; little-endian.
    width : int
        Bytes of a length.
    rows, tiles : numpy.ndarray
        int64, shape ``(n,)``: masks, and a tile of each.
    spans : numpy.ndarray
        int64, shape ``(n, 2)``; written to.
    """
    for i in range(len(rows)):
        entry = entries[rows[i]]
        start, length = _number(entry, 0, 8), np.int64(0)
        for tile in range(tiles[i] + 1):
            start += length
            length = _number(entry, 8 + tile * width, width)
        spans[i, 0], spans[i, 1] = start, start + length


@numba.njit(cache=True, nogil=True)
def _number(entry: Any, first: int, width: int) -> Any:
    number = np.int64(0)
    for i in range(width):
        number |= np.int64(entry[first + i]) << np.int64(8 * i)
    return number
