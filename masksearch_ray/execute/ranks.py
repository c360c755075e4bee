"""Values as the numbers of their order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.interval import Array

__all__ = ["ranks"]


def ranks(values: Array) -> npt.NDArray[np.int64]:
    """Number of each value among the distinct ones in ascending order, from 0.

    Parameters
    ----------
    values : numpy.ndarray
        ``(N,)``; of objects: all texts, or all numbers.
    """
    if values.dtype != object:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    # Keys repeat: to hash all and sort the distinct ones is many times as fast as to sort all.
    held = values.tolist()
    places = {value: at for at, value in enumerate(sorted(set(held)))}
    return np.fromiter(map(places.__getitem__, held), np.int64, len(held))
