"""A cluster grows when a query wants more workers than there is room for, and shrinks after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pyarrow as pa
import pytest
import ray

import masksearch_ray as ms
from masksearch_ray.runtime.ray import RayRuntime
from tests.cluster.growing import ADDRESS, growing_cluster, nodes_alive
from tests.cluster.nodes import wait_until

QUERIES = (
    "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.5, 1.0)) > 20 ORDER BY mask_id",
    "SELECT mask_id, CP(mask, full_image, (0.3, 0.9)) AS n FROM masks ORDER BY n DESC LIMIT 7",
    "SELECT COUNT(*) AS n, SUM(CP(mask, full_image, (0.2, 0.6))) AS s FROM masks",
)
WORKERS = 3
MINUTES = 180.0  # seconds that a machine may take to start three nodes, however busy


@pytest.fixture(params=[1, 0], ids=["head-works", "head-coordinates"])
def head_cpus(request: pytest.FixtureRequest) -> Iterator[int]:
    with growing_cluster(request.param, WORKERS):
        yield request.param


@contextmanager
def on_workers(url: str, count: int) -> Iterator[ms.Collection]:
    """Open the collection on so many workers, who end with the block."""
    with closing(RayRuntime(workers=count)) as runtime, ms.open(url, runtime=runtime) as collection:
        yield collection


def ask(collection: ms.Collection) -> list[pa.Table]:
    return [collection.sql(query).table for query in QUERIES]


@pytest.mark.timeout(600)
def test_nodes_come_for_a_query_and_go_after_it(head_cpus: int, url: str) -> None:
    with ms.open(url) as collection:
        expected = ask(collection)
    ray.init(address=ADDRESS, log_to_driver=False)
    assert nodes_alive() == 1

    if head_cpus:
        with on_workers(url, 1) as collection:
            assert ask(collection) == expected
        assert nodes_alive() == 1

    with on_workers(url, WORKERS) as collection:
        # With a head that only coordinates there is nobody to answer before a node has come.
        assert ask(collection) == expected
        assert head_cpus or nodes_alive() > 1

        def grown() -> bool:
            result = collection.sql(QUERIES[0])
            assert result.table == expected[0]
            return result.record is not None and result.record.nodes == WORKERS

        wait_until(grown, "workers on nodes of their own", MINUTES)
        assert ask(collection) == expected
        assert nodes_alive() >= 1 + WORKERS - head_cpus

    wait_until(lambda: nodes_alive() == 1, "idle nodes to go", MINUTES)
    if head_cpus:
        with on_workers(url, 1) as collection:
            assert ask(collection) == expected
