"""Bytes on object storage, local or remote, and wrappers that add latency or faults."""

from __future__ import annotations

from masksearch_ray.storage.coalesce import Read, coalesce
from masksearch_ray.storage.disk_cache import (
    CacheCounters,
    bytes_cached_here,
    cache_counters,
    default_limit,
    disk_cache,
)
from masksearch_ray.storage.disk_cache_storage import CachedStorage, past_caches
from masksearch_ray.storage.factory import is_remote, open_storage
from masksearch_ray.storage.local import LocalStorage
from masksearch_ray.storage.memory import MemoryStorage
from masksearch_ray.storage.options import StorageOptions, redact
from masksearch_ray.storage.probe import probe_atomic_create
from masksearch_ray.storage.remote import FsspecStorage
from masksearch_ray.storage.retry import Retry, RetryingStorage
from masksearch_ray.storage.s3 import S3Storage
from masksearch_ray.storage.types import Data, ObjectInfo, Pieces, Ranges, Storage
from masksearch_ray.storage.wrappers import (
    CountingStorage,
    Fault,
    FaultyStorage,
    Killed,
    LatencyStorage,
    WrappedStorage,
)

__all__ = [
    "CacheCounters",
    "CachedStorage",
    "CountingStorage",
    "Data",
    "Fault",
    "FaultyStorage",
    "FsspecStorage",
    "Killed",
    "LatencyStorage",
    "LocalStorage",
    "MemoryStorage",
    "ObjectInfo",
    "Pieces",
    "Ranges",
    "Read",
    "Retry",
    "RetryingStorage",
    "S3Storage",
    "Storage",
    "StorageOptions",
    "WrappedStorage",
    "bytes_cached_here",
    "cache_counters",
    "coalesce",
    "default_limit",
    "disk_cache",
    "is_remote",
    "open_storage",
    "past_caches",
    "probe_atomic_create",
    "redact",
]
