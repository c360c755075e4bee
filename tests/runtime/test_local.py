from __future__ import annotations

from collections.abc import Iterator

import pytest

from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.types import Runtime
from tests.conformance.runtime import RuntimeTests


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    runtime = LocalRuntime(threads=3)
    yield runtime
    runtime.close()


class TestLocalRuntime(RuntimeTests):
    pass
