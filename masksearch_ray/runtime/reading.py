"""Opening what a source names, wherever a worker runs."""

from __future__ import annotations

from masksearch_ray.collection.cache import user_cache, with_cache
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.recent import default_budget
from masksearch_ray.collection.versions import read_manifest
from masksearch_ray.runtime.types import CollectionSource
from masksearch_ray.storage import open_storage

__all__ = ["open_reader"]


def open_reader(source: CollectionSource, workers: int = 1) -> CollectionReader:
    """Open a version of a collection for reading.

    Parameters
    ----------
    source : CollectionSource
    workers : int
        Readers that may lie on one machine, which share its memory.

    Raises
    ------
    StorageError
        It cannot be read.
    """
    cache = user_cache() if source.cache is None else open_storage(source.cache)
    storage = open_storage(source.url, dict(source.options))
    storage = with_cache(storage, cache, source.cache_bytes)
    memory = None if workers == 1 else default_budget() // workers
    return CollectionReader(storage, read_manifest(storage, source.version), cache, memory)
