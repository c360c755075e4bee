"""Caches on this machine: of remote collections, and of indexes that they cannot take.

Both lie in one folder: indexes under the names of `cache_key`, and below ``ranges/`` what was read
from storage.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from masksearch_ray.collection.counter import ReadCounter
from masksearch_ray.collection.fetch import Fetcher
from masksearch_ray.collection.layout import DELETES, INDEXES, ROWS, SEGMENTS
from masksearch_ray.collection.manifest import SegmentEntry
from masksearch_ray.collection.sealed import canonical
from masksearch_ray.storage import (
    CachedStorage,
    LocalStorage,
    Storage,
    default_limit,
    disk_cache,
    is_remote,
)

__all__ = ["cache_fetcher", "cache_key", "user_cache", "with_cache"]

_RANGES = "ranges"
_IMMUTABLE = (SEGMENTS, DELETES, INDEXES)


def user_cache() -> Storage:
    """Folder of the user's on this machine; made when something is first kept in it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification wants relative paths to be ignored.
    base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return LocalStorage(os.path.join(base, "masksearch_ray"))


def with_cache(storage: Storage, cache: Storage, limit: int | None = None) -> Storage:
    """Keep on disk what is read of a remote collection's immutable objects.

    Parameters
    ----------
    storage : Storage
        Of the collection; one on this machine is given back as it is.
    cache : Storage
        Folder of the caches.
    limit : int, optional
        Bytes that the cache may take, 0 for none; by default a fifth of what the disk has free,
        at most 10 GiB.
    """
    if limit == 0 or not is_remote(storage.url) or not isinstance(cache, LocalStorage):
        return storage
    folder = Path(cache.url) / _RANGES
    kept = disk_cache(folder, default_limit(folder) if limit is None else limit)
    return CachedStorage(storage, kept, lambda key: key.startswith(_IMMUTABLE))


def cache_key(url: str, entry: SegmentEntry, spec: str) -> str:
    """Key in a cache, which collections share.

    Parameters
    ----------
    url : str
        Of the collection.
    entry : SegmentEntry
    spec : str
        Hash of what the index holds.
    """
    rows = entry.objects[ROWS]
    told = canonical([url, entry.id, rows.size, rows.crc32c, spec])
    return f"{INDEXES}{entry.id}/{hashlib.sha256(told).hexdigest()[:32]}.arrow"


def cache_fetcher(cache: Storage) -> Fetcher:
    """Reads from a cache: what it holds is not read from the collection, and not counted."""
    return Fetcher(cache, _NoCounter())


class _NoCounter(ReadCounter):
    def add(self, bytes: int = 0, requests: int = 0, tiles: int = 0) -> None:
        pass
