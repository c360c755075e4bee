"""Query the pixels of image masks by SQL, exactly, at the speed of an index.

>>> import masksearch_ray as ms
>>> collection = ms.create("memory://example")
"""

from __future__ import annotations

from masksearch_ray._version import __version__
from masksearch_ray.errors import (
    CollectionError,
    ConflictError,
    DamagedError,
    DataError,
    ExistsError,
    FailedError,
    InputError,
    MaskSearchError,
    NotFoundError,
    QueryCancelledError,
    QueryError,
    QueryTimeoutError,
    ReadOnlyError,
    StorageError,
    TransientError,
    WorkerError,
)
from masksearch_ray.session import Collection, Result, Stats, create, open

__all__ = [
    "Collection",
    "CollectionError",
    "ConflictError",
    "DamagedError",
    "DataError",
    "ExistsError",
    "FailedError",
    "InputError",
    "MaskSearchError",
    "NotFoundError",
    "QueryCancelledError",
    "QueryError",
    "QueryTimeoutError",
    "ReadOnlyError",
    "Result",
    "Stats",
    "StorageError",
    "TransientError",
    "WorkerError",
    "__version__",
    "create",
    "open",
]
