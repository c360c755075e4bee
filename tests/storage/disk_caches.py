"""What the tests of the cache on disk share."""

from __future__ import annotations

import random
import uuid
from pathlib import Path

from masksearch_ray.storage import MemoryStorage, Storage
from masksearch_ray.storage.disk_cache import DiskCache
from masksearch_ray.storage.disk_cache_storage import CachedStorage

LIMIT = 64 << 20
DATA = random.Random(3).randbytes(1_000_000)
RANGES = [(0, 300), (300, 4000), (70_000, 70_001), (200_000, 420_000), (999_000, 1_000_000)]


def memory() -> MemoryStorage:
    return MemoryStorage(f"memory://{uuid.uuid4().hex}")


def cached(inner: Storage, folder: Path, limit: int = LIMIT) -> CachedStorage:
    """As another process would open it: with nothing in memory."""
    return CachedStorage(inner, DiskCache(folder, limit, touch_after=0.0), lambda key: True)


def read(storage: Storage, ranges: list[tuple[int, int]] = RANGES) -> None:
    found = [bytes(piece) for piece in storage.get_ranges("a", ranges)]
    assert found == [DATA[start:stop] for start, stop in ranges]


def the_file(folder: Path) -> Path:
    (path,) = folder.glob("*.sqlite")
    return path
