"""Metadata of masks: tables joined by name, boxes brought to pixels, images found."""

from __future__ import annotations

from masksearch_ray.collection.metadata.boxes import BoxColumns
from masksearch_ray.collection.metadata.coco import Coco
from masksearch_ray.collection.metadata.join import NAME_COLUMNS, BoxSource, RowMaker, RowOptions

__all__ = ["NAME_COLUMNS", "BoxColumns", "BoxSource", "Coco", "RowMaker", "RowOptions"]
