from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray

from masksearch_ray.errors import QueryTimeoutError, WorkerError
from masksearch_ray.execute.partials import Filter
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray import RayRuntime, lease, pulse
from masksearch_ray.runtime.ray.actor import ShardActor
from masksearch_ray.runtime.ray.crew import Member
from masksearch_ray.runtime.ray.handed import Handed
from masksearch_ray.runtime.ray.pool import RayPool
from masksearch_ray.runtime.ray.roundtrip import RoundTrip, _Flight
from masksearch_ray.runtime.ray.terms import Patience
from masksearch_ray.runtime.types import Runtime
from tests.conformance.pools import Opened, make_collection, source_of
from tests.conformance.runtime import COUNT, SLOW, N, RuntimeTests, above

ALL = "SELECT mask_id FROM masks"
SOME = f"SELECT mask_id FROM masks WHERE {COUNT} > 22"


@pytest.fixture(scope="module")
def runtime(ray_instance: None) -> Iterator[Runtime]:
    runtime = RayRuntime(workers=2)
    yield runtime
    runtime.close()


class TestRayRuntime(RuntimeTests):
    pass


def pool_of(opened: Opened) -> RayPool:
    assert isinstance(opened.pool, RayPool)
    return opened.pool


def process_of(opened: Opened, shard: int) -> int:
    # It may be about to be started anew.
    ask = pool_of(opened)._actors[shard].__ray_call__.options(max_task_retries=-1)
    number: int = ray.get(ask.remote(lambda actor: os.getpid()))
    return number


# -- workers that die --------------------------------------------------------------------------


def test_a_worker_that_died_is_replaced(opened: Opened) -> None:
    os.kill(process_of(opened, 0), signal.SIGKILL)
    assert opened.ask(SOME)["mask_id"].to_pylist() == above(22)


def test_workers_that_die_in_the_middle(opened: Opened) -> None:
    processes = [process_of(opened, shard) for shard in range(2)]
    partials = opened.send(ALL)
    found = [next(partials)]
    for process in processes:
        os.kill(process, signal.SIGKILL)
    found += partials
    tables = [partial.table for _, partial in found if hasattr(partial, "table")]
    assert sorted(i for table in tables for i in table["mask_id"].to_pylist()) == list(range(N))


def test_a_worker_that_was_ended_for_good_is_replaced(opened: Opened) -> None:
    ray.kill(pool_of(opened)._actors[1])
    assert opened.ask(SOME)["mask_id"].to_pylist() == above(22)


