"""What is there of a cluster, and what our workers on it do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from masksearch_ray.runtime.types import WorkerReport

__all__ = ["ClusterStatus", "NodeStatus", "WorkerStatus"]


@dataclass(frozen=True)
class NodeStatus:
    """One machine of a cluster.

    Parameters
    ----------
    name : str
        Its id.
    host : str
        Its address.
    cpus, cpus_free : float
        As Ray counts them; our workers hold one each on a cluster, none on a private instance.
    memory, memory_free : int
        Bytes that tasks may be promised, and those that are not.
    workers : int
        Of ours.
    """

    name: str
    host: str
    cpus: float
    cpus_free: float
    memory: int
    memory_free: int
    workers: int


@dataclass(frozen=True)
class WorkerStatus:
    """One worker of ours.

    Parameters
    ----------
    name : str
    restarts : int
        Times that it was lost and replaced.
    lasting : bool
        Whether it outlives the session that started it (``keep_alive``).
    report : WorkerReport or None
        What it says of itself; None where it did not answer in time.
    """

    name: str
    restarts: int
    lasting: bool
    report: WorkerReport | None


@dataclass(frozen=True)
class ClusterStatus:
    """A cluster at one moment.

    Parameters
    ----------
    address : str
    nodes : tuple of NodeStatus
        Those that live.
    workers : tuple of WorkerStatus
    """

    address: str
    nodes: tuple[NodeStatus, ...]
    workers: tuple[WorkerStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as what JSON knows."""
        return dataclasses.asdict(self)

    def of(self, url: str) -> ClusterStatus:
        """Leave out workers that hold no shard of a collection."""
        kept = tuple(
            worker
            for worker in self.workers
            if worker.report is not None and any(s.url == url for s in worker.report.shards)
        )
        return dataclasses.replace(self, workers=kept)
