"""What one version of a collection consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal

import pyarrow as pa

from masksearch_ray.collection.specs import IndexSpec
from masksearch_ray.model.grid import BlockShape
from masksearch_ray.model.values import Domain

__all__ = [
    "BlockEntry",
    "DeleteEntry",
    "Manifest",
    "ObjectEntry",
    "SegmentEntry",
    "SegmentSizes",
]


@dataclass(frozen=True)
class ObjectEntry:
    """What must be known of an object before it is read.

    Parameters
    ----------
    size : int
        Bytes of the object; of an index, of its head.
    crc32c : int
        Of those bytes.
    """

    size: int
    crc32c: int


@dataclass(frozen=True)
class BlockEntry:
    """The masks of one height, width and dtype in a segment.

    Parameters
    ----------
    shape : BlockShape
    rows : int
        Masks.
    nan : bool
        Whether any of them holds NaN.
    directory, directory_size : int
        Where the block's directory lies in the segment's tiles: first byte, and bytes.
    """

    shape: BlockShape
    rows: int
    nan: bool
    directory: int
    directory_size: int


@dataclass(frozen=True)
class DeleteEntry:
    """A bitmap of deleted rows.

    Parameters
    ----------
    name : str
        Names the object, see `masksearch_ray.collection.layout.delete_key`.
    count : int
        Deleted rows.
    crc32c : int
        Of the object.
    """

    name: str
    count: int
    crc32c: int


@dataclass(frozen=True)
class SegmentSizes:
    """Bytes of a segment or of many, by part.

    Parameters
    ----------
    raw : int
        The masks as they were given.
    pixels : int
        Their tiles, compressed, checksums included.
    directory : int
        Where the tiles lie.
    chi, histograms : int
        Columns of the index, compressed; what its container takes counts as CHI.
    rows : int
        Metadata.
    """

    raw: int = 0
    pixels: int = 0
    directory: int = 0
    chi: int = 0
    histograms: int = 0
    rows: int = 0

    def __add__(self, other: SegmentSizes) -> SegmentSizes:
        mine, theirs = asdict(self), asdict(other)
        return SegmentSizes(**{part: size + theirs[part] for part, size in mine.items()})

    @property
    def index(self) -> int:
        """Bytes of the whole index: CHI, ROI histograms and the directory of tiles."""
        return self.chi + self.histograms + self.directory

    @property
    def stored(self) -> int:
        """Bytes of everything stored."""
        return self.pixels + self.index + self.rows

    @property
    def index_share(self) -> float:
        """Bytes of the index as a share of the compressed pixels."""
        return self.index / self.pixels if self.pixels else 0.0


@dataclass(frozen=True)
class SegmentEntry:
    """An immutable batch of rows.

    Parameters
    ----------
    id : str
        Names its objects.
    kind : {"stored", "registered"}
        Whether the pixels lie in the segment, or stay where they were.
    rows : int
        Rows, the deleted ones included.
    id_base : int or None
        The ``mask_id`` of a row is this plus its ordinal; None: the rows carry their ids.
    id_min, id_max : int
        Smallest and largest ``mask_id``.
    image_min, image_max : int, str or None
        Range of ``image_id``; None where it is not known, or some row has none.
    blocks : tuple of BlockEntry
    objects : mapping of str to ObjectEntry
        By name within the segment.
    deletes : DeleteEntry or None
    sizes : SegmentSizes
    """

    id: str
    kind: Literal["stored", "registered"]
    rows: int
    id_base: int | None
    id_min: int
    id_max: int
    image_min: int | str | None
    image_max: int | str | None
    blocks: tuple[BlockEntry, ...]
    objects: Mapping[str, ObjectEntry]
    deletes: DeleteEntry | None
    sizes: SegmentSizes

    @property
    def alive(self) -> int:
        """Rows that are not deleted."""
        return self.rows - (self.deletes.count if self.deletes else 0)

    def based(self, base: int) -> SegmentEntry:
        """Give ids from `base` on; no change where the rows carry their ids."""
        if self.id_base is None:
            return self
        return replace(self, id_base=base, id_min=base, id_max=base + self.rows - 1)


@dataclass(frozen=True)
class Manifest:
    """One version of a collection.

    Parameters
    ----------
    version : int
    uuid : str
        Of the commit: tells a writer whether it was its own that came through.
    created : str
        When, ISO 8601, UTC.
    kind : {"mask"}
        Of the maps that the collection holds.
    domain : Domain
    nan : {"reject", "keep"}
    spec : IndexSpec
    schema : pyarrow.Schema
        Of the metadata, without ``mask_id``.
    segments : tuple of SegmentEntry
    next_id : int
        The next free ``mask_id``; ids once given are not given again.
    ingests : mapping of str to tuple of str
        By ingest the segments that it has committed, also those that are gone since: what their
        journals name is never added again.
    """

    version: int
    uuid: str
    created: str
    kind: Literal["mask"]
    domain: Domain
    nan: Literal["reject", "keep"]
    spec: IndexSpec
    schema: pa.Schema
    segments: tuple[SegmentEntry, ...] = ()
    next_id: int = 0
    ingests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def settings(self) -> tuple[Domain, str, IndexSpec]:
        """What was settled when the collection was created; segments are made for it."""
        return self.domain, self.nan, self.spec

    @property
    def rows(self) -> int:
        """Rows that are not deleted."""
        return sum(segment.alive for segment in self.segments)

    @cached_property
    def sizes(self) -> SegmentSizes:
        """Bytes of all segments, by part."""
        return sum((segment.sizes for segment in self.segments), SegmentSizes())
