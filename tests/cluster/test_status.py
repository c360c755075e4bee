"""Status of several nodes, seen from a process that started none of the workers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.ray import RayRuntime
from tests.cluster.nodes import Nodes, wait_until
from tests.conformance.runtime import N


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Of its own: one is killed."""
    nodes = Nodes(2)
    yield nodes
    nodes.close()


def status_of(nodes: Nodes, url: str) -> dict[str, Any]:
    """What another process sees."""
    command = [sys.executable, "-m", "masksearch_ray", "status", url, "--json"]
    ended = subprocess.run(
        [*command, "--address", nodes.address], check=True, capture_output=True, text=True
    )
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def test_another_process_sees_nodes_and_workers(nodes: Nodes, url: str) -> None:
    runtime = RayRuntime(nodes.address)
    try:
        with ms.open(url, runtime) as col:
            assert len(col.sql("SELECT mask_id FROM masks")) == N
            status = status_of(nodes, url)
            assert len(status["nodes"]) == 3  # the head, too
            assert sum(node["cpus"] for node in status["nodes"]) == 2
            reports = {worker["name"]: worker["report"] for worker in status["workers"]}
            assert len(reports) == 2
            assert sorted(report["node"] for report in reports.values()) == sorted(nodes.living)
            assert {report["host"] for report in reports.values()} == {"127.0.0.1"}
            held = [shard for report in reports.values() for shard in report["shards"]]
            assert sum(shard["rows"] for shard in held) == N
            assert sorted(node["workers"] for node in status["nodes"]) == [0, 1, 1]

            nodes.kill(nodes.living[0])
            assert len(col.sql("SELECT mask_id FROM masks")) == N
            wait_until(lambda: len(status_of(nodes, url)["nodes"]) == 2, "the node to be gone")
            status = status_of(nodes, url)
            (alive,) = [worker for worker in status["workers"] if worker["report"]]
            assert [alive["report"]["node"]] == nodes.living
            assert sum(shard["rows"] for shard in alive["report"]["shards"]) == N
    finally:
        runtime.close()
