"""Looking at a cluster without asking a query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from masksearch_ray.model.text import plain_url
from masksearch_ray.runtime.status import ClusterStatus
from masksearch_ray.storage import open_storage

__all__ = ["cluster_status", "connected"]


def cluster_status(address: str | None = None, url: str | None = None) -> ClusterStatus:
    """Look at a Ray cluster: its nodes, and the workers that hold shards, whoever started them.

    Nothing is started. The process must run on a node of the cluster.

    Parameters
    ----------
    address : str, optional
        By default ``RAY_ADDRESS``, else the cluster that runs on this machine.
    url : str, optional
        Of a collection: only workers that hold shards of it are told.

    Returns
    -------
    ClusterStatus

    Raises
    ------
    InputError
        If that is no address, or no URL.
    WorkerError
        If there is no cluster, or it cannot be reached.
    """
    wanted = None if url is None else plain_url(open_storage(url).url)
    # Not above, so that whoever works without Ray does not load it.
    from masksearch_ray.runtime.ray import status as ray_status

    status = ray_status.cluster_status(address)
    return status if wanted is None else status.of(wanted)


@contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """Stay connected to a Ray cluster, for those who look at it again and again."""
    from masksearch_ray.runtime.ray import status as ray_status

    with ray_status.connected(address):
        yield
