"""The Ray runtime: shards on actors of a cluster, or of a private instance on this machine."""

from __future__ import annotations

import atexit
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from masksearch_ray.errors import InputError
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.ray.instance import Instance, attach, detach
from masksearch_ray.runtime.types import CollectionSource
from masksearch_ray.storage import open_storage

if TYPE_CHECKING:
    from masksearch_ray.runtime.ray.crew import Crew
    from masksearch_ray.runtime.ray.pool import RayPool
    from masksearch_ray.runtime.ray.tasks import RayTasks

__all__ = ["RayRuntime"]


class RayRuntime:
    """Shards on Ray actors; Ray is started or connected to when the first pool is asked for.

    Parameters
    ----------
    address : str, optional
        Of a cluster, as `ray.init` takes it. By default ``RAY_ADDRESS``, else a private instance
        is started on this machine. Where this process has initialised Ray already, that is used.
    workers : int, optional
        Shards at most; by default the number of CPUs of the cluster.
    """

    name = "ray"

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise InputError(f"{workers} workers: at least 1 wanted")
        self.address = address
        self.workers = workers
        self._lock = threading.Lock()
        self._crew: Crew | None = None
        self._instance: Instance | None = None

    def pool(self, source: CollectionSource) -> RayPool:
        """Actors for one version of a collection, which they have opened.

        Raises
        ------
        InputError
            If other processes cannot read the collection, as it lies in this one's memory, or if
            the address is none.
        WorkerError
            If Ray cannot be reached or has no room.
        StorageError
            If the actors cannot read the collection.
        """
        url, options = open_storage(source.url, dict(source.options)).describe()
        if url.startswith("memory://"):
            raise InputError(
                f"{url}: Ray's workers cannot read this process's memory; "
                "use the local runtime, or a collection in a folder or object store"
            )
        cache = None if source.cache is None else open_storage(source.cache).url
        crew = self._started()
        from masksearch_ray.runtime.ray.pool import RayPool

        where = replace(source, url=url, options=options, cache=cache)
        return RayPool.start(crew, where, self.workers)

    def record(self, record: QueryRecord) -> None:
        """Count a query that has ended in Ray's metrics."""
        if self._crew is None:
            return  # it failed before Ray was asked for
        from masksearch_ray.runtime.ray.metrics import count_query

        count_query(record)

    def tasks(self) -> RayTasks:
        """Do pieces of work as Ray tasks.

        Raises
        ------
        InputError
            If the address is none.
        WorkerError
            If Ray cannot be reached.
        """
        crew = self._started()
        from masksearch_ray.runtime.ray.tasks import RayTasks

        return RayTasks(lambda: crew.valid)

    def close(self) -> None:
        """End the actors, and Ray if it was started or connected to here."""
        with self._lock:
            if self._crew is not None:
                self._crew.close()
                self._crew = None
            self._detach()

    def _started(self) -> Crew:
        with self._lock:
            if self._crew is None or not self._crew.valid:
                self._detach()
                self._instance = attach(self.address)
                atexit.register(self.close)
                # Not above, because Ray reads its environment when it is imported.
                from masksearch_ray.runtime.ray.crew import Crew

                self._crew = Crew()
            return self._crew

    def _detach(self) -> None:
        atexit.unregister(self.close)
        if self._instance is not None:
            detach(self._instance)
            self._instance = None
