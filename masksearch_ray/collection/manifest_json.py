"""Manifests as JSON, and segments' entries; read strictly, for keys are made from what they say."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from masksearch_ray.collection.layout import INDEX, ROWS, TILES, is_name
from masksearch_ray.collection.manifest import (
    BlockEntry,
    DeleteEntry,
    Manifest,
    ObjectEntry,
    SegmentEntry,
    SegmentSizes,
)
from masksearch_ray.collection.sealed import seal, unseal
from masksearch_ray.collection.specs import spec_from_json, spec_to_json
from masksearch_ray.errors import CollectionError, DamagedError, InputError
from masksearch_ray.model.grid import BlockShape
from masksearch_ray.model.values import DTYPES, Domain

__all__ = [
    "FORMAT",
    "decode_manifest",
    "encode_manifest",
    "segment_from_json",
    "segment_to_json",
]

FORMAT = 2
"""Newest format that is written and read; older ones are read, too.

In format 1 no tile is packed. The checksum and this number keep their meaning.
"""

_INT64 = 1 << 63


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
        if written not in range(1, FORMAT + 1):
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
