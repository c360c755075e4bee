"""Clusters of several nodes; run by `make test-cluster` in a namespace of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from masksearch_ray.runtime.types import Runtime
from tests.cluster.nodes import Nodes
from tests.conformance.pools import Opened, make_collection
from tests.conformance.runtime import SEGMENTS, metadata, pixels


@pytest.fixture(scope="session", autouse=True)
def alone() -> None:
    """Refuse to run where a Ray of others could be found, or ended."""
    first = Path("/proc/1/cmdline").read_bytes()
    if b"in-namespace" not in first or [name for _, name in socket.if_nameindex()] != ["lo"]:
        pytest.exit("run these tests with scripts/in-namespace, as make test-cluster does", 1)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head and three nodes of one CPU each; a module that kills nodes adds others."""
    nodes = Nodes(3)
    yield nodes
    nodes.close()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The collection that the tests ask about."""
    url = str(tmp_path_factory.mktemp("cluster") / "masks")
    make_collection(url, pixels(), metadata(), SEGMENTS)
    return url


@pytest.fixture(scope="module")
def opened(runtime: Runtime, url: str) -> Iterator[Opened]:
    """It, opened by the runtime that a module tests."""
    with Opened(runtime, url) as opened:
        assert opened.pool.shards > 1
        yield opened
