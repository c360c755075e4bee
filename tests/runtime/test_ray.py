from __future__ import annotations

from collections.abc import Iterator

import pytest

from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.types import Runtime
from tests.conformance.runtime import RuntimeTests


@pytest.fixture(scope="module")
def runtime(ray_instance: None) -> Iterator[Runtime]:
    runtime = RayRuntime(workers=2)
    yield runtime
    runtime.close()


class TestRayRuntime(RuntimeTests):
    pass
