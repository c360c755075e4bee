"""Collections at rest: manifests, segments, tiles and metadata; reading and changing them."""

from __future__ import annotations

from masksearch_ray.collection.adding import Added
from masksearch_ray.collection.builder import Limits, SegmentBuilder
from masksearch_ray.collection.indexing import BuildReport, build_index
from masksearch_ray.collection.maintain import CompactReport, DeleteReport, compact, delete
from masksearch_ray.collection.manifest import (
    BlockEntry,
    DeleteEntry,
    Manifest,
    ObjectEntry,
    SegmentEntry,
    SegmentSizes,
)
from masksearch_ray.collection.reader import CollectionReader, SegmentReader
from masksearch_ray.collection.rows import normalise
from masksearch_ray.collection.specs import BOX, BOXES, IndexSpec
from masksearch_ray.collection.versions import (
    VersionInfo,
    create_collection,
    list_versions,
    open_manifest,
)
from masksearch_ray.collection.writer import AppendReport, append, commit_added

__all__ = [
    "BOX",
    "BOXES",
    "Added",
    "AppendReport",
    "BlockEntry",
    "BuildReport",
    "CollectionReader",
    "CompactReport",
    "DeleteEntry",
    "DeleteReport",
    "IndexSpec",
    "Limits",
    "Manifest",
    "ObjectEntry",
    "SegmentBuilder",
    "SegmentEntry",
    "SegmentReader",
    "SegmentSizes",
    "VersionInfo",
    "append",
    "build_index",
    "commit_added",
    "compact",
    "create_collection",
    "delete",
    "list_versions",
    "normalise",
    "open_manifest",
]
