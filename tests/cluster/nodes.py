"""A Ray cluster of several nodes on one machine, whose nodes can be killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray
from ray.cluster_utils import Cluster

__all__ = ["Nodes", "wait_until"]

# A killed raylet is noticed after some 3 s, in place of 16; one that is slow is no killed one.
_HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 3,
}
_STORE = 78_643_200  # bytes; Ray takes no less
_LONGEST = 120.0  # seconds that anything here may take


def wait_until(holds: Callable[[], bool], what: str, seconds: float = _LONGEST) -> None:
    """Wait for something to become true; fail if it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


class Nodes:
    """A cluster to which this process is connected; its head has no CPUs, so no workers either.

    Parameters
    ----------
    count : int
        Nodes besides the head.
    cpus : int
        Of each.
    """

    def __init__(self, count: int, cpus: int = 1) -> None:
        self._cluster: Any = Cluster(
            initialize_head=True,
            connect=False,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": _STORE,
                "include_dashboard": False,
                "_system_config": _HEALTH,
            },
        )
        self._nodes: dict[str, Any] = {}
        ray.init(address=self.address, log_to_driver=False)
        for _ in range(count):
            self.add(cpus)

    @property
    def address(self) -> str:
        """What `ray.init` takes."""
        address: str = self._cluster.address
        return address

    @property
    def living(self) -> list[str]:
        """Ids of the nodes besides the head that Ray takes for alive."""
        known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        alive = {node["NodeID"] for node in known if node["Alive"]}
        return [name for name in self._nodes if name in alive]

    def add(self, cpus: int = 1, **options: Any) -> str:
        """Add a node; gives its id."""
        node = self._cluster.add_node(num_cpus=cpus, object_store_memory=_STORE, **options)
        self._nodes[node.node_id] = node
        wait_until(lambda: node.node_id in self.living, "a node to come")
        name: str = node.node_id
        return name

    def kill(self, name: str) -> None:
        """Kill a node, without waiting for anybody to notice."""
        node = self._nodes.pop(name)
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        """End the cluster."""
        ray.shutdown()
        self._cluster.shutdown()
