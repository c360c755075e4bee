"""Collections that share a runtime, results that are shared by threads, time that does not run."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.types import CollectionSource

QUERY = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.5, 1.0)) > 60"


class Counting(LocalRuntime):
    """A local runtime that says how often it was asked for a pool, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__(2)
        self.pools = 0
        self.closed = False

    def pool(self, source: CollectionSource) -> Any:
        self.pools += 1
        time.sleep(0.05)
        return super().pool(source)

    def close(self) -> None:
        self.closed = True


def filled(name: str, runtime: Any = "local") -> ms.Collection:
    collection = ms.create(f"memory://sharing-{name}", runtime=runtime)
    rng = np.random.default_rng(3)
    for _ in range(3):
        collection.append(rng.integers(0, 256, (20, 12, 10), dtype=np.uint8))
    return collection


def test_a_runtime_is_closed_by_whoever_made_it() -> None:
    runtime = Counting()
    first, second = filled("first", runtime), filled("second", runtime)
    wanted = second.sql(QUERY).table
    first.close()
    assert not runtime.closed
    assert second.sql(QUERY).table == wanted


def test_threads_share_one_pool() -> None:
    runtime = Counting()
    collection = filled("pool", runtime)
    with ThreadPoolExecutor(4) as threads:
        tables = list(threads.map(lambda _: collection.sql(QUERY).table, range(8)))
    assert runtime.pools == 1
    assert all(table == tables[0] for table in tables)


def test_threads_share_one_result() -> None:
    collection = filled("result")
    wanted = collection.sql(QUERY).table
    for _ in range(5):
        result = collection.sql(QUERY)
        start = threading.Barrier(4)

        def ask(way: int, result: ms.Result = result, start: threading.Barrier = start) -> Any:
            start.wait()
            return result.table if way % 2 else sum(part.num_rows for part in result)

        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(ask, range(4)))
        assert answers == [wanted.num_rows, wanted, wanted.num_rows, wanted]


def test_time_runs_only_while_the_query_does() -> None:
    collection = filled("time")
    collection.sql(QUERY).table  # noqa: B018
    result = collection.sql(QUERY, timeout=30)
    result._coordinator.control.timeout = 0.2
    time.sleep(0.3)
    control = result._coordinator.control
    assert control.left == 0.2
    control.check()


@pytest.mark.parametrize("given", [{"runtime": "cluster"}, {"address": "auto"}])
def test_what_is_refused_leaves_no_collection(given: dict[str, Any]) -> None:
    url = f"memory://sharing-refused-{len(given)}-{next(iter(given))}"
    with pytest.raises(ms.InputError):
        ms.create(url, **given)
    assert len(ms.create(url)) == 0


def test_explain_reads_the_text_as_a_query() -> None:
    collection = filled("explain")
    plain = collection.explain(QUERY)
    assert collection.explain(f"-- why\nEXPLAIN {QUERY}") == plain
    assert "done in" in collection.explain(f"-- how\n EXPLAIN ANALYZE {QUERY}")


def test_delete_knows_columns_that_others_brought() -> None:
    collection = filled("delete")
    other = ms.open("memory://sharing-delete")
    other.append(np.zeros((2, 4, 4), np.uint8), {"label": ["new", "new"]})
    assert collection.delete("label = 'new'").rows == 2
    assert len(collection) == 60
