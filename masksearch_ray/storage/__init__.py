"""Bytes on object storage, local or remote, and wrappers that add latency or faults."""

from __future__ import annotations

from masksearch_ray.storage.coalesce import Read, coalesce
from masksearch_ray.storage.factory import open_storage
from masksearch_ray.storage.local import LocalStorage
from masksearch_ray.storage.memory import MemoryStorage
from masksearch_ray.storage.types import ObjectInfo, Storage

__all__ = [
    "LocalStorage",
    "MemoryStorage",
    "ObjectInfo",
    "Read",
    "Storage",
    "coalesce",
    "open_storage",
]
