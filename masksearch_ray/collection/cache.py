"""Where an index is kept that cannot be written to its collection."""

from __future__ import annotations

import hashlib
import os

from masksearch_ray.collection.counter import ReadCounter
from masksearch_ray.collection.fetch import Fetcher
from masksearch_ray.collection.layout import INDEXES, ROWS
from masksearch_ray.collection.manifest import SegmentEntry
from masksearch_ray.collection.sealed import canonical
from masksearch_ray.storage import LocalStorage, Storage

__all__ = ["cache_fetcher", "cache_key", "user_cache"]


def user_cache() -> Storage:
    """Folder of the user's on this machine; made when something is first kept in it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification wants relative paths to be ignored.
    base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return LocalStorage(os.path.join(base, "masksearch_ray"))


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
