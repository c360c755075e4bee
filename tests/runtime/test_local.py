from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from masksearch_ray.errors import StorageError
from masksearch_ray.runtime.control import QueryControl, Watch
from masksearch_ray.runtime.local import LocalPool, LocalRuntime
from masksearch_ray.runtime.turnstile import Turnstile
from masksearch_ray.runtime.types import Runtime
from tests.conformance.runtime import RuntimeTests

Run = Callable[[Any, Watch], Iterator[Any]]
PATIENCE = 20.0  # seconds after which something never comes


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    runtime = LocalRuntime(threads=3)
    yield runtime
    runtime.close()


class TestLocalRuntime(RuntimeTests):
    pass


def sent(*runs: Run) -> Iterator[tuple[int, Any]]:
    """A stage on shards of which each does one of these."""
    reader: Any = None
    pool = LocalPool(reader, [()] * len(runs), Turnstile(len(runs)))
    workers: Any = [SimpleNamespace(run=run) for run in runs]
    pool.workers = workers
    task: Any = SimpleNamespace(query_id="query")
    return pool.send(dict.fromkeys(range(len(runs)), task), QueryControl())


def until(control: Watch, event: threading.Event) -> None:
    """Work step by step until something has happened elsewhere."""
    for _ in range(int(PATIENCE * 1000)):
        control.step()
        if event.wait(0.001):
            return
    raise AssertionError("it never happened")


def test_quick_shards_run_in_the_callers_thread() -> None:
    def run(task: Any, control: Watch) -> Iterator[Any]:
        control.step()
        yield threading.current_thread()

    assert list(sent(run, run)) == [(n, threading.current_thread()) for n in range(2)]


def test_others_help_where_a_shard_takes_long() -> None:
    others = threading.Barrier(3)
    helped = threading.Event()

    def first(task: Any, control: Watch) -> Iterator[Any]:
        until(control, helped)
        yield "first"

    def other(task: Any, control: Watch) -> Iterator[Any]:
        if others.wait(PATIENCE) == 0:
            helped.set()
        yield "other"

    found = sorted(sent(first, other, other, other))
    assert found == [(0, "first"), (1, "other"), (2, "other"), (3, "other")]


def test_what_others_find_is_read_while_a_shard_goes_on() -> None:
    read = threading.Event()

    def first(task: Any, control: Watch) -> Iterator[Any]:
        found = threading.Event()
        while not read.is_set():
            control.step()
            found.wait(0.001)
            yield "more"

    def other(task: Any, control: Watch) -> Iterator[Any]:
        yield from range(1000)

    seen = []
    for shard, part in sent(first, other):
        seen += [part] if shard else []
        if len(seen) == 1000:
            read.set()
    assert seen == list(range(1000))


def test_an_error_of_another_shard_ends_a_long_one() -> None:
    never = threading.Event()

    def first(task: Any, control: Watch) -> Iterator[Any]:
        until(control, never)
        yield "first"

    def other(task: Any, control: Watch) -> Iterator[Any]:
        raise StorageError("it is gone", "object")
        yield

    with pytest.raises(StorageError, match="it is gone"):
        list(sent(first, other))
