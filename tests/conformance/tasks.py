"""What everything that does jobs must do, as tests.

Subclass `TasksTests` in a module that has a `tasks` fixture.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from masksearch_ray.errors import DataError, WorkerError
from masksearch_ray.model.tasks import Done, Tasks

__all__ = ["Square", "TasksTests"]


@dataclass(frozen=True)
class Square:
    """Squares a number, or does what such jobs do at worst."""

    number: int
    fails: str = ""
    marks: str = ""

    memory = 1 << 20

    @property
    def label(self) -> str:
        return f"square of {self.number}"

    def run(self) -> int:
        if self.marks:
            with open(self.marks, "a") as file:
                file.write(f"{self.number}\n")
        if self.fails == "ours":
            raise DataError(f"{self.number}: is no number")
        if self.fails == "theirs":
            raise ZeroDivisionError("by zero")
        if self.fails == "starves" or (self.fails == "starves once" and begun(self.marks) == 1):
            raise MemoryError
        if self.fails == "dies" or (self.fails == "dies once" and begun(self.marks) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.number**2


def begun(marks: str) -> int:
    """How many jobs were begun that leave this mark."""
    return len(Path(marks).read_text().splitlines())


class TasksTests:
    """The contract of `Tasks`."""

    def test_every_job_is_done_once(self, tasks: Tasks, tmp_path: Path) -> None:
        marks = str(tmp_path / "marks")
        done = list(tasks.run(Square(n, marks=marks) for n in range(20)))
        assert sorted(one.value for one in done) == [n**2 for n in range(20)]
        assert begun(marks) == 20
        assert all(one.node and one.worker for one in done)
        assert len({one.node for one in done}) == 1

    def test_no_jobs(self, tasks: Tasks) -> None:
        assert list(tasks.run([])) == []

    def test_jobs_are_drawn_as_workers_get_free(self, tasks: Tasks) -> None:
        drawn = 0

        def jobs() -> Iterator[Square]:
            nonlocal drawn
            for number in range(100):
                drawn += 1
                yield Square(number)

        for taken, _ in enumerate(tasks.run(jobs()), 1):
            assert drawn - taken <= 64
        assert drawn == taken == 100

    def test_an_error_of_ours_ends_all(self, tasks: Tasks, tmp_path: Path) -> None:
        marks = str(tmp_path / "marks")
        jobs = (Square(n, "ours" if n == 3 else "", marks) for n in range(10_000))
        with pytest.raises(DataError, match="3: is no number"):
            list(tasks.run(jobs))
        assert begun(marks) < 1000

    def test_a_failure_that_nobody_foresaw_names_the_job(self, tasks: Tasks) -> None:
        with pytest.raises(WorkerError, match=r"square of 7: .*failed: ZeroDivisionError: by zero"):
            list(tasks.run([Square(6), Square(7, "theirs")]))

    def test_who_stops_early_stops_the_jobs(self, tasks: Tasks, tmp_path: Path) -> None:
        marks = str(tmp_path / "marks")
        jobs = (Square(n, marks=marks) for n in range(10_000))
        with closing(cast(Generator[Done[int]], tasks.run(jobs))) as done:
            next(done)
        assert next(jobs, None) is not None
        assert begun(marks) < 1000
