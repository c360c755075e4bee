"""A cluster of several nodes does what every runtime must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray

from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.ray.pool import RayPool
from masksearch_ray.runtime.types import Runtime
from tests.cluster.nodes import Nodes
from tests.conformance.pools import Opened
from tests.conformance.runtime import RuntimeTests


@pytest.fixture(scope="module")
def runtime(nodes: Nodes) -> Iterator[Runtime]:
    runtime = RayRuntime(nodes.address)
    yield runtime
    runtime.close()


class TestRayCluster(RuntimeTests):
    pass


def test_workers_sit_on_different_nodes(nodes: Nodes, opened: Opened) -> None:
    assert isinstance(opened.pool, RayPool)
    asked = [
        actor.__ray_call__.remote(lambda actor: ray.get_runtime_context().get_node_id())
        for actor in opened.pool._actors
    ]
    assert sorted(ray.get(asked)) == sorted(nodes.living)
