"""How many pixels can be marked in enough members of a group."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["most_pixels"]


def most_pixels(
    counts: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    wanted: npt.NDArray[np.int64],
    areas: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Bound from above how many pixels of a cell are marked in at least some number of members.

    A pixel marked in j members is marked in at least j - k of those that remain when the k members
    with the most marks are left out, so there are at most ``sum of the others // (j - k)``.

    Parameters
    ----------
    counts : numpy.ndarray
        int64, shape ``(M, cells)``: marked pixels of every member.
    offsets : numpy.ndarray
        int64, shape ``(G + 1,)``: the members of group g are ``offsets[g]`` to ``offsets[g + 1]``.
    wanted : numpy.ndarray
        int64, shape ``(G,)``: at least how many members; 0 or less holds everywhere.
    areas : numpy.ndarray
        int64, shape ``(cells,)``: pixels of each cell.

    Returns
    -------
    numpy.ndarray
        int64, shape ``(G, cells)``.
    """
    most = np.empty((len(wanted), len(areas)), np.int64)
    _most(np.ascontiguousarray(counts), offsets, wanted, areas, most)
    return most


@numba.njit(cache=True, nogil=True)
def _most(counts: Any, offsets: Any, wanted: Any, areas: Any, most: Any) -> None:
    for g in range(len(wanted)):
        members, j = counts[offsets[g] : offsets[g + 1]], wanted[g]
        if j > len(members):
            most[g] = 0
        elif j <= 0:
            _least(members[:0], areas, most[g])
        elif j == len(members):
            _least(members, areas, most[g])
        elif j == 1:
            _sum(members, areas, most[g])
        else:
            _some(members, j, areas, most[g])


@numba.njit(cache=True, nogil=True)
def _sum(members: Any, areas: Any, most: Any) -> None:
    most[:] = 0
    for m in range(len(members)):
        for c in range(len(areas)):
            most[c] += members[m, c]
    for c in range(len(areas)):
        most[c] = min(most[c], areas[c])


@numba.njit(cache=True, nogil=True)
def _least(members: Any, areas: Any, most: Any) -> None:
    for c in range(len(areas)):
        most[c] = areas[c]
    for m in range(len(members)):
        for c in range(len(areas)):
            most[c] = min(most[c], members[m, c])


@numba.njit(cache=True, nogil=True)
def _some(members: Any, j: int, areas: Any, most: Any) -> None:
    size = len(members)
    for c in range(len(areas)):
        ascending = np.sort(members[:, c])
        left = ascending.sum()
        best = min(areas[c], left // j)
        for k in range(1, j):
            left -= ascending[size - k]
            best = min(best, left // (j - k))
        most[c] = best
