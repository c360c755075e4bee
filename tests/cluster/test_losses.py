"""Workers and nodes are lost at every moment of a query: the answer is exact, or there is one
clear error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from masksearch_ray.errors import QueryTimeoutError, WorkerError
from masksearch_ray.execute.partials import Offer, Partial, Ranked, RowsFound, Top
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.ray.terms import Patience
from masksearch_ray.runtime.types import Runtime
from tests.cluster.nodes import Nodes, wait_until
from tests.cluster.workers import kill_worker, living, node_of, pool_of
from tests.conformance.pools import Opened
from tests.conformance.runtime import COUNT, SLOW, N, above, best_first

ALL = "SELECT mask_id FROM masks"
SOME = f"SELECT mask_id FROM masks WHERE {COUNT} > 22"
BEST = f"SELECT mask_id FROM masks ORDER BY {COUNT} DESC LIMIT 30"
# Replacements come within seconds, or never; a busy machine may take longer.
PATIENCE = Patience(start=5.0, lost=90.0)


@pytest.fixture(scope="module")
def runtime(nodes: Nodes) -> Iterator[Runtime]:
    runtime = RayRuntime(nodes.address, workers=3, patience=PATIENCE)
    yield runtime
    runtime.close()


@pytest.fixture
def whole(opened: Opened, nodes: Nodes) -> Opened:
    """The collection on three nodes, with a worker on each."""
    while len(nodes.living) < 3:
        nodes.add()
    assert opened.ask(ALL).num_rows == N
    wait_until(lambda: living(opened) == 3, "three workers")
    return opened


def rows_of(partials: Iterator[tuple[int, Partial]]) -> list[int]:
    return [
        row
        for _, partial in partials
        if isinstance(partial, RowsFound)
        for row in partial.table["mask_id"].to_pylist()
    ]


# -- workers -----------------------------------------------------------------------------------


def test_a_worker_is_lost_before_a_query(whole: Opened) -> None:
    kill_worker(whole, 0)
    assert whole.ask(SOME)["mask_id"].to_pylist() == above(22)


@pytest.mark.parametrize("lost", [[0], [1, 2], [0, 1, 2]])
def test_workers_are_lost_while_they_filter(whole: Opened, lost: list[int]) -> None:
    partials = whole.send(ALL)
    first = [next(partials)]
    for worker in lost:
        kill_worker(whole, worker)
    assert sorted(rows_of(iter(first)) + rows_of(partials)) == list(range(N))


@pytest.mark.parametrize("lost", [[0], [0, 1, 2]])
def test_workers_are_lost_while_they_verify(whole: Opened, lost: list[int]) -> None:
    def kill() -> None:
        for worker in lost:
            kill_worker(whole, worker)

    timer = threading.Timer(0.5, kill)
    timer.start()
    found = whole.ask(SLOW)
    timer.join()
    assert found.num_rows == 39


@pytest.mark.parametrize("lost", [[0], [0, 1, 2]])
def test_workers_are_lost_between_two_stages(whole: Opened, lost: list[int]) -> None:
    every = range(whole.pool.shards)
    list(whole.run(dict.fromkeys(every, whole.task(BEST, Offer(30)))))
    for worker in lost:
        kill_worker(whole, worker)
    partials = list(whole.run(dict.fromkeys(every, whole.task(BEST, Top(30, None)))))
    ranked = [p for _, p in partials if isinstance(p, Ranked)]
    assert len(ranked) == whole.pool.shards
    assert whole.ask(BEST)["mask_id"].to_pylist() == best_first()[:30]


def test_a_worker_is_lost_again_and_again(whole: Opened) -> None:
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.7):
            kill_worker(whole, 1)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for _ in range(4):
            assert whole.ask(SOME)["mask_id"].to_pylist() == above(22)
            assert whole.ask(BEST)["mask_id"].to_pylist() == best_first()[:30]
    finally:
        over.set()
        killer.join()


# -- several queries ---------------------------------------------------------------------------


def test_queries_at_once_while_a_worker_is_lost(whole: Opened) -> None:
    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(whole.ask, text) for text in [SOME, BEST] * 3]
        kill_worker(whole, 2)
        found = [answer.result()["mask_id"].to_pylist() for answer in answers]
    assert found == [above(22), best_first()[:30]] * 3


def test_short_queries_do_not_wait_for_long_ones(whole: Opened) -> None:
    with ThreadPoolExecutor(6) as threads:
        long = [threads.submit(whole.ask, SLOW) for _ in range(5)]
        time.sleep(0.3)  # they are at work
        assert whole.ask(SOME)["mask_id"].to_pylist() == above(22)
        assert not any(query.done() for query in long)
        assert [query.result().num_rows for query in long] == [39] * 5


# -- nodes -------------------------------------------------------------------------------------


def test_a_node_is_lost_while_its_worker_filters(whole: Opened, nodes: Nodes) -> None:
    partials = whole.send(ALL)
    first = [next(partials)]
    nodes.kill(node_of(whole, 1))
    assert sorted(rows_of(iter(first)) + rows_of(partials)) == list(range(N))


def test_a_node_is_lost_and_the_cluster_is_full(whole: Opened, nodes: Nodes) -> None:
    nodes.kill(node_of(whole, 0))

    def one_is_missed() -> bool:
        assert whole.ask(SOME)["mask_id"].to_pylist() == above(22)
        return living(whole) == 2

    # The worker of a killed raylet may answer for a moment still.
    wait_until(one_is_missed, "the worker to be missed")
    # Two workers do the work of three, ...
    assert whole.ask(SLOW).num_rows == 39
    assert living(whole) == 2
    # ... until there is room again: a new worker takes its shards back.
    nodes.add()
    wait_until(lambda: living(whole) == 3, "the worker to come back")
    assert whole.ask(BEST)["mask_id"].to_pylist() == best_first()[:30]
    assert {node_of(whole, worker) for worker in range(3)} == set(nodes.living)


def test_all_nodes_are_lost(whole: Opened, nodes: Nodes) -> None:
    crew = pool_of(whole)._crew
    for node in nodes.living:
        nodes.kill(node)

    def nobody_answers() -> bool:
        try:
            whole.ask(ALL, timeout=4.0)
        except QueryTimeoutError:
            return True
        return False

    # Workers of killed raylets may answer for a moment still.
    wait_until(nobody_answers, "the workers to be missed")
    began = time.monotonic()
    with pytest.raises(QueryTimeoutError):
        whole.ask(ALL, timeout=4.0)
    assert time.monotonic() - began < 30
    crew.terms = replace(crew.terms, patience=Patience(lost=3.0))
    with pytest.raises(WorkerError, match=r"shard . of 3 of .*: its worker .* took its place"):
        whole.ask(ALL)
    crew.terms = replace(crew.terms, patience=PATIENCE)
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(whole.ask, SOME)
        nodes.add()
        assert late.result()["mask_id"].to_pylist() == above(22)


def test_a_full_cluster_says_what_was_asked_for(whole: Opened, nodes: Nodes) -> None:
    # The workers of another session hold all CPUs.
    impatient = RayRuntime(
        nodes.address, workers=2, memory=1 << 30, patience=Patience(none=2.0, start=1.0)
    )
    asked = r"none of 2 workers started within 2 s; each asked for 1 CPU and 1 GiB; the cluster"
    url = pool_of(whole)._shards[0].source.url
    with Opened(impatient, url) as full, pytest.raises(WorkerError, match=asked):
        full.ask(ALL)
    impatient.close()
    assert whole.ask(ALL).num_rows == N
