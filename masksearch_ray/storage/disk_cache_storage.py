"""A storage that reads from a cache on disk what never changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from masksearch_ray.storage.disk_cache import DiskCache
from masksearch_ray.storage.keys import check_key, check_ranges, join_url
from masksearch_ray.storage.spans import Span, gaps_in, slices, union
from masksearch_ray.storage.types import Data, Pieces, Ranges, Storage
from masksearch_ray.storage.wrappers import WrappedStorage

__all__ = ["CachedStorage", "past_caches"]

_past: ContextVar[bool] = ContextVar("masksearch_past_caches", default=False)


@contextmanager
def past_caches() -> Iterator[None]:
    """Read from storage within, and have caches forget what they held of it: it proved damaged."""
    token = _past.set(True)
    try:
        yield
    finally:
        _past.reset(token)


class CachedStorage(WrappedStorage):
    """Gives what a cache on disk holds, and reads the rest from another storage.

    Parameters
    ----------
    inner : Storage
    cache : DiskCache
        May be shared with other storages.
    immutable : callable
        Whether the object of a key never changes; no other is looked for in the cache. What is
        written through this storage is forgotten by the cache.
    """

    def __init__(self, inner: Storage, cache: DiskCache, immutable: Callable[[str], bool]) -> None:
        super().__init__(inner)
        self.cache = cache
        self._immutable = immutable

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        if not self._is_cached(key):
            return super().get(key)
        name = join_url(self.url, key)
        size = self.cache.end(name)
        if size:
            (data,) = self.get_ranges(key, [(0, size)])
            return bytes(data)
        data = super().get(key)
        self.cache.count(0, 1, 0, len(data))
        self.cache.keep(name, [(0, len(data), data)], whole=True)
        return data

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given."""
        # Only the storage can tell whether an empty range lies inside the object.
        if not self._is_cached(key) or any(start == stop for start, stop in ranges):
            return super().get_ranges(key, ranges)
        name = join_url(self.url, key)
        check_ranges(ranges, name)
        wanted = union(ranges)
        held = self.cache.find(name, wanted) if wanted else []
        gaps = gaps_in(wanted, held)
        if gaps:
            read = super().get_ranges(key, gaps)
            fetched = [(*gap, data) for gap, data in zip(gaps, read, strict=True)]
            self.cache.keep(name, fetched)
            held = sorted(held + fetched, key=lambda one: one[0])
        self._count(ranges, wanted, gaps)
        return slices(ranges, held)

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there."""
        super().put(key, data)
        self._forget(key)

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically."""
        super().put_if_absent(key, data)
        self._forget(key)

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        super().delete(key)
        self._forget(key)

    def _is_cached(self, key: str) -> bool:
        if not (self._immutable(check_key(key)) and self.cache.working):
            return False
        if _past.get():
            self.cache.forget(join_url(self.url, key))
        return True

    def _forget(self, key: str) -> None:
        if self._immutable(key):
            self.cache.forget(join_url(self.url, key))

    def _count(self, ranges: Ranges, wanted: Sequence[Span], gaps: Sequence[Span]) -> None:
        """Count ranges; bytes asked for twice count once, as they are read once."""
        starts = [start for start, _ in gaps]
        missed = 0
        for start, stop in ranges:
            after = bisect_right(starts, stop - 1)
            missed += bool(after) and start < gaps[after - 1][1]
        total, read = (sum(stop - start for start, stop in some) for some in (wanted, gaps))
        self.cache.count(len(ranges) - missed, missed, total - read, read)
