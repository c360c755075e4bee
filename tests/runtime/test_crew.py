"""Workers that cannot be started: there is an end to trying, and to waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import ray

from masksearch_ray.errors import WorkerError
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.ray.names import worker_name
from masksearch_ray.runtime.ray.terms import Patience
from tests.conformance.pools import Opened
from tests.conformance.runtime import N

ALL = "SELECT mask_id FROM masks"
# Long, so that a test that waits for it fails.
PATIENCE = Patience(start=900.0, none=900.0)


class Broken:
    """An actor on a node that lacks a package."""

    def __init__(self, budget: int | None, keep_alive: float | None) -> None:
        raise ModuleNotFoundError("No module named 'blosc2'")

    def ping(self, client: str, keep_alive: float | None) -> None:
        raise AssertionError("it never began")


class Kind:
    """Actors of which some cannot start."""

    def __init__(self, good: Any, bad: set[str]) -> None:
        self.bad = bad
        self.made: list[str] = []
        self._good = good
        self._broken: Any = ray.remote(num_cpus=0)(Broken)

    def options(self, **options: Any) -> Any:
        self.made.append(options["name"])
        kind = self._broken if options["name"] in self.bad else self._good
        return kind.options(**options)


@pytest.fixture
def runtime(ray_instance: None) -> Iterator[RayRuntime]:
    runtime = RayRuntime(workers=2, patience=PATIENCE)
    yield runtime
    runtime.close()


def breaking(runtime: RayRuntime, *workers: int) -> Kind:
    """Let some of its workers fail to start."""
    crew = runtime._started()
    kind = Kind(crew._kind, {worker_name(number, crew._session_name) for number in workers})
    crew._kind = kind
    return kind


def test_the_others_do_the_work_of_one_that_cannot_start(runtime: RayRuntime, url: str) -> None:
    kind = breaking(runtime, 2)
    with Opened(runtime, url) as opened:
        assert opened.ask(ALL).num_rows == N
        member = runtime._started()._members[1]
        assert member.failing
        began, made = member.since, len(kind.made)
        assert opened.ask(ALL).num_rows == N
        # Not again and again, and all of it is one wait.
        assert len(kind.made) <= made + 1
        assert member.since == began
        # It joins when it can.
        kind.bad.clear()
        while member.state != "living":
            assert opened.ask(ALL).num_rows == N
            assert time.monotonic() - began < 120
            time.sleep(0.1)
        assert member.failures == 0


def test_none_can_start(runtime: RayRuntime, url: str) -> None:
    kind = breaking(runtime, 1, 2)
    with Opened(runtime, url) as opened:
        why = r"shard 1 of 2 .*: no worker could be started: .*No module named 'blosc2'"
        with pytest.raises(WorkerError, match=why) as raised:
            opened.ask(ALL)
        assert "creation task" in raised.value.__notes__[0]
        assert 6 <= len(kind.made) <= 8
        # Who asks again has them tried again.
        kind.bad.clear()
        time.sleep(max(0.0, max(m.next for m in runtime._started()._members) - time.monotonic()))
        assert opened.ask(ALL).num_rows == N
