"""How well a ranking finds what it is to find: precision, recall, lift. Pure; no page here.

Public here: `Retrieval`, made by `retrieval` from the truth in ranked order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.errors import InputError

__all__ = ["Retrieval", "retrieval"]


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What a ranking achieves.

    Attributes
    ----------
    precision, recall : ndarray of float64, shape (N,)
        Among the first 1 … N: the share that is to be found, and how much of all of it.
    base : float
        Share of all that is to be found: the precision of a ranking by chance.
    average_precision : float
        Mean of the precision at every hit; `base`, about, for a ranking by chance.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    base: float
    average_precision: float

    @property
    def n(self) -> int:
        """How many were ranked."""
        return len(self.precision)

    def precision_at(self, k: int) -> float:
        """Share of hits among the first k; of all where there are fewer."""
        return float(self.precision[min(k, self.n) - 1])

    def lift_at(self, k: int) -> float:
        """How many times the base rate that is."""
        return self.precision_at(k) / self.base

    def recall_at(self, k: int) -> float:
        """Share of what is to be found that the first k hold."""
        return float(self.recall[min(k, self.n) - 1])


def retrieval(truth: Sequence[bool | None]) -> Retrieval:
    """Judge a ranking.

    Parameters
    ----------
    truth : sequence of bool or None
        Of each, in ranked order: whether it is to be found; what is not known is left out.

    Returns
    -------
    Retrieval

    Raises
    ------
    InputError
        None is to be found, or nothing is known.

    References
    ----------
    C. D. Manning, P. Raghavan, H. Schütze, "Introduction to Information Retrieval", 2008, ch. 8.4.
    """
    hits = np.array([bool(one) for one in truth if one is not None], np.bool_)
    if not hits.any():
        raise InputError("no row is known to be what is looked for")
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    return Retrieval(
        precision, found / found[-1], float(hits.mean()), float(precision[hits].mean())
    )
