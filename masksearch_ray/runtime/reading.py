"""Opening what a source names, wherever a worker runs."""

from __future__ import annotations

from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.versions import read_manifest
from masksearch_ray.runtime.types import CollectionSource
from masksearch_ray.storage import open_storage

__all__ = ["open_reader"]


def open_reader(source: CollectionSource) -> CollectionReader:
    """Open a version of a collection for reading.

    Raises
    ------
    StorageError
        It cannot be read.
    """
    storage = open_storage(source.url, dict(source.options))
    cache = None if source.cache is None else open_storage(source.cache)
    return CollectionReader(storage, read_manifest(storage, source.version), cache)
