"""Gathering tiles of several blocks, from memory as far as they are kept there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.kept import KeptTiles
from masksearch_ray.collection.pixels import PixelSource
from masksearch_ray.model.shard import BlockView

__all__ = ["TilePlaces", "gather", "in_turn"]

Index = npt.NDArray[np.int64]
Pixels = npt.NDArray[Any]
Calls = Sequence[Callable[[], Pixels]]


@dataclass(frozen=True, eq=False)
class TilePlaces:
    """Tiles of one block, and who reads them.

    Parameters
    ----------
    source : PixelSource
    segment : str
        Its name.
    view : BlockView
    rows, tiles : numpy.ndarray
        int64 ``(n,)``: positions of masks in the block, and a tile of each.
    """

    source: PixelSource
    segment: str
    view: BlockView
    rows: Index
    tiles: Index

    def keys(self, kept: KeptTiles) -> Index:
        """Keys under which the tiles are kept: int64 ``(n,)``."""
        base = kept.base(self.segment, self.view.block)
        return self.rows * self.view.grid.tiles + (self.tiles + base)

    def read(self, some: Index) -> Pixels:
        """Read some of the tiles."""
        if len(some) < len(self.rows):
            return self.source.tiles(self.view.block, self.rows[some], self.tiles[some])
        return self.source.tiles(self.view.block, self.rows, self.tiles)


def in_turn(calls: Calls) -> list[Pixels]:
    """Results of calls, one after the other."""
    return [call() for call in calls]


def gather(
    wanted: Sequence[TilePlaces], kept: KeptTiles, run: Callable[[Calls], list[Pixels]] = in_turn
) -> Pixels:
    """Tiles of several blocks of one dtype and one side of tiles.

    Parameters
    ----------
    wanted : sequence of TilePlaces
        At least one.
    kept : KeptTiles
        Where they are looked for, and kept once they are read.
    run : callable
        Makes calls, one for each block of which tiles are to be read; gives their results.

    Returns
    -------
    numpy.ndarray
        Stored dtype, shape ``(n, T, T)``: tiles of all blocks, in order. What lies beyond the rim
        of a mask is any value.
    """
    view = wanted[0].view
    keys = [places.keys(kept) for places in wanted]
    every = keys[0] if len(keys) == 1 else np.concatenate(keys)
    pixels, missing = kept.get(every, view.shape.dtype, view.grid.tile)
    if not len(missing):
        return pixels
    starts = np.cumsum([0, *map(len, keys)])
    cuts = np.searchsorted(missing, starts)
    some = [missing[a:b] - s for a, b, s in zip(cuts, cuts[1:], starts, strict=False)]
    read = [(p, which) for p, which in zip(wanted, some, strict=True) if len(which)]
    found = run([partial(places.read, which) for places, which in read])
    at = 0
    for (places, _), fresh in zip(read, found, strict=True):
        where = missing[at : at + len(fresh)]
        at += len(fresh)
        if not places.source.keeps:
            kept.put(every[where], fresh)
        if len(fresh) == len(pixels):
            return fresh
        pixels[where] = fresh
    return pixels
