"""The Ray runtime: shards on actors of a cluster, or of a private instance on this machine."""

from __future__ import annotations

import atexit
import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from masksearch_ray.errors import InputError
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.ray.instance import Instance, attach, detach, started_here
from masksearch_ray.runtime.ray.terms import Patience, Terms
from masksearch_ray.runtime.types import CollectionSource, WorkerReport
from masksearch_ray.storage import open_storage

if TYPE_CHECKING:
    from masksearch_ray.runtime.ray.crew import Crew
    from masksearch_ray.runtime.ray.pool import RayPool
    from masksearch_ray.runtime.ray.tasks import RayTasks

__all__ = ["RayRuntime"]

_LEAST_MEMORY = 64 << 20


class RayRuntime:
    """Shards on Ray actors; Ray is started or connected to when the first pool is asked for.

    Parameters
    ----------
    address : str, optional
        Of a cluster, as `ray.init` takes it. By default ``RAY_ADDRESS``, else a private instance
        is started on this machine. Where this process has initialised Ray already, that is used.
    workers : int, optional
        Workers, or fewer where the collection has fewer segments. By default one for each CPU
        that the cluster has now; more where these could not hold the collection, so that a
        cluster that can grow does. One that has no nodes yet is asked for no more than hold it.
    keep_alive : float, optional
        Seconds that workers of a cluster stay without use, with what they hold in memory. They
        outlive this process; whoever asks next with `keep_alive`, from wherever, finds them.
        By default they end with the runtime.
    memory : int, optional
        Bytes of memory to ask Ray for, for each worker; it keeps half for what it has read. By
        default nothing is asked, and it keeps its part of a third of its node's memory.
    patience : Patience, optional
        How long workers are waited for.
    """

    name = "ray"

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        keep_alive: float | None = None,
        memory: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        if workers is not None and not _whole(workers, 1):
            raise InputError(f"workers = {workers!r}: at least 1 wanted")
        if keep_alive is not None and not (_number(keep_alive) and 0 < keep_alive < math.inf):
            raise InputError(f"keep_alive = {keep_alive!r}: a number of seconds above 0 wanted")
        if memory is not None and not _whole(memory, _LEAST_MEMORY):
            raise InputError(f"memory = {memory!r}: at least {_LEAST_MEMORY} bytes wanted")
        self.address = address
        self.workers = workers
        self.keep_alive = keep_alive
        self.memory = memory
        self.patience = patience or Patience()
        self._lock = threading.Lock()
        self._crew: Crew | None = None
        self._instance: Instance | None = None

    def pool(self, source: CollectionSource) -> RayPool:
        """Workers for one version of a collection; they are asked for, not waited for.

        Raises
        ------
        InputError
            If other processes cannot read the collection, as it lies in this one's memory, or if
            the address is none.
        WorkerError
            If Ray cannot be reached.
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
        crew.relieve()  # workers that hold all CPUs would keep tasks waiting
        from masksearch_ray.runtime.ray.tasks import RayTasks

        return RayTasks(lambda: crew.valid, lambda: crew.relieve(kept=True))

    def close(self) -> None:
        """End the workers that are not kept alive, and Ray if it was started or reached here."""
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

                self._crew = Crew(self._terms())
            return self._crew

    def _terms(self) -> Terms:
        private = self._instance is not None and self._instance.folder is not None
        if private and self.keep_alive is not None:
            self._detach()
            raise InputError(
                "keep_alive: workers outlive this process on a cluster only; give its address, or "
                "set RAY_ADDRESS (ray start --head starts one on this machine)"
            )
        hold = not private and not started_here()
        return Terms(hold, self.memory, None, self.keep_alive, self.patience)

    def reports(self) -> list[WorkerReport]:
        """Ask the workers of this runtime what they hold and do."""
        with self._lock:
            crew = self._crew
        return [] if crew is None or not crew.valid else crew.reports()

    def _detach(self) -> None:
        atexit.unregister(self.close)
        if self._instance is not None:
            detach(self._instance)
            self._instance = None


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and value >= least


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
