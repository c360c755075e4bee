"""Objects in this process's memory, for tests and trials."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from masksearch_ray.errors import ExistsError, InputError, NotFoundError
from masksearch_ray.storage.keys import buffers, check_key, check_prefix, check_ranges, join_url
from masksearch_ray.storage.types import Data, ObjectInfo, Pieces, Ranges


@dataclass(frozen=True)
class _Stored:
    data: bytes
    etag: str
    modified: float


@dataclass
class _Bucket:
    objects: dict[str, _Stored] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    writes: int = 0

    def store(self, path: str, data: bytes) -> None:
        """Keep an object; the caller holds the lock."""
        self.writes += 1
        self.objects[path] = _Stored(data, f"v{self.writes}", time.time())


_buckets: dict[str, _Bucket] = {}
_buckets_lock = threading.Lock()


class MemoryStorage:
    """``memory://name[/prefix]``: opening it twice in one process shows the same objects.

    Parameters
    ----------
    url : str
        ``memory://`` and a name, optionally followed by a prefix of the keys.
    """

    def __init__(self, url: str) -> None:
        name, _, prefix = url.removeprefix("memory://").strip("/").partition("/")
        if not name:
            raise InputError(f"{url}: a memory:// URL needs a name, as in memory://scratch")
        self._prefix = f"{check_key(prefix)}/" if prefix else ""
        self._url = f"memory://{name}/{self._prefix}".rstrip("/")
        with _buckets_lock:
            self._bucket = _buckets.setdefault(name, _Bucket())

    @property
    def url(self) -> str:
        """URL of the root."""
        return self._url

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        return self._find(key).data

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given."""
        data = self._find(key).data
        check_ranges(ranges, join_url(self.url, key), len(data))
        view = memoryview(data)
        return [view[start:stop] for start, stop in ranges]

    def info(self, key: str) -> ObjectInfo:
        """Size, ETag and time of an object."""
        return self._info(key, self._find(key))

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there."""
        path, whole = self._path(key), b"".join(buffers(data))
        with self._bucket.lock:
            self._bucket.store(path, whole)

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically."""
        path, whole = self._path(key), b"".join(buffers(data))
        with self._bucket.lock:
            if path in self._bucket.objects:
                raise ExistsError("exists already", join_url(self.url, key))
            self._bucket.store(path, whole)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, sorted by key."""
        whole = self._prefix + check_prefix(prefix)
        with self._bucket.lock:
            found = sorted(
                (path, stored)
                for path, stored in self._bucket.objects.items()
                if path.startswith(whole)
            )
        return iter([self._info(p.removeprefix(self._prefix), stored) for p, stored in found])

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        path = self._path(key)
        with self._bucket.lock:
            self._bucket.objects.pop(path, None)

    def remove_leftovers(self, older_than: float) -> int:
        """Return 0: nothing is ever left behind."""
        return 0

    def describe(self) -> tuple[str, dict[str, Any]]:
        """URL and options; only this process finds the objects under them."""
        return self.url, {}

    def _path(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _find(self, key: str) -> _Stored:
        path = self._path(key)
        with self._bucket.lock:
            stored = self._bucket.objects.get(path)
        if stored is None:
            raise NotFoundError("no such object", join_url(self.url, key))
        return stored

    @staticmethod
    def _info(key: str, stored: _Stored) -> ObjectInfo:
        return ObjectInfo(key, len(stored.data), stored.etag, stored.modified)
