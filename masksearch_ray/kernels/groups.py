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
        first, size, j = offsets[g], offsets[g + 1] - offsets[g], wanted[g]
        for c in range(len(areas)):
            if j <= 0:
                most[g, c] = areas[c]
                continue
            if j > size:
                most[g, c] = 0
                continue
            members = np.sort(counts[first : first + size, c])
            left = members.sum()
            best = min(areas[c], left // j)
            for k in range(1, j):
                left -= members[size - k]
                best = min(best, left // (j - k))
            most[g, c] = best
