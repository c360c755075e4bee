"""Opening what a source names, wherever a worker runs."""

from __future__ import annotations

from masksearch_ray.collection.cache import user_cache, with_cache
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.versions import read_manifest
from masksearch_ray.runtime.types import CollectionSource
from masksearch_ray.storage import open_storage

__all__ = ["open_reader"]


def open_reader(source: CollectionSource, memory: int | None = None) -> CollectionReader:
    """Open a version of a collection for reading.

    Parameters
    ----------
    source : CollectionSource
    memory : int, optional
        Bytes that may be kept of what is read; by default as the machine's memory allows.

    Raises
    ------
    StorageError
        It cannot be read.
    """
    cache = user_cache() if source.cache is None else open_storage(source.cache)
    storage = open_storage(source.url, dict(source.options))
    storage = with_cache(storage, cache, source.cache_bytes)
    manifest = read_manifest(storage, source.version)
    return CollectionReader(storage, manifest, cache, memory, source.pixel_bytes)
