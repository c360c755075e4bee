"""Shards on Ray actors; nothing else imports Ray, and nothing does before a pool is asked for."""

from __future__ import annotations

from masksearch_ray.runtime.ray.runtime import RayRuntime
from masksearch_ray.runtime.status import ClusterStatus

__all__ = ["RayRuntime", "cluster_status"]


def cluster_status(address: str | None = None) -> ClusterStatus:
    """Look at a cluster; see `masksearch_ray.runtime.ray.status`."""
    # Not above, because Ray reads its environment when it is imported.
    from masksearch_ray.runtime.ray import status

    return status.cluster_status(address)
