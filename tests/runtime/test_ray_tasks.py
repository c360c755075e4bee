"""Jobs as Ray tasks, and workers that die over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from masksearch_ray.errors import WorkerError
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.ray import RayRuntime
from tests.conformance.tasks import Square, TasksTests, begun


@pytest.fixture(scope="module")
def tasks(ray_instance: None) -> Iterator[Tasks]:
    runtime = RayRuntime()
    yield runtime.tasks()
    runtime.close()


class TestRayTasks(TasksTests):
    pass


def test_a_job_whose_worker_died_is_done_again(tasks: Tasks, tmp_path: Path) -> None:
    marks = str(tmp_path / "marks")
    jobs = [Square(n, "dies once" if n == 2 else "", marks if n == 2 else "") for n in range(6)]
    assert sorted(done.value for done in tasks.run(jobs)) == [0, 1, 4, 9, 16, 25]
    assert begun(marks) == 2


def test_a_job_over_which_all_workers_die(tasks: Tasks, tmp_path: Path) -> None:
    marks = str(tmp_path / "marks")
    with pytest.raises(WorkerError, match="square of 1: its worker died and could not be replaced"):
        list(tasks.run([Square(1, "dies", marks)]))
    assert begun(marks) == 4


def test_a_job_that_wants_more_memory_than_there_is(tasks: Tasks) -> None:
    class Greedy(Square):
        memory = 1 << 60

    assert [done.value for done in tasks.run([Greedy(5)])] == [25]


def test_ray_that_was_shut_down_meanwhile(ray_instance: None) -> None:
    runtime = RayRuntime()
    done = runtime.tasks().run(Square(n) for n in range(100))
    next(done)
    runtime.close()
    with pytest.raises(WorkerError, match="Ray was shut down"):
        list(done)
