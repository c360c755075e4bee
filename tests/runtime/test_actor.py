"""What an actor does, in this process: Ray adds nothing to it but the way there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from masksearch_ray.errors import QueryCancelledError, QueryTimeoutError
from masksearch_ray.execute.partials import Filter, Finished, RowsFound
from masksearch_ray.runtime.ray.actor import Errand, Reply, Shard, ShardActor
from masksearch_ray.runtime.reading import open_reader
from masksearch_ray.runtime.types import ShardTask
from tests.conformance.pools import parse_text, source_of
from tests.conformance.runtime import COUNT, SEGMENTS


@pytest.fixture
def shard(url: str) -> Shard:
    return Shard("the shard", "key", source_of(url), tuple(range(SEGMENTS)))


@pytest.fixture
def errand(url: str, shard: Shard) -> Errand:
    return errand_on(url, shard, "first")


def errand_on(
    url: str, shard: Shard, name: str, timeout: float | None = None, left: float | None = None
) -> Errand:
    query = parse_text(url, f"SELECT mask_id FROM masks WHERE {COUNT} > 22")
    return Errand(name, shard, ShardTask("query", query, Filter()), timeout, left, None)


def replies(actor: ShardActor, errand: Errand) -> Iterator[Reply]:
    return actor._replies(errand)


def test_rows_come_as_they_are_found(errand: Errand) -> None:
    kinds = [[type(part) for part in reply] for reply in replies(ShardActor(), errand)]  # type: ignore[union-attr]
    assert len(kinds) > 1
    assert kinds == [[RowsFound]] * (len(kinds) - 1) + [[Finished]]


def test_the_whole_answer(errand: Errand) -> None:
    whole = ShardActor().answer(errand)
    assert isinstance(whole, tuple)
    assert isinstance(whole[-1], Finished)


def test_it_calls_itself_by_its_shard(shard: Shard) -> None:
    actor: Any = ShardActor()  # Ray types its methods as remote ones
    assert repr(actor) == "worker without a shard"
    assert actor.open(shard) is None
    assert repr(actor) == "the shard"
    actor.release()
    assert repr(actor) == "worker without a shard"


def test_a_late_release_leaves_the_next_shard(url: str, shard: Shard) -> None:
    actor: Any = ShardActor()
    following = Shard("the next shard", "next key", source_of(url), (0,))
    assert actor.open(shard) is None
    assert actor.open(following) is None
    running = replies(actor, errand_on(url, following, "running"))
    next(running)
    actor.release(shard.key)
    assert repr(actor) == "the next shard"
    assert [part for reply in running for part in reply][-1:] != []  # type: ignore[union-attr]
    actor.release(following.key)
    assert repr(actor) == "worker without a shard"


def test_time_spent_elsewhere_counts(url: str, shard: Shard) -> None:
    late = errand_on(url, shard, "late", timeout=30.0, left=-1.0)
    answer = ShardActor().answer(late)
    assert isinstance(answer, QueryTimeoutError)
    assert str(answer) == "the query's time limit of 30 s passed"


def test_stopped_while_it_runs(errand: Errand) -> None:
    actor: Any = ShardActor()
    running = replies(actor, errand)
    next(running)
    actor.stop("query", "another errand")
    actor.stop("query", errand.name)
    assert isinstance(list(running)[-1], QueryCancelledError)


def test_stopped_before_it_arrives(errand: Errand) -> None:
    actor: Any = ShardActor()
    actor.stop("query", errand.name)
    assert isinstance(actor.answer(errand), QueryCancelledError)


def test_released_while_it_runs(errand: Errand) -> None:
    actor: Any = ShardActor()
    running = replies(actor, errand)
    next(running)
    actor.release()
    assert isinstance(list(running)[-1], QueryCancelledError)


def test_a_better_threshold_reaches_what_runs(errand: Errand) -> None:
    actor: Any = ShardActor()
    running = replies(actor, errand)
    next(running)
    actor.raise_threshold("query", ((1, 5), (1, 7)))
    (held,) = actor._running.values()
    assert held.control.threshold == ((1, 5), (1, 7))
    list(running)
    assert not actor._running


def test_sent_again_it_takes_the_place_of_the_first(errand: Errand) -> None:
    actor: Any = ShardActor()
    first = replies(actor, errand)
    next(first)
    (held,) = actor._running.values()
    answers: list[Reply] = []
    again = threading.Thread(target=lambda: answers.append(actor.answer(errand)))
    again.start()
    with pytest.raises(QueryCancelledError):
        for _ in range(1000):
            held.control.check()
            time.sleep(0.01)
    assert not answers
    assert isinstance(list(first)[-1], QueryCancelledError)
    again.join(timeout=30)
    ((*_, last),) = [answer for answer in answers if isinstance(answer, tuple)]
    assert isinstance(last, Finished)


def test_shards_share_the_memory_of_a_machine(url: str) -> None:
    alone = open_reader(source_of(url))
    one_of_four = open_reader(source_of(url), 4)
    assert one_of_four.recent.budget == alone.recent.budget // 4
