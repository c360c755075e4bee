"""Counts of pixels tile by tile: bounds at first, exact where a tile was read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from masksearch_ray.kernels.doubt import add_doubt, add_totals, choose_half

__all__ = ["Tally", "choose_tiles"]

Counts = npt.NDArray[np.int64]


@dataclass(eq=False)
class Tally:
    """Bounds of one CP term on m groups, tile by tile.

    Parameters
    ----------
    lower, upper : numpy.ndarray
        int64 ``(m, tiles)``; equal where the tile's count is known.
    floor, ceiling : numpy.ndarray
        int64 ``(m,)``: bounds of the whole known from elsewhere (a ROI histogram).
    """

    lower: Counts
    upper: Counts
    floor: Counts
    ceiling: Counts

    def settle(self, rows: Counts, tiles: Counts, counts: Counts) -> None:
        """Take in exact counts ``(n,)`` of tiles of rows."""
        self.lower[rows, tiles] = counts
        self.upper[rows, tiles] = counts

    def totals(self, rows: Counts | None = None) -> tuple[Counts, Counts]:
        """Bounds of the whole, of all rows or of some: two int64 ``(m,)``."""
        at = np.arange(len(self.lower)) if rows is None else rows
        lower, upper = np.zeros((2, len(at)), np.int64)
        add_totals(self.lower, self.upper, at, lower, upper)
        return np.maximum(lower, self.floor[at]), np.minimum(upper, self.ceiling[at])

    def doubt(self, rows: Counts | None = None) -> Counts:
        """Width of each tile's bounds; 0 where the whole is known: int64 ``(m, tiles)``."""
        at = np.arange(len(self.lower)) if rows is None else rows
        doubt = np.zeros((len(at), self.lower.shape[1]), np.int64)
        add_doubt(self.lower, self.upper, self.floor, self.ceiling, at, doubt)
        return doubt


def choose_tiles(
    doubt: Counts, pending: npt.NDArray[np.bool_], *, whole: bool = False
) -> tuple[Counts, Counts]:
    """Tiles to read next: for each pending row the most doubtful that hold half of its doubt.

    Reading half of what is left at a time keeps the number of rounds logarithmic, and most rows
    are decided by their first tile.

    Parameters
    ----------
    doubt : numpy.ndarray
        int64 ``(m, tiles)``.
    pending : numpy.ndarray
        bool ``(m,)``.
    whole : bool
        Take all that are in doubt: the rows are to be exact in any case.

    Returns
    -------
    rows, tiles : numpy.ndarray
        int64 ``(n,)`` each, ordered by row, then tile.
    """
    if whole:
        chosen = (doubt > 0) & pending[:, None]
    else:
        chosen = np.zeros(doubt.shape, np.bool_)
        choose_half(doubt, pending, chosen)
    rows, tiles = np.nonzero(chosen)
    return rows, tiles
