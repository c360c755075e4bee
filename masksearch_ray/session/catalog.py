"""What the query language may name in a collection."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.specs import BOX, BOXES
from masksearch_ray.model.query import Catalog, Field

__all__ = ["catalog_of", "schema_of"]

Kind = Literal["int", "float", "bool", "string", "box", "boxes", "other"]


def catalog_of(manifest: Manifest, url: str) -> Catalog:
    """Columns, name and value domain of a version."""
    name = url.rstrip("/").rsplit("/", 1)[-1]
    fields = {field.name: Field(field.name, _kind(field.type)) for field in schema_of(manifest)}
    return Catalog(name, fields, manifest.domain)


def schema_of(manifest: Manifest) -> pa.Schema:
    """Metadata schema as users see it: ``mask_id`` first."""
    return pa.schema([pa.field("mask_id", pa.int64(), nullable=False), *manifest.schema])


def _kind(kind: pa.DataType) -> Kind:
    if kind == BOX:
        return "box"
    if kind == BOXES:
        return "boxes"
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "string"
    return "other"
