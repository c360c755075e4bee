"""Jobs as Ray tasks, and workers that die over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import ray

from masksearch_ray.errors import WorkerError
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.ray import crew as crew_module
from masksearch_ray.runtime.ray import tasks as module
from masksearch_ray.runtime.ray.tasks import RayTasks
from tests.conformance.pools import Opened
from tests.conformance.runtime import N
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


def test_a_job_that_ran_out_of_memory_is_done_again(tasks: Tasks, tmp_path: Path) -> None:
    marks = str(tmp_path / "marks")
    jobs = [Square(n, "starves once" if n == 2 else "", marks if n == 2 else "") for n in range(6)]
    assert sorted(done.value for done in tasks.run(jobs)) == [0, 1, 4, 9, 16, 25]
    assert begun(marks) == 2


def test_a_job_that_nobody_has_memory_for(tasks: Tasks, tmp_path: Path) -> None:
    marks = str(tmp_path / "marks")
    told = "square of 1: its worker ran out of memory, 4 times over; give workers more memory"
    with pytest.raises(WorkerError, match=told):
        list(tasks.run([Square(0), Square(1, "starves", marks), Square(2)]))
    assert begun(marks) == 4


@dataclass(frozen=True)
class Timed(Square):
    """Says when it was at work; one of them runs out of memory while others are."""

    def run(self) -> tuple[int, float, float]:  # type: ignore[override]
        began = time.monotonic()
        time.sleep(0.3)
        super().run()
        return self.number, began, time.monotonic()


def test_what_ran_out_of_memory_is_done_with_nothing_beside_it(
    tasks: Tasks, tmp_path: Path
) -> None:
    marks = str(tmp_path / "marks")
    jobs = [Timed(n, "starves once" if n == 1 else "", marks if n == 1 else "") for n in range(9)]
    spans = {done.value[0]: done.value[1:] for done in tasks.run(jobs)}
    assert spans.keys() == set(range(9))
    began, ended = spans.pop(1)
    assert all(end <= began or begin >= ended for begin, end in spans.values())
    # The others were at work two at a time.
    assert any(a[0] < b[0] < a[1] for a in spans.values() for b in spans.values())


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


# -- CPUs that others hold ---------------------------------------------------------------------


@contextmanager
def full() -> Iterator[Callable[[], None]]:
    """Have all CPUs held; gives what frees them."""
    holder: Any = ray.remote(num_cpus=2)(Holder).remote()
    ray.get(holder.there.remote())
    try:
        yield lambda: ray.kill(holder)
    finally:
        ray.kill(holder)


class Holder:
    def there(self) -> None:
        """Say that it has its CPUs."""


def test_cpus_are_asked_back_while_no_job_runs(
    ray_instance: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STANDSTILL", 0.5)
    with full() as free:
        tasks = RayTasks(lambda: True, free)
        assert sorted(done.value for done in tasks.run([Square(2), Square(3)])) == [4, 9]


def test_no_cpu_gets_free(ray_instance: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 1.0)
    waits = r"no job got a CPU within 1 s: 2 wait, and the cluster has 2 CPUs"
    with full(), pytest.raises(WorkerError, match=waits):
        list(RayTasks(lambda: True, lambda: None).run([Square(2), Square(3)]))


def test_kept_workers_that_are_idle_give_their_cpus_back(
    ray_instance: None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STANDSTILL", 0.5)
    monkeypatch.setattr(crew_module, "_IDLE", 0.5)
    keeping = RayRuntime(workers=2, keep_alive=600)
    # As on a cluster; on an instance of this process workers hold no CPU.
    crew = keeping._started()
    crew.terms = replace(crew.terms, hold=True)
    with Opened(keeping, url) as opened:
        assert opened.ask("SELECT mask_id FROM masks").num_rows == N
        assert [done.value for done in keeping.tasks().run([Square(4)])] == [16]
        # They come back.
        assert opened.ask("SELECT mask_id FROM masks").num_rows == N
    for member in crew._members:
        ray.kill(member.actor)
    keeping.close()
