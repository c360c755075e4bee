"""Bytes on object storage, local or remote, and wrappers that add latency or faults."""

from __future__ import annotations

from masksearch_ray.storage.coalesce import Read, coalesce
from masksearch_ray.storage.factory import open_storage
from masksearch_ray.storage.local import LocalStorage
from masksearch_ray.storage.memory import MemoryStorage
from masksearch_ray.storage.remote import FsspecStorage, probe_atomic_create
from masksearch_ray.storage.types import Data, ObjectInfo, Pieces, Ranges, Storage
from masksearch_ray.storage.wrappers import (
    CountingStorage,
    Fault,
    FaultyStorage,
    Killed,
    LatencyStorage,
    RetryingStorage,
    WrappedStorage,
)

__all__ = [
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
    "RetryingStorage",
    "Storage",
    "WrappedStorage",
    "coalesce",
    "open_storage",
    "probe_atomic_create",
]
