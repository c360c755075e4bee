"""Bins that hold equally many pixels, from a sample of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.model.values import bin_edges, pixel_values

__all__ = ["quantile_edges"]

# Evenly spaced: the same collection always has the same edges.
_MASKS = 1024
_PIXELS = 4096
_READ_MASKS = 32


def quantile_edges(reader: CollectionReader, bins: int) -> tuple[float, ...]:
    """Edges of bins at the quantiles of the values of a collection.

    Parameters
    ----------
    reader : CollectionReader
    bins : int
        Bins at most; fewer where many pixels share a value.

    Returns
    -------
    tuple of float
        Ascending, from the lower to the upper end of the domain; edges in between are values of
        pixels.
    """
    domain = reader.manifest.domain
    values = np.concatenate([np.empty(0), *_samples(reader)])
    values = values[~np.isnan(values)]
    if not len(values):
        return bin_edges(domain, bins)
    # Values of pixels themselves, for a threshold on one to be free of doubt.
    found = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    inner = np.unique(found[(found > domain.lo) & (found < domain.hi)])
    return (domain.lo, *inner.tolist(), domain.hi)


def _samples(reader: CollectionReader) -> Iterator[npt.NDArray[np.float64]]:
    domain, seen = reader.manifest.domain, 0
    step = max(1, -(-len(reader) // _MASKS))
    for segment in reader.segments():
        rows = np.flatnonzero(segment.alive())
        chosen = rows[-seen % step :: step]
        seen += len(rows)
        for first in range(0, len(chosen), _READ_MASKS):
            for mask in segment.masks(chosen[first : first + _READ_MASKS]):
                yield pixel_values(mask.ravel()[:: _stride(mask)], domain)


def _stride(mask: npt.NDArray[np.generic]) -> int:
    """Pixels from one to the next of a sample, which is not to run down single columns."""
    stride = max(1, -(-mask.size // _PIXELS))
    while math.gcd(stride, mask.shape[1]) > 1 and stride > 1:
        stride += 1
    return stride
