"""Many more shards than workers: those of one worker are sent, and answer, together."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import ray

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.execute.partials import (
    BoundGroups,
    Filter,
    Finished,
    GroupStates,
    Offer,
    Offered,
    Ranked,
    RowsFound,
    Top,
)
from masksearch_ray.model.query import Query
from masksearch_ray.runtime import shards
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.ray.actor import ShardActor
from masksearch_ray.runtime.ray.errand import Errand, Lost, packed, shards_of
from masksearch_ray.runtime.ray.pool import RayPool
from masksearch_ray.runtime.types import Runtime, ShardTask
from masksearch_ray.runtime.worker import Worker
from tests.conformance.pools import Opened, make_collection, parse_text, source_of
from tests.conformance.runtime import COUNT, EXPECTED, N, RuntimeTests, metadata, pixels

SHARDS, WORKERS = 40, 2
ALL = "SELECT mask_id FROM masks"
STACKED = "CP(union(mask > 0.5), full_image, (0.5, 1.0))"
QUESTIONS = [
    f"SELECT mask_id, {COUNT} AS n FROM masks WHERE {COUNT} > 20",
    f"SELECT DISTINCT label FROM masks WHERE {COUNT} > 20 LIMIT 3",
    f"SELECT mask_id, label FROM masks ORDER BY {COUNT} DESC LIMIT 31 OFFSET 7",
    f"SELECT label, AVG({COUNT}) AS a, MAX({COUNT}) AS m, COUNT(*) AS n FROM masks GROUP BY label",
    f"SELECT image_id, SUM({COUNT}) AS s FROM masks GROUP BY image_id HAVING s > 70",
    f"SELECT image_id, SUM({COUNT}) AS s FROM masks GROUP BY image_id ORDER BY s DESC LIMIT 7",
    f"SELECT image_id, {STACKED} AS n FROM masks GROUP BY image_id HAVING {STACKED} > 195",
    f"SELECT image_id, {STACKED} AS n FROM masks GROUP BY image_id ORDER BY n DESC LIMIT 9",
    f"SELECT SUM({COUNT}) AS s FROM masks",
]


@pytest.fixture(scope="module")
def runtime(ray_instance: None) -> Iterator[Runtime]:
    """Two workers, and as many shards as there are segments."""
    runtime = RayRuntime(workers=WORKERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_ROWS_A_SHARD", 1)
        yield runtime
    runtime.close()


class TestShardsTogether(RuntimeTests):
    pass


@pytest.fixture(scope="module")
def many(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    url = str(tmp_path_factory.mktemp("together") / "masks")
    make_collection(url, pixels(), metadata(), SHARDS)
    with Opened(runtime, url) as opened:
        assert opened.pool.shards == SHARDS
        assert not opened.pool.images_apart
        yield opened


@pytest.fixture(scope="module")
def single(many: Opened) -> Iterator[Opened]:
    """The same collection as one shard, in this process."""
    runtime = LocalRuntime(1)
    assert isinstance(many.pool, RayPool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_ROWS_A_SHARD", 10**9)
        with Opened(runtime, many.pool._shards[0].source.url) as opened:
            assert opened.pool.shards == 1
            yield opened
    runtime.close()


@pytest.mark.parametrize("text", QUESTIONS)
def test_the_answer_is_that_of_a_single_shard(many: Opened, single: Opened, text: str) -> None:
    coordinator = many.coordinator(text)
    found = coordinator.assemble(list(coordinator.run()))
    assert found.num_rows > 0
    assert found == single.ask(text)
    assert coordinator.round_trips <= (3 if "LIMIT" in text and "DISTINCT" not in text else 2)
    assert set(coordinator.stats) <= set(range(SHARDS))
    assert coordinator.total().rows_total >= N


def test_every_shard_is_counted_once(many: Opened) -> None:
    coordinator = many.coordinator(ALL)
    assert coordinator.assemble(list(coordinator.run()))["mask_id"].to_pylist() == list(range(N))
    assert {shard: len(held) for shard, held in coordinator.stats.items()} == dict.fromkeys(
        range(SHARDS), 1
    )
    total = coordinator.total()
    assert (total.rows_total, total.restarts, len(total.workers)) == (N, 0, WORKERS)


def test_what_explain_tells(many: Opened, single: Opened) -> None:
    text = f"{ALL} WHERE {COUNT} > 20"
    forecast = many.coordinator(text).foresee()
    assert forecast.rows == N
    assert forecast == single.coordinator(text).foresee()
    surely, possibly = many.coordinator(text).count_bounds()
    assert surely <= int((EXPECTED > 20).sum()) <= possibly <= N
    assert (surely, possibly) == single.coordinator(text).count_bounds()


def answers(opened: Opened, text: str, stage: Any) -> Counter[type]:
    task = opened.task(text, stage)
    found = opened.run(dict.fromkeys(range(opened.pool.shards), task))
    return Counter(type(partial) for _, partial in found)


def test_few_answers_come_of_many_shards(many: Opened) -> None:
    # Twenty shards a worker, of which at most sixteen answer together.
    grouped = f"SELECT label, SUM({COUNT}) AS s FROM masks GROUP BY label"
    assert answers(many, grouped, BoundGroups(True)) == {GroupStates: 4, Finished: SHARDS}
    top = f"SELECT mask_id FROM masks ORDER BY {COUNT} LIMIT 5"
    assert answers(many, top, Offer(5)) == {Ranked: 4, Finished: SHARDS}
    doubtful = "SELECT mask_id FROM masks ORDER BY CP(mask, full_image, (0.33, 0.71)) LIMIT 5"
    assert answers(many, doubtful, Offer(5)) == {Offered: 4, Finished: SHARDS}


# -- losses ------------------------------------------------------------------------------------


def process_of(opened: Opened, worker: int) -> int:
    assert isinstance(opened.pool, RayPool)
    ask = opened.pool._actors[worker].__ray_call__.options(max_task_retries=-1)
    number: int = ray.get(ask.remote(lambda actor: os.getpid()))
    return number


@pytest.mark.parametrize("lost", [[1], [0, 1]])
def test_workers_that_die_while_rows_come(many: Opened, lost: list[int]) -> None:
    processes = [process_of(many, worker) for worker in lost]
    partials = many.send(ALL)
    found = [next(partials)]
    for process in processes:
        os.kill(process, signal.SIGKILL)
    found += partials
    rows = [i for _, p in found if isinstance(p, RowsFound) for i in p.table["mask_id"].to_pylist()]
    assert sorted(rows) == list(range(N))
    ended = Counter(shard for shard, partial in found if isinstance(partial, Finished))
    assert ended == Counter(range(SHARDS))


def die(actor: Any) -> None:
    """Let the worker die once it is at work on one of the shards."""
    run = Worker.run

    def run_or_die(worker: Worker, *args: Any) -> Iterator[Any]:
        if 0 in worker.segments:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from run(worker, *args)

    Worker.run = run_or_die  # type: ignore[method-assign, assignment]


def test_a_worker_that_dies_at_work(many: Opened) -> None:
    assert isinstance(many.pool, RayPool)
    actors = [actor.__ray_call__.options(max_task_retries=-1) for actor in many.pool._actors]
    ray.get([actor.remote(die) for actor in actors])
    coordinator = many.coordinator(f"SELECT SUM({COUNT}) AS s FROM masks")
    found = coordinator.assemble(list(coordinator.run()))
    assert found["s"].to_pylist() == [int(EXPECTED.sum())]
    assert {shard: len(held) for shard, held in coordinator.stats.items()} == dict.fromkeys(
        range(SHARDS), 1
    )
    # Those that took their places know nothing of it.
    assert 1 <= coordinator.stats[0][0].restarts <= WORKERS


def break_once(actor: Any) -> None:
    """Let the stage of one shard run out of memory, once."""
    run, broken = Worker.run, set[str]()

    def run_or_break(worker: Worker, *args: Any) -> Iterator[Any]:
        if 0 in worker.segments and not broken:
            broken.add("once")
            raise MemoryError
        yield from run(worker, *args)

    Worker.run = run_or_break  # type: ignore[method-assign, assignment]
    actor.mended = lambda: setattr(Worker, "run", run)


def test_one_shard_alone_is_done_again_for_want_of_memory(
    many: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(many.pool, RayPool)
    actors = [actor.__ray_call__.options(max_task_retries=-1) for actor in many.pool._actors]
    ray.get([actor.remote(break_once) for actor in actors])
    try:
        coordinator = many.coordinator(f"SELECT SUM({COUNT}) AS s FROM masks")
        found = coordinator.assemble(list(coordinator.run()))
    finally:
        ray.get([actor.remote(lambda actor: actor.mended()) for actor in actors])
    assert found["s"].to_pylist() == [int(EXPECTED.sum())]
    # Its own worker had no memory for it, nor had the other when it came to it first.
    assert {shard for shard, held in coordinator.stats.items() if held[0].restarts} == {0}
    assert "shard 1 of 40 of" in caplog.text and "others" not in caplog.text


# -- the actor, in this process ----------------------------------------------------------------


@pytest.fixture
def errands(url: str) -> list[Errand]:
    query = parse_text(url, f"SELECT label, SUM({COUNT}) AS s FROM masks GROUP BY label")
    return sent(url, query, BoundGroups(True))


def sent(url: str, query: Query, stage: Any) -> list[Errand]:
    task = ShardTask("query", query, stage)
    cut = shards_of(source_of(url), [[segment] for segment in range(5)])
    return [Errand("errand", "client", shard, task, None, None, None) for shard in cut]


def test_an_actor_combines(errands: list[Errand]) -> None:
    actor: Any = ShardActor()
    (_, states), *ended = actor.answer(packed(errands))
    assert (type(states), states.groups) == (GroupStates, 4)
    assert sorted(shard for shard, _ in ended) == list(range(5))
    assert {type(partial) for _, partial in ended} == {Finished}


def test_stopped_all_are(errands: list[Errand]) -> None:
    actor: Any = ShardActor()
    actor.stop("errand")
    assert {type(part) for _, part in actor.answer(packed(errands))} == {Lost}


def test_an_error_of_one_ends_all(errands: list[Errand], monkeypatch: pytest.MonkeyPatch) -> None:
    run, begun, stopped = Worker.run, list[Any](), list[Any]()
    another = threading.Event()

    def broken(worker: Worker, task: ShardTask, control: Any) -> Iterator[Any]:
        if worker.segments == (3,):
            another.wait(60)
            raise MaskSearchError("broken")
        begun.append(worker)
        another.set()
        try:
            while True:
                control.step()
        except MaskSearchError:
            stopped.append(worker)
            raise
        yield from run(worker, task, control)

    monkeypatch.setattr(Worker, "run", broken)
    actor: Any = ShardActor()
    told = actor.answer(packed(errands))
    assert isinstance(told, MaskSearchError) and str(told) == "broken"
    for _ in range(600):
        if len(stopped) == len(begun):
            break
        threading.Event().wait(0.1)
    # One that still waited for its turn when the other broke has never begun.
    assert 1 <= len(begun) == len(stopped) <= 4
    assert not actor._running.busy()


def test_what_came_of_a_lost_shard_is_left_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Worker.run

    def broken(worker: Worker, task: ShardTask, control: Any) -> Iterator[Any]:
        for found in run(worker, task, control):
            if worker.segments == (3,) and isinstance(found, Finished):
                raise MemoryError
            yield found

    monkeypatch.setattr(Worker, "run", broken)
    actor: Any = ShardActor()
    (_, rows), *others = actor.answer(packed(sent(url, parse_text(url, ALL), Filter())))
    assert sorted(rows.table["mask_id"].to_pylist()) == [*range(144), *range(192, N)]
    assert [shard for shard, part in others if isinstance(part, Lost)] == [3]
    assert sorted(shard for shard, part in others if isinstance(part, Finished)) == [0, 1, 2, 4]


def test_leaders_are_told_among_those_sent_together(url: str) -> None:
    heard: list[Any] = []
    actor: Any = ShardActor()
    actor._running.raise_threshold = lambda query_id, threshold: heard.append(threshold)
    query = parse_text(url, f"SELECT mask_id, {COUNT} AS n FROM masks ORDER BY n DESC LIMIT 7")
    parts = [part for _, part in actor.answer(packed(sent(url, query, Top(7, None))))]
    (ranked,) = [part for part in parts if isinstance(part, Ranked)]
    best = np.lexsort([np.arange(N), -EXPECTED])[:7]
    assert ranked.places.components[0].value.tolist() == EXPECTED[best].tolist()
    assert heard and heard[-1] == ranked.places.at(6)
