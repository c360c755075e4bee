"""Where rows lie, as execution sees them, and what it may ask to be read."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from masksearch_ray.model.grid import BlockShape, Grid
from masksearch_ray.model.query import Type
from masksearch_ray.model.roi import Roi

__all__ = [
    "BlockView",
    "Poll",
    "ReadColumns",
    "ReadCounts",
    "ReadHistogram",
    "ReadHistogramLevels",
    "ReadRegion",
    "ReadTiles",
    "ReadValues",
    "Request",
    "SegmentView",
    "SizeOf",
    "Steps",
    "TileBatch",
    "Together",
]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class BlockView:
    """The masks of one height, width and dtype in one segment.

    Parameters
    ----------
    segment : int
        Position of the segment in the manifest.
    block : int
        Position of the block in the segment.
    shape : BlockShape
    grid : Grid
    levels : tuple of float
        Stored-unit cut-offs of the CHI columns, ascending.
    nan : bool
        Whether any mask of the block holds NaN.
    rows : int
        Masks in the block, N.
    ordinals : numpy.ndarray
        int64, shape ``(N,)``, ascending: each mask's row in the segment.
    """

    segment: int
    block: int
    shape: BlockShape
    grid: Grid
    levels: tuple[float, ...]
    nan: bool
    rows: int
    ordinals: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SegmentView:
    """A segment as execution sees it.

    Parameters
    ----------
    segment : int
        Position in the manifest.
    blocks : tuple of BlockView
    alive : numpy.ndarray
        bool, shape ``(rows,)``: False where the row was deleted.
    head, metadata : int
        Bytes that are read before the first column of the index, and of the metadata.
    """

    segment: int
    blocks: tuple[BlockView, ...]
    alive: npt.NDArray[np.bool_]
    head: int = 0
    metadata: int = 0


@dataclass(frozen=True)
class ReadColumns:
    """Ask for metadata columns of a segment; the answer is a pyarrow.Table in ordinal order."""

    segment: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class ReadValues:
    """Ask for a metadata column of a segment as exact values: an `Interval` in ordinal order."""

    segment: int
    name: str
    type: Type


@dataclass(frozen=True)
class ReadRegion:
    """Ask for a region of interest on the masks of a block: a `masksearch_ray.index` Region."""

    segment: int
    block: int
    roi: Roi


@dataclass(frozen=True, eq=False)
class ReadCounts:
    """Ask for CHI columns of a block.

    The answer maps a level index to an array ``(cells, N)`` of which the rows of the wanted cells
    are valid.

    Parameters
    ----------
    wanted : mapping of int to numpy.ndarray
        Level index to cells, int32.
    """

    segment: int
    block: int
    wanted: Mapping[int, npt.NDArray[np.int32]]


@dataclass(frozen=True)
class ReadHistogramLevels:
    """Ask for the levels of the finest ROI histogram of a block; None where none is kept.

    Parameters
    ----------
    roi : str
        Name of the region, see `masksearch_ray.model.roi.roi_key`.
    """

    segment: int
    block: int
    roi: str


@dataclass(frozen=True)
class ReadHistogram:
    """Ask for columns of that histogram: a mapping of level index to counts ``(N,)``."""

    segment: int
    block: int
    roi: str
    wanted: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TileBatch:
    """Tiles of one block: int64 positions of the masks in the block, and their tiles, ``(n,)``."""

    segment: int
    block: int
    rows: npt.NDArray[np.int64]
    tiles: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ReadTiles:
    """Ask for tiles; the answer is a list of arrays ``(n, T, T)``, one for each batch.

    Parameters
    ----------
    batches : tuple of TileBatch
        At least one.
    joined : bool
        Whether the answer is one array, the tiles of one batch after those of the other; these are
        of one dtype and one side then.
    """

    batches: tuple[TileBatch, ...]
    joined: bool = False


@dataclass(frozen=True, eq=False)
class SizeOf:
    """Ask how many bytes an answer would take to read from storage; reads directories only."""

    wanted: ReadCounts | ReadHistogram


@dataclass(frozen=True)
class Poll:
    """Ask what is known elsewhere of a top-k: a `masksearch_ray.execute` Guide."""


One = (
    ReadColumns
    | ReadValues
    | ReadRegion
    | ReadCounts
    | ReadHistogramLevels
    | ReadHistogram
    | ReadTiles
    | SizeOf
    | Poll
)


@dataclass(frozen=True, eq=False)
class Together:
    """Ask for several things at once; the answer is a list of theirs, in the same order."""

    wanted: tuple[Request, ...]


Request = One | Together
Steps = Generator[Request, Any, T]
"""A computation without I/O: it yields requests, is sent their answers, and returns a T."""
