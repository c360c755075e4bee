"""Gathering tiles of several blocks, from memory as far as they are kept there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.kept import KeptTiles
from masksearch_ray.collection.pixels import PixelSource, StoredPixels
from masksearch_ray.errors import DamagedError
from masksearch_ray.index.tilecodec import decode_tiles
from masksearch_ray.model.shard import BlockView

__all__ = ["TilePlaces", "gather", "in_turn"]

Index = npt.NDArray[np.int64]
Pixels = npt.NDArray[Any]
Calls = Sequence[Callable[[], Any]]


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
        return self.source.tiles(self.view.block, self.rows[some], self.tiles[some])

    @property
    def stored(self) -> bool:
        """Whether tiles are stored; else their source makes them of whole masks, which it keeps."""
        return isinstance(self.source, StoredPixels)

    def frames(self, some: Index) -> list[bytes]:
        """Read some of the stored tiles, as they are."""
        assert isinstance(self.source, StoredPixels)
        return self.source.frames(self.view.block, self.rows[some], self.tiles[some])


def in_turn(calls: Calls) -> list[Any]:
    """Results of calls, one after the other."""
    return [call() for call in calls]


def gather(
    wanted: Sequence[TilePlaces], kept: KeptTiles, run: Callable[[Calls], list[Any]] = in_turn
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
    if len(read) == 1 or not all(places.stored for places, _ in read):
        found = run([partial(places.read, which) for places, which in read])
    else:
        found = _decode_together(read, run)
    fresh = found[0] if len(found) == 1 else np.concatenate(found)
    stays = np.repeat([places.stored for places, _ in read], [len(w) for _, w in read])
    if stays.all():
        kept.put(every[missing], fresh)
    elif stays.any():
        kept.put(every[missing[stays]], fresh[stays])
    if len(missing) == len(pixels):
        return fresh
    pixels[missing] = fresh
    return pixels


def _decode_together(
    read: Sequence[tuple[TilePlaces, Index]], run: Callable[[Calls], list[Any]]
) -> list[Pixels]:
    """Read tiles of several blocks, and decode them as one."""
    shapes = np.concatenate([p.view.grid.tile_shapes()[p.tiles[which]] for p, which in read])
    view = read[0][0].view
    try:
        found = run([partial(places.frames, which) for places, which in read])
        frames = [frame for some in found for frame in some]
        return [decode_tiles(frames, shapes, view.shape.dtype, view.grid.tile)]
    except (ValueError, DamagedError):
        # Each again: those that came damaged or cut short are found, and read anew.
        return run([partial(places.read, which) for places, which in read])
