"""Jobs on threads of this process."""

from __future__ import annotations

import pytest

from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.local import LocalRuntime
from tests.conformance.tasks import TasksTests


@pytest.fixture
def tasks() -> Tasks:
    return LocalRuntime(2).tasks()


class TestLocalTasks(TasksTests):
    pass
