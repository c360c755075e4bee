"""What the segments of a collection ask of workers, told from the manifest alone."""

from __future__ import annotations

import numpy as np

from masksearch_ray.collection.manifest import BlockEntry, Manifest, SegmentEntry
from masksearch_ray.collection.specs import BOX, BOXES
from masksearch_ray.index.levels import block_levels
from masksearch_ray.runtime.types import SegmentLoad

__all__ = ["segment_loads"]

_UNPACKED = 4  # what metadata takes in memory, for each byte in its compressed file
_PLACES = 32  # bytes a row for ids, deletions and where its mask lies


def segment_loads(manifest: Manifest) -> tuple[SegmentLoad, ...]:
    """Say for every segment how many rows it has and what it takes in memory.

    Parameters
    ----------
    manifest : Manifest
    """
    return tuple(
        SegmentLoad(entry.rows, _bytes_of(entry, manifest), entry.image_min, entry.image_max)
        for entry in manifest.segments
    )


def _bytes_of(entry: SegmentEntry, manifest: Manifest) -> int:
    index = sum(_index_bytes(block, manifest) for block in entry.blocks)
    metadata = _UNPACKED * entry.sizes.rows + _PLACES * entry.rows
    return index + metadata + 2 * entry.sizes.directory


def _index_bytes(block: BlockEntry, manifest: Manifest) -> int:
    """Bytes of all columns of a block, as they lie in memory."""
    spec = manifest.spec
    grid = spec.grid(block.shape)
    levels = len(block_levels(spec.edges, block.shape.dtype, manifest.domain)) + int(block.nan)
    cells = grid.cells * grid.count_dtype.itemsize
    regions = _regions(manifest) * np.min_scalar_type(grid.area).itemsize
    return block.rows * levels * (cells + regions)


def _regions(manifest: Manifest) -> int:
    """Regions of which every row keeps a histogram."""
    if manifest.spec.rois != "auto":
        return len(manifest.spec.rois)
    return 1 + sum(column.type in (BOX, BOXES) for column in manifest.schema)
