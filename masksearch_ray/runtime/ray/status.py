"""Finding our workers on a cluster, whoever started them."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from masksearch_ray.errors import WorkerError
from masksearch_ray.runtime.ray.instance import attach, detach
from masksearch_ray.runtime.ray.names import is_worker
from masksearch_ray.runtime.status import ClusterStatus, NodeStatus, WorkerStatus
from masksearch_ray.runtime.types import WorkerReport

__all__ = ["cluster_status", "connected"]

_PATIENCE = 3.0  # seconds that workers have to say what they do


def cluster_status(address: str | None = None) -> ClusterStatus:
    """Look at a cluster; nothing is started on it.

    Parameters
    ----------
    address : str, optional
        By default ``RAY_ADDRESS``, else the cluster that runs on this machine.

    Raises
    ------
    InputError
        If that is no address.
    WorkerError
        If there is no cluster, or it cannot be reached.
    """
    with connected(address):
        return _look()


@contextlib.contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """Stay connected to a cluster, so that looking at it again and again costs little.

    Parameters and errors are those of `cluster_status`.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        instance = attach(address or "auto")
    except WorkerError as error:
        if address is None:
            raise WorkerError(
                "no Ray cluster runs on this machine; name one with --address or RAY_ADDRESS, "
                "or start one with 'ray start --head'"
            ) from error
        raise
    try:
        yield
    finally:
        if instance is not None:
            detach(instance)


def _look() -> ClusterStatus:
    workers = _workers()
    lie = Counter(worker.report.node for worker in workers if worker.report is not None)
    free = _free()
    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [_node(node, free.get(node["NodeID"], {}), lie) for node in known if node["Alive"]]
    return ClusterStatus(
        address=ray.get_runtime_context().gcs_address,
        nodes=tuple(sorted(nodes, key=lambda node: (node.host, node.name))),
        workers=tuple(sorted(workers, key=lambda worker: worker.name)),
    )


def _node(node: dict[str, Any], free: Mapping[str, float], lie: Mapping[str, int]) -> NodeStatus:
    whole: Mapping[str, float] = node["Resources"]
    return NodeStatus(
        name=node["NodeID"],
        host=node["NodeManagerAddress"],
        cpus=whole.get("CPU", 0.0),
        cpus_free=free.get("CPU", 0.0),
        memory=int(whole.get("memory", 0)),
        memory_free=int(free.get("memory", 0)),
        workers=lie.get(node["NodeID"], 0),
    )


def _workers() -> list[WorkerStatus]:
    found = {}
    for named in list_named_actors(all_namespaces=True):
        if is_worker(named["name"]):
            # One that ends meanwhile is not there any more.
            with contextlib.suppress(ValueError):
                found[named["name"]] = ray.get_actor(named["name"], named["namespace"])
    reports = _reports(found)
    known = {actor["Name"]: actor for actor in _actors().values() if actor["State"] != "DEAD"}
    return [
        WorkerStatus(
            name=name,
            restarts=known.get(name, {}).get("NumRestarts", 0),
            lasting=known.get(name, {}).get("IsDetached", False),
            report=reports.get(name),
        )
        for name in found
    ]


def _reports(actors: Mapping[str, Any]) -> dict[str, WorkerReport]:
    """What those say that answer in time."""
    asked = {
        actor.report.options(max_task_retries=0).remote(): name for name, actor in actors.items()
    }
    if not asked:
        return {}
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_PATIENCE)
    reports = {}
    for answer in answered:
        with contextlib.suppress(RayError):
            reports[asked[answer]] = ray.get(answer)
    return reports


# Ray tells these publicly through its dashboard only, which small clusters run without.


def _actors() -> dict[str, dict[str, Any]]:
    from ray._private import state

    found: dict[str, dict[str, Any]] = state.actors()
    return found


def _free() -> dict[str, dict[str, float]]:
    from ray._private import state

    free: dict[str, dict[str, float]]
    free = state.available_resources_per_node()  # type: ignore[no-untyped-call]
    return free
