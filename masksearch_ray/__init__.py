"""Query the pixels of image masks by SQL, exactly, at the speed of an index.

>>> import masksearch_ray as ms
>>> collection = ms.create("memory://example")
"""

from __future__ import annotations

import logging
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
from masksearch_ray.model.logs import log_to_stderr

if TYPE_CHECKING:
    from masksearch_ray.session import (
        ClusterStatus,
        Collection,
        QueryRecord,
        Result,
        Stats,
        cluster_status,
        create,
        open,
    )

__all__ = [
    "ClusterStatus",
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
    "QueryRecord",
    "QueryTimeoutError",
    "ReadOnlyError",
    "Result",
    "Stats",
    "StorageError",
    "TransientError",
    "WorkerError",
    "__version__",
    "cluster_status",
    "create",
    "log_to_stderr",
    "open",
]

# Without it Python itself would write warnings of ours, where nobody asked for log lines.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if not TYPE_CHECKING:
    _LATER = (
        *("ClusterStatus", "Collection", "QueryRecord", "Result", "Stats"),
        *("cluster_status", "create", "open"),
    )

    def __getattr__(name):
        """Import the engine when first asked for: `masksearch --help` must not wait for it."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from masksearch_ray import session

        return globals().setdefault(name, getattr(session, name))
