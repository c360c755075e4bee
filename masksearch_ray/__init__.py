"""Query the pixels of image masks by SQL, exactly, at the speed of an index.

>>> import masksearch_ray as ms
>>> collection = ms.create("memory://example")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
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

if not TYPE_CHECKING:

    def __getattr__(name):
        """Import the engine when first asked for: `masksearch --help` must not wait for it."""
        if name not in ("Collection", "Result", "Stats", "create", "open"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from masksearch_ray import session

        return globals().setdefault(name, getattr(session, name))
