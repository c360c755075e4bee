"""Ingest on several nodes, one of which is lost, and after the leader's death."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from masksearch_ray.collection import create_collection
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.storage import Storage, open_storage
from tests.cluster.nodes import Nodes, wait_until
from tests.collection.ingest.test_ingest import assert_each_once, write_masks
from tests.conformance.ingest import COUNT, SMALL, LeaderDeaths, Trap


@pytest.fixture(scope="module")
def tasks(nodes: Nodes) -> Iterator[Tasks]:
    runtime = RayRuntime(nodes.address)
    yield runtime.tasks()
    runtime.close()


@pytest.fixture
def made(tmp_path: Path) -> Storage:
    storage = open_storage(str(tmp_path / "made"))
    create_collection(storage)
    return storage


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_masks(tmp_path / "maps", COUNT)


class TestClusterIngest(LeaderDeaths):
    pass


def test_a_node_that_is_lost(
    nodes: Nodes, tasks: Tasks, made: Storage, source: str, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    lost: list[str] = []

    def lose() -> None:
        wait_until(lambda: mark.exists() and mark.read_text() != "", "a segment to be begun")
        lost.append(mark.read_text())
        nodes.kill(lost[0])

    killer = threading.Thread(target=lose)
    killer.start()
    report = ingest(made, Trap.at(source, "hangs", mark), limits=SMALL, tasks=tasks)
    killer.join()
    assert lost[0] not in nodes.living
    assert report.rows == COUNT
    assert report.nodes >= 2
    assert_each_once(made, COUNT)
