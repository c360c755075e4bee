"""Tiles that are to be read, cut into portions whose pixels take little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from masksearch_ray.model.shard import BlockView

__all__ = ["portions", "tile_bytes"]

Index = npt.NDArray[np.int64]
_MOST = 16 << 20  # bytes of pixels read at a time


def tile_bytes(views: Iterable[BlockView]) -> int:
    """Bytes of a tile's pixels, of the largest of some blocks; 1 where there are none."""
    return max((v.grid.tile**2 * np.dtype(v.shape.dtype).itemsize for v in views), default=1)


def portions(sizes: Index) -> Iterator[slice]:
    """Cut what is to be read into portions, each read and counted before the next.

    Parameters
    ----------
    sizes : numpy.ndarray
        int64 ``(n,)``: bytes of each, none of which can be cut.

    Yields
    ------
    slice
        Of one after the other, all of them in the end; one at least.
    """
    ends = np.cumsum(sizes)
    start = before = 0
    while start < len(ends):
        stop = max(start + 1, int(np.searchsorted(ends, before + _MOST, side="right")))
        yield slice(start, stop)
        start, before = stop, int(ends[stop - 1])
