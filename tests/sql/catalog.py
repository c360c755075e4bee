"""The catalog that the texts of these tests are bound against."""

from __future__ import annotations

from typing import Any

from masksearch_ray.model.query import Catalog, Field
from masksearch_ray.model.values import Domain

KINDS: dict[str, Any] = {
    "mask_id": "int",
    "image_id": "int",
    "model_id": "int",
    "mask_type": "int",
    "image_path": "string",
    "label": "string",
    "prediction": "string",
    "score": "float",
    "correct": "bool",
    "object_box": "box",
    "parts": "boxes",
    "taken": "other",
    # Names that must be quoted, or written in the case meant.
    "mask": "int",
    "Split": "string",
    "split": "string",
    "select": "int",
    "full image": "box",
}


def catalog(domain: Domain | None = None) -> Catalog:
    fields = {name: Field(name, kind) for name, kind in KINDS.items()}
    return Catalog("digits", fields, domain or Domain())