@contextmanager
def frozen(opened: Opened, shard: int) -> Iterator[None]:
    process = process_of(opened, shard)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def impatient(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    crew = pool_of(opened)._crew
    monkeypatch.setattr(pulse, "_EVERY", 0.2)
    monkeypatch.setattr(crew, "terms", replace(crew.terms, patience=Patience(1.0, 1.0, 1.0, 1.0)))


def test_another_does_what_a_worker_does_not_answer(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened.ask(ALL).num_rows == N
    impatient(opened, monkeypatch)
    with frozen(opened, 1):
        assert opened.ask(SOME)["mask_id"].to_pylist() == above(22)


def test_one_that_is_silent_is_noticed_while_others_answer(opened: Opened) -> None:
    pool = pool_of(opened)
    trip = RoundTrip(
        pool._crew, pool._members, pool._shards, [0, 1], "client", QueryControl(), lambda: None
    )
    task = opened.task(ALL, Filter())
    calm, silent = (SimpleNamespace(silent=lambda s=s: s) for s in (0.0, 1000.0))
    actor: Any = SimpleNamespace(stop=pool._actors[1].stop)
    flights = [
        _Flight({at: task}, Handed(task.query), member=Member("nobody"), actor=actor, pulse=pulse)  # type: ignore[arg-type]
        for at, pulse in enumerate((calm, silent))
    ]
    answers = [ray.put("an answer"), ray.put("never looked at")]
    trip._flying = dict(zip(answers, flights, strict=True))
    assert trip._ready() == answers[:1]
    assert [list(flight.tasks) for flight in trip._parked] == [[1]]


def test_no_worker_answers(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened.ask(ALL).num_rows == N
    impatient(opened, monkeypatch)
    with (
        frozen(opened, 0),
        frozen(opened, 1),
        pytest.raises(WorkerError, match=r"shard . of . .* does not answer, and no worker took"),
    ):
        opened.ask(ALL)
    monkeypatch.undo()
    assert opened.ask(ALL).num_rows == N


def test_the_time_limit_holds_for_workers_that_do_not_answer(opened: Opened) -> None:
    began = time.monotonic()
    with frozen(opened, 0), pytest.raises(QueryTimeoutError):
        opened.ask(ALL, timeout=0.5)
    assert time.monotonic() - began < 5


def test_a_worker_that_is_busy_for_long_is_waited_for(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_EVERY", 0.1)
    assert opened.ask(SLOW).num_rows == 39


@contextmanager
def out_of_memory(opened: Opened, *workers: int) -> Iterator[None]:
    """Let every stage of some workers run out of memory."""
    actors = [pool_of(opened)._actors[worker].__ray_call__ for worker in workers]
    ray.get([actor.options(max_task_retries=-1).remote(starve) for actor in actors])
    try:
        yield
    finally:
        ray.get([actor.options(max_task_retries=-1).remote(feed) for actor in actors])


def starve(actor: object) -> None:
    from masksearch_ray.runtime.worker import Worker

    def run(*_: object) -> Iterator[None]:
        raise MemoryError
        yield

    Worker.run_before = Worker.run  # type: ignore[attr-defined]
    Worker.run = run  # type: ignore[method-assign, assignment]


def feed(actor: object) -> None:
    from masksearch_ray.runtime.worker import Worker

    Worker.run = Worker.run_before  # type: ignore[attr-defined, method-assign]


def test_another_does_what_one_has_no_memory_for(opened: Opened) -> None:
    with out_of_memory(opened, 0):
        assert opened.ask(SOME)["mask_id"].to_pylist() == above(22)


def test_no_worker_has_memory_enough(opened: Opened) -> None:
    told = r"shard . of 2 of .*: its worker ran out of memory, as did those .*; give workers more"
    with out_of_memory(opened, 0, 1), pytest.raises(WorkerError, match=told):
        opened.ask(SOME)
    assert opened.ask(SOME)["mask_id"].to_pylist() == above(22)


# -- what travels ------------------------------------------------------------------------------


def test_more_answers_left_unread_than_stages_run_at_a_time(opened: Opened) -> None:
    left = [opened.send(SOME) for _ in range(10)]
    for partials in left:
        next(partials)
    assert opened.ask(ALL, timeout=60.0).num_rows == N
    del left, partials
    assert opened.ask(ALL, timeout=60.0).num_rows == N


def test_many_answers_left_unread_starve_nobody(runtime: Runtime, tmp_path: Path) -> None:
    url, rows = str(tmp_path / "parts"), 45_000  # of a shard too many to be sent ahead unread
    make_collection(url, np.arange(rows * 16, dtype=np.uint8).reshape(rows, 4, 4), {}, 2)
    with Opened(runtime, url) as many:
        left = [many.send(ALL) for _ in range(33)]
        for partials in left:
            next(partials)
        assert many.ask(ALL, timeout=60.0).num_rows == rows
        count = "SELECT COUNT(*) AS n FROM masks"
        assert many.ask(count, timeout=60.0)["n"].to_pylist() == [rows]
        for partials in left:
            partials.close()  # type: ignore[attr-defined]


def test_a_failure_that_is_not_ours_names_the_shard(opened: Opened) -> None:
    for actor in pool_of(opened)._actors:
        ray.get(actor.__ray_call__.remote(lambda actor: setattr(actor, "_partials", None)))
    try:
        with pytest.raises(WorkerError, match=r"shard . of 2 of .*: its worker failed: TypeError"):
            opened.ask(ALL)
    finally:
        for actor in pool_of(opened)._actors:
            ray.get(actor.__ray_call__.remote(lambda actor: delattr(actor, "_partials")))
    assert opened.ask(ALL).num_rows == N


def test_workers_report(runtime: RayRuntime, opened: Opened) -> None:
    assert opened.ask(ALL).num_rows == N
    reports = runtime.reports()
    assert {report.pid for report in reports} == {process_of(opened, n) for n in range(2)}
    held = [shard for report in reports for shard in report.shards]
    assert sum(shard.rows for shard in held) >= N
    assert {report.node for report in reports} == {ray.get_runtime_context().get_node_id()}


def test_workers_hear_of_who_pauses(
    ray_instance: None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence(actor: ShardActor) -> float:
        return time.monotonic() - max(actor._running._heard.values())

    monkeypatch.setattr(lease, "_EVERY", 0.2)
    runtime = RayRuntime(workers=1, keep_alive=30.0)
    try:
        with Opened(runtime, url) as opened:
            partials = opened.send(ALL)
            next(partials)
            time.sleep(3)
            assert ray.get(pool_of(opened)._actors[0].__ray_call__.remote(silence)) < 2
            list(partials)
            time.sleep(3)
            assert ray.get(pool_of(opened)._actors[0].__ray_call__.remote(silence)) > 2
            ray.kill(pool_of(opened)._actors[0])
    finally:
        runtime.close()


# -- Ray itself --------------------------------------------------------------------------------


def test_ray_that_others_started_is_left_running(ray_instance: None, url: str) -> None:
    runtime = RayRuntime(workers=1)
    pool = runtime.pool(source_of(url))
    runtime.close()
    assert ray.is_initialized()
    with pytest.raises(WorkerError, match="shut down"):
        next(pool.send({}, QueryControl()))


def test_a_closed_pool_says_so(runtime: Runtime, url: str) -> None:
    pool = runtime.pool(source_of(url))
    pool.close()
    with pytest.raises(WorkerError, match="released"):
        next(pool.send({}, QueryControl()))


def test_an_address_where_nobody_listens(url: str) -> None:
    code = f"""
        from masksearch_ray.runtime.ray import RayRuntime
        from tests.conformance.pools import source_of
        RayRuntime("127.0.0.1:1").pool(source_of({url!r}))
        """
    assert "WorkerError: the Ray cluster at 127.0.0.1:1 cannot be reached" in run(code).stderr


def test_the_address_of_a_cluster_that_is_gone(url: str, tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    code = f"""
        from masksearch_ray.runtime.ray import RayRuntime
        from tests.conformance.pools import source_of
        RayRuntime("auto").pool(source_of({url!r}))
        """
    told = run(code, RAY_TMPDIR=str(tmp_path)).stderr
    assert "WorkerError: the Ray cluster at auto cannot be reached: " in told


def test_what_is_no_address(url: str) -> None:
    code = f"""
        from masksearch_ray.runtime.ray import RayRuntime
        from tests.conformance.pools import source_of
        RayRuntime("nonsense").pool(source_of({url!r}))
        """
    assert "InputError: nonsense: no address of a Ray cluster" in run(code).stderr


def test_the_cluster_of_the_environment(opened: Opened, url: str) -> None:
    address = ray.get_runtime_context().gcs_address
    code = f"""
        import ray
        from masksearch_ray.runtime.ray import RayRuntime
        from tests.conformance.pools import Opened
        with Opened(RayRuntime(workers=1), {url!r}) as opened:
            rows = opened.ask("SELECT mask_id FROM masks").num_rows
        print(rows, ray.get_runtime_context().gcs_address)
        """
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled"}
    ended = run(code, RAY_ADDRESS=address, **loopback)
    assert (ended.stdout, ended.returncode) == (f"{N} {address}\n", 0), ended.stderr
    assert opened.ask(ALL).num_rows == N


@pytest.mark.slow
def test_a_private_instance_leaves_no_trace(url: str, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / ("a-folder-with-a-long-name-" * 4)
    home.mkdir()
    temporary.mkdir()
    code = f"""
        import os
        from masksearch_ray.runtime.ray import RayRuntime, instance
        from tests.conformance.pools import Opened
        opened = Opened(RayRuntime(), {url!r})
        print(opened.ask({SOME!r}).num_rows)
        assert not {{"RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED"}} & set(os.environ)
        print(instance._made.folder, os.path.isdir(instance._made.folder))
        """
    ended = run(code, HOME=str(home), TMPDIR=str(temporary))
    assert ended.returncode == 0, ended.stderr
    rows, folder = ended.stdout.splitlines()
    assert (int(rows), ended.stderr) == (len(above(22)), "")
    name, was_there = folder.split()
    assert was_there == "True"
    assert not Path(name).exists()
    assert not list(home.iterdir())
    assert not list(temporary.iterdir())


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that knows nothing of the tests' Ray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=kept | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
