"""What an actor does, in this process: Ray adds nothing to it but the way there."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from masksearch_ray.errors import MaskSearchError, QueryCancelledError, QueryTimeoutError
from masksearch_ray.execute.partials import Filter, Finished, Partial, RowsFound
from masksearch_ray.runtime.ray import actor as actor_module
from masksearch_ray.runtime.ray.actor import ShardActor
from masksearch_ray.runtime.ray.errand import Errand, Lost, Reply, Shard, packed, shards_of
from masksearch_ray.runtime.ray.running import Running
from masksearch_ray.runtime.types import ShardTask
from masksearch_ray.runtime.worker import Worker
from tests.conformance.pools import parse_text, source_of
from tests.conformance.runtime import COUNT, SEGMENTS, N


@pytest.fixture
def shard(url: str) -> Shard:
    (shard,) = shards_of(source_of(url), [range(SEGMENTS)])
    return shard


@pytest.fixture
def errand(url: str, shard: Shard) -> Errand:
    return errand_on(url, shard, "first")


def errand_on(
    url: str, shard: Shard, name: str, timeout: float | None = None, left: float | None = None
) -> Errand:
    query = parse_text(url, f"SELECT mask_id FROM masks WHERE {COUNT} > 22")
    return Errand(name, "client", shard, ShardTask("query", query, Filter()), timeout, left, None)


Told = tuple[Partial, ...] | MaskSearchError | Lost


def replies(actor: Any, errand: Errand) -> Iterator[Told]:
    return map(bare, actor._replies([errand]))


def answer(actor: Any, errand: Errand) -> Told:
    return bare(actor.answer(packed([errand])))


def bare(reply: Reply) -> Told:
    """What a single shard answers."""
    if isinstance(reply, MaskSearchError):
        return reply
    assert len({shard for shard, _ in reply}) == 1
    parts = [part for _, part in reply]
    return parts[0] if isinstance(parts[0], Lost) else tuple(parts)  # type: ignore[arg-type]


def test_rows_come_as_they_are_found(errand: Errand) -> None:
    kinds = [[type(part) for part in reply] for reply in replies(ShardActor(), errand)]  # type: ignore[union-attr]
    assert len(kinds) > 1
    assert kinds == [[RowsFound]] * (len(kinds) - 1) + [[Finished]]


def test_the_whole_answer(errand: Errand) -> None:
    whole = answer(ShardActor(), errand)
    assert isinstance(whole, tuple)
    assert isinstance(whole[-1], Finished)


def held(actor: Any) -> list[str]:
    return [shard.label for shard in actor.report().shards]


def test_it_holds_what_it_was_asked_about(url: str, shard: Shard) -> None:
    actor: Any = ShardActor()  # Ray types its methods as remote ones
    assert (repr(actor), held(actor)) == ("worker without a shard", [])
    answer(actor, errand_on(url, shard, "first"))
    assert repr(actor) == f"worker of shard 1 of 1 of {url}"
    halves = shards_of(source_of(url), [range(2), range(2, SEGMENTS)])
    for half in halves:
        answer(actor, errand_on(url, half, half.label))
    assert held(actor) == [one.label for one in [shard, *halves]]
    report = actor.report()
    assert report.shards[0].rows == N
    assert (report.queries, report.pid) == ((), os.getpid())
    assert 0 < report.memory_kept <= report.memory_budget
    assert report.bytes_read > 0
    actor.release("somebody else")
    assert len(held(actor)) == 3
    actor.release("client")
    assert held(actor) == []


def test_it_says_what_it_is_at_work_on(errand: Errand) -> None:
    actor: Any = ShardActor()
    running = replies(actor, errand)
    next(running)
    (query,) = actor.report().queries
    assert (query.id, query.text) == ("query", errand.task.query.text)
    assert actor.report().idle == 0
    list(running)
    assert actor.report().queries == ()


def test_shards_of_one_version_share_what_was_read(url: str) -> None:
    actor: Any = ShardActor()
    workers = [actor._holdings.worker(s, "client") for s in shards_of(source_of(url), [[0], [1]])]
    assert workers[0].reader is workers[1].reader


def test_memory_is_kept_within_the_budget(url: str, shard: Shard, tmp_path: Path) -> None:
    actor: Any = ShardActor()
    other = str(tmp_path / "masks")
    shutil.copytree(url, other)
    (second,) = shards_of(source_of(other), [range(SEGMENTS)])
    answer(actor, errand_on(url, shard, "first"))
    actor._holdings.budget = 1
    answer(actor, errand_on(other, second, "second"))
    assert held(actor) in ([], [second.label])
    assert isinstance(answer(actor, errand_on(url, shard, "third")), tuple)


def test_pixels_that_come_on_top_of_the_budget_drop_nothing(url: str) -> None:
    (shard,) = shards_of(replace(source_of(url), pixel_bytes=10**6), [range(SEGMENTS)])
    actor: Any = ShardActor(budget=10**6)
    for name in ("first", "second"):
        answer(actor, errand_on(url, shard, name))
        reader = actor._holdings.worker(shard, "client").reader
        reader.recent_pixels.put(name, None, 10**6)
        reader.recent.put(name, None, 10**6)
    assert reader.nbytes > actor._holdings.budget
    actor._holdings.trim(())
    assert actor._holdings.worker(shard, "client").reader is reader
    actor._holdings.trim((), 0)
    assert held(actor) == []


def test_a_stage_begun_anew_starts_from_nothing(errand: Errand) -> None:
    actor = ShardActor()
    whole = list(replies(actor, errand))
    again = list(replies(actor, replace(errand, again=True)))
    assert [kind_of(reply) for reply in again] == [kind_of(reply) for reply in whole]


def kind_of(reply: Told) -> list[object]:
    assert isinstance(reply, tuple)
    return [getattr(part, "table", type(part)) for part in reply]


def test_out_of_memory(errand: Errand, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> Iterator[Partial]:
        raise MemoryError
        yield

    actor = ShardActor()
    monkeypatch.setattr(Worker, "run", run)
    lost = answer(actor, errand)
    assert lost == Lost("ran out of memory", memory=True)
    monkeypatch.undo()
    assert isinstance(answer(actor, replace(errand, name="again", alone=True)), tuple)


def test_a_client_that_is_gone_is_not_worked_for(errand: Errand) -> None:
    now = 0.0
    running = Running(lambda: now)
    with running.stage(errand, lambda query: None) as control:
        now = 1000.0
        assert running.idle == 0
        running.hear("client")
        now = 1100.0
        running.stop_abandoned()
        control.check()
        now = 1200.0
        running.stop_abandoned()
        with pytest.raises(QueryCancelledError):
            control.check()
        assert running.idle == 200


def test_time_spent_elsewhere_counts(url: str, shard: Shard) -> None:
    late = errand_on(url, shard, "late", timeout=30.0, left=-1.0)
    told = answer(ShardActor(), late)
    assert isinstance(told, QueryTimeoutError)
    assert str(told) == "the query's time limit of 30 s passed"


def test_stopped_while_it_runs(errand: Errand) -> None:
    actor: Any = ShardActor()
    running = replies(actor, errand)
    next(running)
    actor.stop("another errand")
    actor.stop(errand.name)
    assert isinstance(list(running)[-1], Lost)


def test_stopped_before_it_arrives(errand: Errand) -> None:
    actor: Any = ShardActor()
    actor.stop(errand.name)
    assert isinstance(answer(actor, errand), Lost)


def test_released_while_it_runs(errand: Errand) -> None:
    actor: Any = ShardActor()
    running = replies(actor, errand)
    next(running)
    actor.release("client")
    assert isinstance(list(running)[-1], Lost)


def test_a_better_threshold_reaches_what_runs(errand: Errand) -> None:
    actor: Any = ShardActor()
    running = replies(actor, errand)
    next(running)
    actor.raise_threshold("query", ((1, 5), (1, 7)))
    (stage,) = actor._running._stages.values()
    assert stage.control.threshold == ((1, 5), (1, 7))
    actor.raise_threshold("query", ((1, 5), (1, 8)))
    assert stage.control.threshold == ((1, 5), (1, 7))
    actor.raise_threshold("query", ((1, 4), (1, 8)))
    assert stage.control.threshold == ((1, 4), (1, 8))
    list(running)
    assert not actor._running.busy()


def test_sent_again_it_takes_the_place_of_the_first(errand: Errand) -> None:
    actor: Any = ShardActor()
    first = replies(actor, errand)
    next(first)
    (stage,) = actor._running._stages.values()
    answers: list[Told] = []
    again = threading.Thread(target=lambda: answers.append(answer(actor, errand)))
    again.start()
    with pytest.raises(QueryCancelledError):
        for _ in range(1000):
            stage.control.check()
            time.sleep(0.01)
    assert not answers
    assert isinstance(list(first)[-1], Lost)
    again.join(timeout=30)
    ((*_, last),) = [told for told in answers if isinstance(told, tuple)]
    assert isinstance(last, Finished)


def test_a_call_in_which_nothing_is_found_soon_goes_on_as_a_stream(
    errand: Errand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_module, "_SOON", 0.0)
    actor: Any = ShardActor()
    assert actor.begin(packed([errand])) == ()
    parts = [part for reply in actor.stream(errand.name) for _, part in reply]
    assert isinstance(parts[-1], Finished)
    assert any(isinstance(part, RowsFound) for part in parts)


@pytest.mark.parametrize("how", ["stop", "release"])
def test_what_was_stopped_before_it_was_put_aside_is_not_kept(
    errand: Errand, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(actor_module, "_SOON", 0.0)
    actor: Any = ShardActor()
    put = actor._begun.put

    def late(*held: Any) -> None:
        getattr(actor, how)(errand.name if how == "stop" else "client")
        put(*held)

    monkeypatch.setattr(actor._begun, "put", late)
    actor.begin(packed([errand]))
    assert list(actor.stream(errand.name)) == []
    assert not actor._running.busy()


def test_what_was_begun_for_a_client_that_is_gone_is_not_kept(
    errand: Errand, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(actor_module, "_SOON", 0.0)
    actor: Any = ShardActor()
    actor._running = Running(lambda: now)
    actor.begin(packed([errand]))
    now = 100.0
    actor._stop_abandoned()
    assert actor._running.busy()
    now = 200.0
    actor._stop_abandoned()
    assert list(actor.stream(errand.name)) == []
    assert not actor._running.busy()
