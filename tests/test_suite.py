"""What the suite takes for granted about the tools that run it."""

from __future__ import annotations

import pytest


@pytest.mark.ray
def test_all_tests_that_need_ray_run_in_one_worker(request: pytest.FixtureRequest) -> None:
    grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@ray") == grouped
