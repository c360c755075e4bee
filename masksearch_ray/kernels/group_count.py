"""Exact counts over tiles of the masks of a group."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["count_extremes", "count_ones", "count_sums"]


@numba.njit(cache=True, nogil=True)
def count_extremes(
    largest: bool, tiles: Any, offsets: Any, marked: Any, cuts: Any, counts: Any
) -> None:
    """Count marked pixels at which the least, or the largest, of the members lies in a range.

    Parameters
    ----------
    largest : bool
    tiles : numpy.ndarray
        Shape ``(M, T, T)``: a tile of every member, as `comparable` gives it.
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``.
    marked : numpy.ndarray
        bool, shape ``(G, T, T)``.
    cuts : tuple
        The least pixel that is NaN no more, the cut-off at the start, whether there is one at the
        end, and that; pixels that are not at or above the first make theirs count in no range.
    counts : numpy.ndarray
        int64, shape ``(G,)``; written to.
    """
    valid, start, bounded, stop = cuts
    side = tiles.shape[1] * tiles.shape[2]
    for g in range(len(counts)):
        found = np.uint32(0)
        inside = marked[g].reshape(side)
        first, last = offsets[g], offsets[g + 1]
        extreme = tiles[first].reshape(side).copy()
        known = np.ones(side, np.bool_)
        for m in range(first, last):
            tile = tiles[m].reshape(side)
            for i in range(side):
                known[i] &= tile[i] >= valid
            if largest:
                for i in range(side):
                    extreme[i] = max(extreme[i], tile[i])
            else:
                for i in range(side):
                    extreme[i] = min(extreme[i], tile[i])
        for i in range(side):
            reached = (extreme[i] >= start) & (not (bounded & (extreme[i] >= stop)))
            found += np.uint32(reached & known[i] & inside[i])
        counts[g] = found


@numba.njit(cache=True, nogil=True)
def count_ones(
    tiles: Any, offsets: Any, marked: Any, cuts: Any, starts: Any, stops: Any, counts: Any
) -> None:
    """Count marked pixels at which so many members lie in a range.

    Parameters
    ----------
    tiles, offsets, marked, counts
        As in `count_extremes`.
    cuts : tuple
        The cut-off at the start, whether there is one at the end, and that.
    starts, stops : numpy.ndarray
        int64, shape ``(G,)``: how many members at least, and fewer than how many.
    """
    start, bounded, stop = cuts
    side = tiles.shape[1] * tiles.shape[2]
    for g in range(len(counts)):
        found = np.uint32(0)
        inside = marked[g].reshape(side)
        ones = np.zeros(side, np.int32)
        for m in range(offsets[g], offsets[g + 1]):
            tile = tiles[m].reshape(side)
            for i in range(side):
                ones[i] += np.int32((tile[i] >= start) & (not (bounded & (tile[i] >= stop))))
        for i in range(side):
            found += np.uint32((ones[i] >= starts[g]) & (ones[i] < stops[g]) & inside[i])
        counts[g] = found


@numba.njit(cache=True, nogil=True)
def count_sums(tiles: Any, offsets: Any, marked: Any, starts: Any, stops: Any, counts: Any) -> None:
    """Count marked pixels at which the sum of the members, of integers, lies in a range.

    Parameters
    ----------
    tiles, offsets, marked, counts
        As in `count_extremes`.
    starts, stops : numpy.ndarray
        int64, shape ``(G,)``: the sum at least, and less than what.
    """
    side = tiles.shape[1] * tiles.shape[2]
    for g in range(len(counts)):
        found = np.uint32(0)
        inside = marked[g].reshape(side)
        total = np.zeros(side, np.int64)
        for m in range(offsets[g], offsets[g + 1]):
            tile = tiles[m].reshape(side)
            for i in range(side):
                total[i] += np.int64(tile[i])
        for i in range(side):
            found += np.uint32((total[i] >= starts[g]) & (total[i] < stops[g]) & inside[i])
        counts[g] = found
