"""Rows that any exact method must verify, given bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["must_verify"]

Numbers = NDArray[np.int64]


def must_verify(lower: Numbers, upper: Numbers, exact: Numbers, k: int, descending: bool) -> int:
    """Count the rows without which the first k cannot be told.

    A row must be verified if its bounds alone leave the answer open even when all other rows are
    known exactly: its place differs between its two bounds, and one of both is among the first k.
    Ties are settled by position.

    Parameters
    ----------
    lower, upper, exact : numpy.ndarray
        int64, shape ``(N,)``: bounds that hold the exact number.
    k : int
    descending : bool
    """
    if not len(lower):
        return 0
    n = len(exact)
    if descending:
        lower, upper, exact = -upper, -lower, -exact
    at = np.arange(n)
    # One number for value and position; the place of a row is how many others lie before it.
    keys, best, worst = (values * n + at for values in (exact, lower, upper))
    first = np.sort(keys)[: k + 1]

    def place(bound: Numbers) -> Numbers:
        before: Numbers = np.searchsorted(first, bound).astype(np.int64)
        # A row does not stand before itself.
        before = before - ((keys < bound) & (keys <= first[-1]))
        return np.minimum(before, k)

    return int((place(best) != place(worst)).sum())
