"""What one version of a collection consists of: frozen records, and JSON both ways."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

from masksearch_ray.collection.layout import INDEX, ROWS, TILES, is_name
from masksearch_ray.collection.sealed import seal, unseal
from masksearch_ray.collection.specs import IndexSpec, spec_from_json, spec_to_json
from masksearch_ray.errors import CollectionError, DamagedError, InputError
from masksearch_ray.model.grid import BlockShape
from masksearch_ray.model.values import DTYPES, Domain

__all__ = [
    "FORMAT",
    "BlockEntry",
    "DeleteEntry",
    "Manifest",
    "ObjectEntry",
    "SegmentEntry",
    "SegmentSizes",
    "decode_manifest",
    "encode_manifest",
    "segment_from_json",
    "segment_to_json",
]

FORMAT = 1
"""Newest format that is written and read. The checksum and this number keep their meaning."""

_INT64 = 1 << 63


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
    def rows(self) -> int:
        """Rows that are not deleted."""
        return sum(segment.alive for segment in self.segments)

    @cached_property
    def sizes(self) -> SegmentSizes:
        """Bytes of all segments, by part."""
        return sum((segment.sizes for segment in self.segments), SegmentSizes())


def encode_manifest(manifest: Manifest) -> bytes:
    """Bytes of a manifest's object."""
    return seal(
        {
            "format": FORMAT,
            "version": manifest.version,
            "uuid": manifest.uuid,
            "created": manifest.created,
            "kind": manifest.kind,
            "domain": [manifest.domain.lo, manifest.domain.hi],
            "nan": manifest.nan,
            "spec": spec_to_json(manifest.spec),
            "columns": {column.name: str(column.type) for column in manifest.schema},
            "schema": base64.b64encode(manifest.schema.serialize().to_pybytes()).decode(),
            "segments": [segment_to_json(segment) for segment in manifest.segments],
            "next_id": manifest.next_id,
            "ingests": {name: list(names) for name, names in manifest.ingests.items()},
        }
    )


def decode_manifest(data: bytes, object: str) -> Manifest:
    """Read a manifest.

    Parameters
    ----------
    data : bytes
    object : str
        URL of the object, for errors.

    Raises
    ------
    CollectionError
        If a newer version of this package wrote it.
    DamagedError
        If it is damaged.
    """
    record = unseal(data, object)
    written = record.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise CollectionError(
            f"{object}: written in format {written} by a newer version of masksearch_ray; "
            f"this one reads up to format {FORMAT}"
        )
    try:
        if written != FORMAT:
            raise ValueError(f"format {written!r} is none")
        return _manifest(record)
    except (
        AttributeError, InputError, KeyError, OverflowError, RecursionError, TypeError, ValueError,
        pa.ArrowException, EOFError, OSError,
    ) as error:  # fmt: skip
        raise DamagedError(f"is no manifest: {error}", object) from error


def _manifest(record: dict[str, Any]) -> Manifest:
    lo, hi = record["domain"]
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(record["schema"], validate=True)))
    manifest = Manifest(
        version=_whole(record["version"]),
        uuid=_name(record["uuid"]),
        created=str(record["created"]),
        kind=_one_of(record["kind"], "mask"),
        domain=Domain(float(lo), float(hi)),
        nan=_one_of(record["nan"], "reject", "keep"),
        spec=spec_from_json(record["spec"]),
        schema=schema,
        segments=tuple(segment_from_json(entry) for entry in record["segments"]),
        next_id=_whole(record["next_id"], most=_INT64),
        ingests={
            _name(ingest): tuple(_name(segment) for segment in segments)
            for ingest, segments in record["ingests"].items()
        },
    )
    names = [segment.id for segment in manifest.segments]
    if len(set(names)) < len(names):
        raise ValueError("a segment is named twice")
    return manifest


def segment_to_json(entry: SegmentEntry) -> dict[str, Any]:
    """Write a segment's entry."""
    return {
        **{
            name: getattr(entry, name)
            for name in ("id", "kind", "rows", "id_base", "id_min", "id_max")
        },
        "image": [entry.image_min, entry.image_max],
        "blocks": [asdict(block) for block in entry.blocks],
        "objects": {name: asdict(found) for name, found in entry.objects.items()},
        "deletes": asdict(entry.deletes) if entry.deletes else None,
        "sizes": asdict(entry.sizes),
    }


def segment_from_json(record: dict[str, Any]) -> SegmentEntry:
    """Read a segment's entry; ValueError, KeyError or TypeError where it is none."""
    base, deletes = record["id_base"], record["deletes"]
    image_min, image_max = record["image"]
    entry = SegmentEntry(
        id=_name(record["id"]),
        kind=_one_of(record["kind"], "stored", "registered"),
        rows=_whole(record["rows"], least=1),
        id_base=None if base is None else _whole(base, least=-_INT64),
        id_min=_whole(record["id_min"], least=-_INT64),
        id_max=_whole(record["id_max"], least=-_INT64),
        image_min=_image(image_min),
        image_max=_image(image_max),
        blocks=tuple(_block(block) for block in record["blocks"]),
        objects={_object_name(name): _object(found) for name, found in record["objects"].items()},
        deletes=None if deletes is None else _deletes(deletes),
        sizes=SegmentSizes(**{part: _whole(size) for part, size in record["sizes"].items()}),
    )
    if sum(block.rows for block in entry.blocks) != entry.rows:
        raise ValueError(f"segment {entry.id}: its blocks hold another number of rows")
    if entry.deletes is not None and entry.deletes.count > entry.rows:
        raise ValueError(f"segment {entry.id}: more rows deleted than there are")
    return entry


def _block(record: dict[str, Any]) -> BlockEntry:
    shape = record["shape"]
    return BlockEntry(
        shape=BlockShape(
            height=_whole(shape["height"], least=1),
            width=_whole(shape["width"], least=1),
            dtype=_one_of(shape["dtype"], *DTYPES),
        ),
        rows=_whole(record["rows"], least=1),
        nan=_one_of(record["nan"], True, False),
        directory=_whole(record["directory"]),
        directory_size=_whole(record["directory_size"]),
    )


def _object(record: dict[str, Any]) -> ObjectEntry:
    return ObjectEntry(_whole(record["size"]), _whole(record["crc32c"]))


def _deletes(record: dict[str, Any]) -> DeleteEntry:
    return DeleteEntry(
        _name(record["name"]), _whole(record["count"], least=1), _whole(record["crc32c"])
    )


def _object_name(name: str) -> str:
    return str(_one_of(name, ROWS, TILES, INDEX))


def _whole(value: Any, least: int = 0, most: int = _INT64 - 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{value!r} is no whole number from {least} to {most}")
    return value


def _name(value: Any) -> str:
    if not is_name(value):
        raise ValueError(f"{value!r} is no name")
    return str(value)


def _image(value: Any) -> int | str | None:
    if value is None or isinstance(value, int | str):
        return value
    raise ValueError(f"{value!r} is no image_id")


def _one_of(value: Any, *accepted: Any) -> Any:
    if value not in accepted:
        raise ValueError(f"{value!r}: one of {accepted} wanted")
    return value
