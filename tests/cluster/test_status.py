"""Status of several nodes, seen from a process that started none of the workers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.ray import RayRuntime
from tests.cluster.nodes import Nodes
from tests.conformance.runtime import N


def status_of(nodes: Nodes, url: str) -> dict[str, Any]:
    """What another process sees."""
    command = [sys.executable, "-m", "masksearch_ray", "status", url, "--json"]
    ended = subprocess.run(
        [*command, "--address", nodes.address], check=True, capture_output=True, text=True
    )
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.mark.timeout(300)
def test_another_process_sees_nodes_and_workers(nodes: Nodes, url: str) -> None:
    runtime = RayRuntime(nodes.address)
    try:
        with ms.open(url, runtime) as col:
            assert len(col.sql("SELECT mask_id FROM masks")) == N
            status = status_of(nodes, url)
            assert len(status["nodes"]) == 1 + len(nodes.living)  # the head, too
            assert sum(node["cpus"] for node in status["nodes"]) == len(nodes.living)
            reports = {worker["name"]: worker["report"] for worker in status["workers"]}
            assert len(reports) > 1
            assert {report["node"] for report in reports.values()} <= set(nodes.living)
            assert {report["host"] for report in reports.values()} == {"127.0.0.1"}
            held = [shard for report in reports.values() for shard in report["shards"]]
            assert sum(shard["rows"] for shard in held) == N
            assert sum(node["workers"] for node in status["nodes"]) == len(reports)
            assert {node["cpus_free"] for node in status["nodes"] if node["workers"]} == {0}
    finally:
        runtime.close()
