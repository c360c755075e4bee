"""The façade: what users call from Python, the command line, jobs and the page."""

from __future__ import annotations

from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.status import ClusterStatus
from masksearch_ray.session.collection import Collection
from masksearch_ray.session.opening import create, open
from masksearch_ray.session.result import Result
from masksearch_ray.session.stats import Stats
from masksearch_ray.session.status import cluster_status

__all__ = [
    "ClusterStatus",
    "Collection",
    "QueryRecord",
    "Result",
    "Stats",
    "cluster_status",
    "create",
    "open",
]
