"""The tiles that settle most of what is in doubt."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["add_doubt", "add_totals", "choose_half"]

# Up to so many tiles in doubt the largest is looked for again and again, which beats sorting.
_FEW = 64


@numba.njit(cache=True, nogil=True)
def choose_half(doubt: Any, pending: Any, chosen: Any) -> None:
    """Mark in every pending row the most doubtful tiles that hold half of its doubt.

    Parameters
    ----------
    doubt : numpy.ndarray
        int64, shape ``(m, tiles)``, none negative.
    pending : numpy.ndarray
        bool, shape ``(m,)``.
    chosen : numpy.ndarray
        bool, shape ``(m, tiles)``, all False; written to. Of tiles alike the first is marked.
    """
    at = np.empty(doubt.shape[1], np.int64)
    for row in range(len(doubt)):
        if not pending[row]:
            continue
        found = 0
        for tile in range(doubt.shape[1]):
            if doubt[row, tile] > 0:
                at[found] = tile
                found += 1
        if found > _FEW:
            _by_order(doubt[row], at[:found], chosen[row])
        else:
            _one_by_one(doubt[row], at[:found], chosen[row])


@numba.njit(cache=True, nogil=True)
def _by_order(doubt: Any, at: Any, chosen: Any) -> None:
    held = doubt[at]
    total, before = held.sum(), np.int64(0)
    for i in np.argsort(-held, kind="mergesort"):
        if 2 * before >= total:
            break
        chosen[at[i]] = True
        before += held[i]


@numba.njit(cache=True, nogil=True)
def _one_by_one(doubt: Any, at: Any, chosen: Any) -> None:
    total, before = np.int64(0), np.int64(0)
    for tile in at:
        total += doubt[tile]
    while 2 * before < total:
        best = -1
        for tile in at:
            if not chosen[tile] and (best < 0 or doubt[tile] > doubt[best]):
                best = tile
        chosen[best] = True
        before += doubt[best]


@numba.njit(cache=True, nogil=True)
def add_doubt(lower: Any, upper: Any, floor: Any, ceiling: Any, rows: Any, doubt: Any) -> None:
    """Add the width of the bounds of tiles, of rows of which the whole is not known.

    Parameters
    ----------
    lower, upper : numpy.ndarray
        int64, shape ``(m, tiles)``.
    floor, ceiling : numpy.ndarray
        int64, shape ``(m,)``: bounds of the whole known from elsewhere.
    rows : numpy.ndarray
        int64, shape ``(n,)``.
    doubt : numpy.ndarray
        int64, shape ``(n, tiles)``; added to.
    """
    for i in range(len(rows)):
        row = rows[i]
        low, high = lower[row], upper[row]
        least, most = np.int64(0), np.int64(0)
        for tile in range(len(low)):
            least += low[tile]
            most += high[tile]
        if max(least, floor[row]) < min(most, ceiling[row]):
            for tile in range(len(low)):
                doubt[i, tile] += high[tile] - low[tile]


@numba.njit(cache=True, nogil=True)
def add_totals(lower: Any, upper: Any, rows: Any, least: Any, most: Any) -> None:
    """Add up the bounds of all tiles of some rows.

    Parameters
    ----------
    lower, upper, rows
        As in `add_doubt`.
    least, most : numpy.ndarray
        int64, shape ``(n,)``; added to.
    """
    for i in range(len(rows)):
        low, high = lower[rows[i]], upper[rows[i]]
        for tile in range(len(low)):
            least[i] += low[tile]
            most[i] += high[tile]
