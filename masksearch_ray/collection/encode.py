"""What is made of a batch of masks: tiles and counts, before they become a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.boxes import box_arrays
from masksearch_ray.collection.tiles import TileCodec
from masksearch_ray.collection.values import check_values
from masksearch_ray.index.build import (
    Counts,
    build_chi,
    build_histogram,
    histogram_of_chi,
    join_counts,
    take_counts,
)
from masksearch_ray.index.container import PartData
from masksearch_ray.index.region import Region, resolve
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.query import roi_columns
from masksearch_ray.model.roi import FullImage, Roi, roi_key
from masksearch_ray.model.values import Domain

__all__ = [
    "Batch",
    "BlockCounts",
    "count_masks",
    "encode_masks",
    "join_blocks",
    "region_of",
    "take_masks",
]


@dataclass(frozen=True, eq=False)
class BlockCounts:
    """The index of some masks of one block.

    Parameters
    ----------
    chi : Counts or None
        None where only histograms are wanted.
    histograms : mapping of str to Counts
        By `masksearch_ray.model.roi.roi_key`.
    """

    chi: Counts | None
    histograms: Mapping[str, Counts]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        parts = [*self.histograms.values(), *([self.chi] if self.chi else [])]
        return sum(part.data.nbytes for part in parts)

    def parts(self, block: int) -> list[PartData]:
        """Parts of the index, the CHI first."""
        chi = [PartData(block, "chi", "", self.chi)] if self.chi else []
        return chi + [
            PartData(block, "histogram", roi, counts) for roi, counts in self.histograms.items()
        ]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some masks of one block, encoded.

    Parameters
    ----------
    nan : bool
        Whether any holds NaN.
    tiles : list of bytes
        All tiles of each mask, one after the other.
    lengths : numpy.ndarray
        int64, shape ``(n, tiles)``: bytes of each tile.
    counts : BlockCounts
    """

    nan: bool
    tiles: list[bytes]
    lengths: npt.NDArray[np.int64]
    counts: BlockCounts

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.lengths.sum()) + self.counts.nbytes


def region_of(roi: Roi, grid: Grid, table: pa.Table) -> Region:
    """Region of interest on masks whose metadata `table` holds, row by row."""
    names = list(roi_columns(roi))
    boxes = box_arrays(table.column(names[0])) if names else None
    return resolve(roi, grid, table.num_rows, boxes)


def encode_masks(
    masks: npt.NDArray[Any],
    names: Sequence[str],
    table: pa.Table,
    codec: TileCodec,
    levels: Sequence[float],
    rois: Sequence[Roi],
    domain: Domain,
    nan: Literal["reject", "keep"],
) -> Batch:
    """Check, compress and count masks of one block.

    Parameters
    ----------
    masks : numpy.ndarray
        Shape ``(n, H, W)``.
    names : sequence of str
        Of the masks, for errors.
    table : pyarrow.Table
        Their metadata.
    codec : TileCodec
    levels : sequence of float
        Of the index.
    rois : sequence of Roi
        Regions of which to keep histograms.
    domain : Domain
    nan : {"reject", "keep"}

    Raises
    ------
    DataError
        If a value is not accepted; the text names the mask and the pixel.
    """
    holds_nan = check_values(masks, names, domain, nan)
    encoded = [codec.encode(mask) for mask in masks]
    return Batch(
        nan=holds_nan,
        tiles=[b"".join(frames) for frames in encoded],
        lengths=np.array([[len(frame) for frame in frames] for frames in encoded], np.int64),
        counts=count_masks(masks, table, codec.grid, levels, rois),
    )


def count_masks(
    masks: npt.NDArray[Any],
    table: pa.Table,
    grid: Grid,
    levels: Sequence[float],
    rois: Sequence[Roi],
    chi: bool = True,
) -> BlockCounts:
    """Index of some masks of one block; parameters as in `encode_masks`."""
    cells = build_chi(masks, grid, levels) if chi else None
    histograms = {}
    for roi in rois:
        if roi == FullImage() and cells is not None:
            histograms[roi_key(roi)] = histogram_of_chi(cells)
        else:
            region = region_of(roi, grid, table)
            histograms[roi_key(roi)] = build_histogram(masks, region, levels)
    return BlockCounts(cells, histograms)


def join_blocks(parts: Sequence[BlockCounts], nan: bool) -> BlockCounts:
    """Index of all masks of a block from that of consecutive batches.

    Parameters
    ----------
    parts : sequence of BlockCounts
    nan : bool
        Whether a mask of the block may hold NaN: the number of valid pixels is kept everywhere.
    """
    cells = [part.chi for part in parts if part.chi is not None]
    return BlockCounts(
        _joined(cells, nan) if cells else None,
        {
            roi: _joined([part.histograms[roi] for part in parts], nan)
            for roi in parts[0].histograms
        },
    )


def take_masks(batches: Sequence[Batch], order: npt.NDArray[np.intp]) -> Batch:
    """All masks of a block as one batch, in another order.

    Parameters
    ----------
    batches : sequence of Batch
        Consecutive ones.
    order : numpy.ndarray
        int, shape ``(n,)``: place of each mask before.
    """
    nan = any(batch.nan for batch in batches)
    tiles = [tile for batch in batches for tile in batch.tiles]
    counts = join_blocks([batch.counts for batch in batches], nan)
    return Batch(
        nan=nan,
        tiles=[tiles[place] for place in order.tolist()],
        lengths=np.concatenate([batch.lengths for batch in batches])[order],
        counts=BlockCounts(
            None if counts.chi is None else take_counts(counts.chi, order),
            {roi: take_counts(part, order) for roi, part in counts.histograms.items()},
        ),
    )


def _joined(parts: Sequence[Counts], nan: bool) -> Counts:
    joined = join_counts(parts)
    if joined.nan or not nan:
        return joined
    every = np.broadcast_to(joined.areas, joined.data.shape[1:]).astype(joined.data.dtype)
    return replace(joined, nan=True, data=np.concatenate([every[None], joined.data]))
