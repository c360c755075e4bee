"""A Ray cluster on this machine that really grows and shrinks, by Ray's own autoscaler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import AutoscalingCluster

__all__ = ["ADDRESS", "growing_cluster", "nodes_alive"]

ADDRESS = "127.0.0.1:6379"  # nobody else's: the tests have a network of their own
_STORE = 78_643_200  # bytes; Ray takes no less
_TRIES = 3


class _Growing(AutoscalingCluster):
    """Ray's cluster for tests; the example that it reads is not in Ray's wheel."""

    def _generate_config(
        self, head_resources: Any, worker_node_types: Any, autoscaler_v2: bool = False, **more: Any
    ) -> dict[str, Any]:
        head = {"resources": dict(head_resources), "node_config": {}, "max_workers": 0}
        return {
            "cluster_name": "growing",
            "max_workers": 8,
            # Nothing is installed on a node that is a process of this machine.
            "provider": {
                "type": "fake_multinode",
                "use_node_id_as_ip": True,
                "disable_launch_config_check": True,
                "disable_node_updaters": True,
            },
            "available_node_types": {**worker_node_types, "ray.head.default": head},
            "head_node_type": "ray.head.default",
            "upscaling_speed": 100.0,
            "auth": {},
            "docker": {},
            "initialization_commands": [],
            "setup_commands": [],
            "head_setup_commands": [],
            "worker_setup_commands": [],
            "head_start_ray_commands": [],
            "worker_start_ray_commands": [],
            "file_mounts": {},
            "cluster_synced_files": [],
            "file_mounts_sync_continuously": False,
            "rsync_exclude": [],
            "rsync_filter": [],
            **more,
        }

    def start(self, _system_config: Any = None, override_env: Any = None) -> None:
        """Start the head as Ray's class does, without the dashboard's ten processes."""
        config = Path(os.environ["RAY_TMPDIR"]) / "autoscaler.json"
        config.write_text(json.dumps(self._config), encoding="utf-8")
        head = self._head_resources
        command = [
            *("ray", "start", "--head", "--port=6379", "--include-dashboard=false"),
            f"--autoscaling-config={config}",
            f"--num-cpus={head['CPU']}",
            f"--object-store-memory={head['object_store_memory']}",
        ]
        environment = os.environ | {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
        # Ray gives itself 30 s, which a busy machine may need.
        for _ in range(_TRIES):
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode == 0:
                return
            self.shutdown()
        pytest.fail(f"Ray did not start: {done.stderr[-2000:]}")

    def shutdown(self) -> None:
        """End every Ray process; there are none but this one's in the namespace."""
        subprocess.run(["ray", "stop", "--force"], capture_output=True, check=True)


@contextmanager
def growing_cluster(head_cpus: int, most: int) -> Iterator[None]:
    """Start a head of so many CPUs, to which nodes of one CPU come as they are asked for.

    Parameters
    ----------
    head_cpus : int
    most : int
        Nodes besides the head, at most; one goes after 6 s without work.
    """
    folder = tempfile.mkdtemp(prefix="ray-")  # short: Ray's sockets lie in it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("RAY_TMPDIR", folder)
        cluster: Any = _Growing(
            {"CPU": head_cpus, "object_store_memory": _STORE},
            {
                "node": {
                    "resources": {"CPU": 1, "object_store_memory": _STORE},
                    "node_config": {},
                    "min_workers": 0,
                    "max_workers": most,
                }
            },
            idle_timeout_minutes=0.1,
        )
        try:
            cluster.start()
            yield
        finally:
            ray.shutdown()
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def nodes_alive() -> int:
    """Nodes that Ray takes for alive, the head among them."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return sum(bool(node["Alive"]) for node in nodes)
