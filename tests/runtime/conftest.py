from __future__ import annotations

from collections.abc import Iterator

import pytest

from masksearch_ray.runtime.types import Runtime
from tests.conformance.pools import Opened, make_collection
from tests.conformance.runtime import SEGMENTS, metadata, pixels


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The collection that all runtimes are asked about."""
    url = str(tmp_path_factory.mktemp("runtime") / "masks")
    make_collection(url, pixels(), metadata(), SEGMENTS)
    return url


@pytest.fixture(scope="module")
def opened(runtime: Runtime, url: str) -> Iterator[Opened]:
    """It, opened by the runtime that a module tests."""
    with Opened(runtime, url) as opened:
        assert opened.pool.shards > 1
        yield opened
