"""Exact counts over tiles of the masks of a group."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["count_extremes", "count_ones", "count_sums"]

# Pixels looked at together, and how many times as many are counted in a byte each.
_LANES, _MOST = 512, 255


@numba.njit(cache=True, nogil=True)
def count_extremes(
    largest: bool, tiles: Any, members: Any, offsets: Any, marked: Any, cuts: Any, counts: Any
) -> None:
    """Count marked pixels at which the least, or the largest, of the members lies in a range.

    Parameters
    ----------
    largest : bool
    tiles : numpy.ndarray
        Shape ``(M, T, T)``, as `comparable` gives them.
    members : numpy.ndarray
        int64, shape ``(M,)``: the tile of every member, group after group.
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``.
    marked : numpy.ndarray
        bool, shape ``(G, T, T)``; ``(0, T, T)`` where all pixels are.
    cuts : tuple
        Whether a pixel may be NaN, the least one that is not, the cut-off at the start, whether
        there is one at the end, and that; NaN in any member makes a pixel count in no range.
    counts : numpy.ndarray
        int64, shape ``(G,)``; written to.
    """
    nan, valid, start, bounded, stop = cuts
    side = tiles.shape[1] * tiles.shape[2]
    flat, inside = tiles.reshape(len(tiles), side), marked.reshape(len(marked), side)
    ones = np.empty(_LANES, np.uint8)
    extreme, known = np.empty(_LANES, tiles.dtype), np.ones(_LANES, np.bool_)
    some = nan or len(marked) > 0
    for g in range(len(counts)):
        held = members[offsets[g] : offsets[g + 1]]
        total = np.int64(0)
        for block in range(0, side, _MOST * _LANES):
            ones[:] = 0
            for begin in range(block, min(side, block + _MOST * _LANES), _LANES):
                end = min(side, begin + _LANES)
                if len(marked):
                    known[: end - begin] = inside[g, begin:end]
                elif nan:
                    known[:] = True
                _extreme(largest, flat, held, begin, end, extreme)
                if nan:
                    _know(flat, held, begin, end, valid, known)
                _add_ones(extreme, known, some, start, bounded, stop, ones[: end - begin])
            for i in range(_LANES):
                total += np.int64(ones[i])
        counts[g] = total


@numba.njit(cache=True, nogil=True)
def _extreme(largest: bool, tiles: Any, members: Any, begin: int, end: int, extreme: Any) -> None:
    tile = tiles[members[0], begin:end]
    for i in range(len(tile)):
        extreme[i] = tile[i]
    for at in range(1, len(members)):
        tile = tiles[members[at], begin:end]
        if largest:
            for i in range(len(tile)):
                extreme[i] = max(extreme[i], tile[i])
        else:
            for i in range(len(tile)):
                extreme[i] = min(extreme[i], tile[i])


@numba.njit(cache=True, nogil=True)
def _know(tiles: Any, members: Any, begin: int, end: int, valid: Any, known: Any) -> None:
    for m in members:
        tile = tiles[m, begin:end]
        for i in range(len(tile)):
            known[i] &= tile[i] >= valid


@numba.njit(cache=True, nogil=True)
def _add_ones(
    extreme: Any, known: Any, some: bool, start: Any, bounded: bool, stop: Any, ones: Any
) -> None:
    if bounded or some:
        for i in range(len(ones)):
            inside = (extreme[i] >= start) & (not (bounded & (extreme[i] >= stop)))
            ones[i] += np.uint8(inside & known[i])
    else:
        for i in range(len(ones)):
            ones[i] += np.uint8(extreme[i] >= start)


@numba.njit(cache=True, nogil=True)
def count_ones(
    tiles: Any,
    members: Any,
    offsets: Any,
    marked: Any,
    cuts: Any,
    starts: Any,
    stops: Any,
    counts: Any,
) -> None:
    """Count marked pixels at which so many members lie in a range.

    Parameters
    ----------
    tiles, members, offsets, marked, counts
        As in `count_extremes`.
    cuts : tuple
        The cut-off at the start, whether there is one at the end, and that.
    starts, stops : numpy.ndarray
        int64, shape ``(G,)``: how many members at least, and fewer than how many.
    """
    start, bounded, stop = cuts
    side = tiles.shape[1] * tiles.shape[2]
    inside = np.ones(side, np.bool_)
    for g in range(len(counts)):
        found = np.uint32(0)
        if len(marked):
            inside = marked[g].reshape(side)
        ones = np.zeros(side, np.int32)
        for m in range(offsets[g], offsets[g + 1]):
            tile = tiles[members[m]].reshape(side)
            for i in range(side):
                ones[i] += np.int32((tile[i] >= start) & (not (bounded & (tile[i] >= stop))))
        for i in range(side):
            found += np.uint32((ones[i] >= starts[g]) & (ones[i] < stops[g]) & inside[i])
        counts[g] = found


@numba.njit(cache=True, nogil=True)
def count_sums(
    tiles: Any, members: Any, offsets: Any, marked: Any, starts: Any, stops: Any, counts: Any
) -> None:
    """Count marked pixels at which the sum of the members, of integers, lies in a range.

    Parameters
    ----------
    tiles, members, offsets, marked, counts
        As in `count_extremes`.
    starts, stops : numpy.ndarray
        int64, shape ``(G,)``: the sum at least, and less than what.
    """
    side = tiles.shape[1] * tiles.shape[2]
    inside = np.ones(side, np.bool_)
    for g in range(len(counts)):
        found = np.uint32(0)
        if len(marked):
            inside = marked[g].reshape(side)
        total = np.zeros(side, np.int64)
        for m in range(offsets[g], offsets[g + 1]):
            tile = tiles[members[m]].reshape(side)
            for i in range(side):
                total[i] += np.int64(tile[i])
        for i in range(side):
            found += np.uint32((total[i] >= starts[g]) & (total[i] < stops[g]) & inside[i])
        counts[g] = found
