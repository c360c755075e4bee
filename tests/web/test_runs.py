"""Queries as the page runs them: within limits, cancelled, told of in words."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.errors import QueryError, QueryTimeoutError
from masksearch_ray.web.runs import Run, Runs

N = 3000
ALL = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.0, 1.0)) > 0"


@pytest.fixture(scope="module")
def collection() -> Iterator[ms.Collection]:
    masks = np.random.default_rng(0).integers(0, 256, (N, 8, 8), np.uint8)
    with ms.create("memory://runs-of-the-page") as made:
        made.append(masks, {"image_id": np.arange(N)})
        yield made


def runs(collection: ms.Collection, seconds: float = 60.0, most: int = 10_000) -> Runs:
    return Runs(collection, seconds, most, 2)


def done(run: Run) -> Run:
    return asyncio.run(run.wait(60))


def test_answer_and_what_it_took(collection: ms.Collection) -> None:
    some = runs(collection)
    run = done(some.start(ALL))
    assert run.state == "done" and run.error is None and not run.cut
    assert run.table is not None and run.table.equals(collection.sql(ALL).table)
    assert run.stats is not None and run.stats.rows_selected == N
    assert some.get(run.key) is run and some.get("other") is None
    some.close()


def test_only_the_first_of_a_text_is_the_first(collection: ms.Collection) -> None:
    some = runs(collection)
    assert [some.start(ALL).first, some.start(ALL).first] == [True, False]
    assert some.start(ALL, use_index=False).first
    some.close()


def test_no_more_rows_than_allowed(collection: ms.Collection) -> None:
    run = done(runs(collection, most=100).start(ALL))
    assert run.cut and run.state == "done" and run.table is not None
    assert run.table.num_rows == run.rows == 100
    more = done(runs(collection, most=100).start(ALL, most=N))
    assert not more.cut and more.rows == N


@pytest.mark.smoke
def test_wrong_sql_is_told_with_its_place(collection: ms.Collection) -> None:
    run = done(runs(collection).start("SELECT mask_id FROM masks WHERE lable = 1"))
    assert run.state == "failed" and run.table is None
    assert isinstance(run.error, QueryError) and run.error.line == 1


def test_a_query_that_takes_too_long_ends(collection: ms.Collection) -> None:
    run = done(runs(collection, seconds=1e-9).start(ALL))
    assert run.state == "failed" and isinstance(run.error, QueryTimeoutError)


def test_what_nobody_foresaw_is_not_shown(collection: ms.Collection) -> None:
    run = Run(ALL, True, True)

    def ask(sql: str, use_index: bool) -> Any:
        raise RuntimeError("/some/path of this machine")

    run.work(ask, 10)
    assert run.over and run.state == "failed"
    assert str(run.error) == "the query failed: RuntimeError"


def test_cancelled_before_it_began_and_while_it_runs(collection: ms.Collection) -> None:
    run = Run(ALL, True, True)
    run.cancel()
    run.work(lambda sql, use_index: collection.sql(sql), 10)
    assert run.state == "cancelled" and run.over

    begun, go_on = threading.Event(), threading.Event()

    def ask(sql: str, use_index: bool) -> ms.Result:
        begun.set()
        go_on.wait(30)
        return collection.sql(sql)

    run = Run(ALL, True, True)
    worker = threading.Thread(target=run.work, args=(ask, 10))
    worker.start()
    begun.wait(30)
    run.cancel()
    go_on.set()
    worker.join(30)
    assert run.state == "cancelled"


def test_closing_ends_what_runs_and_what_waits(collection: ms.Collection) -> None:
    some = runs(collection)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def ask(sql: str, use_index: bool) -> ms.Result:
        begun.release()
        go_on.wait(30)
        return collection.sql(sql)

    some._ask = ask  # type: ignore[method-assign]
    running = [some.start(ALL), some.start(ALL)]
    for _ in running:
        assert begun.acquire(timeout=30)
    waiting = some.start(ALL)
    some.close()
    go_on.set()
    assert [done(run).state for run in running] == ["cancelled", "cancelled"]
    assert waiting.table is None and waiting.state == "waiting"
