from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.execute.partials import Filter, RowsFound
from masksearch_ray.model.query import Query
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.handed import Handed
from masksearch_ray.runtime.types import ShardTask
from masksearch_ray.runtime.worker import Worker
from masksearch_ray.storage import open_storage
from tests.conformance.pools import parse_text

ROWS = 2500
COUNT = "CP(mask, full_image, (0.3, 0.8))"
QUERIES = [
    f"SELECT mask_id FROM masks WHERE {COUNT} > 32",
    f"SELECT {COUNT} AS n FROM masks WHERE {COUNT} > 32 ORDER BY n DESC",
    "SELECT label, image_id, CP(union(mask), full_image, (0.3, 0.8)) AS n FROM masks "
    "GROUP BY label, image_id HAVING n > 32",
]


@pytest.fixture
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = str(tmp_path_factory.mktemp("handed") / "masks")
    chance = np.random.default_rng(0)
    rows = {"image_id": [i // 2 for i in range(ROWS)], "label": ["a", None] * (ROWS // 2)}
    with ms.create(url, bins=4) as collection:
        collection.append(chance.random((ROWS, 8, 8), np.float32), rows)
    return url


def parts(worker: Worker, query: Query) -> Iterator[RowsFound]:
    for partial in worker.run(ShardTask("query", query, Filter()), QueryControl()):
        if isinstance(partial, RowsFound):
            yield partial


def worker(url: str) -> Worker:
    storage = open_storage(url)
    return Worker(CollectionReader(storage, open_manifest(storage)), [0])


def rows_of(found: list[RowsFound]) -> list[tuple[object, ...]]:
    rows = [tuple(row.values()) for part in found for row in part.table.to_pylist()]
    return sorted(rows, key=repr)


@pytest.mark.parametrize("text", QUERIES)
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_rows_come_once_whatever_index_a_worker_has(url: str, text: str, before: int) -> None:
    query = parse_text(url, text)
    first = worker(url)
    whole = list(parts(first, query))
    # An index that comes later decides other rows at once: parts are cut and sorted differently.
    with ms.open(url) as collection:
        collection.build_index(bins=[0, 0.25, 0.3, 0.5, 0.75, 0.8, 1.0])
    handed = Handed(query)
    found = [handed.fresh(part, repeated=False) for part in whole[:before]]
    found += [handed.fresh(part, repeated=True) for part in parts(worker(url), query)]
    assert rows_of(found) == rows_of(whole)


def test_rows_come_once_after_two_losses(url: str) -> None:
    query = parse_text(url, QUERIES[0])
    whole = list(parts(worker(url), query))
    handed = Handed(query)
    found = [handed.fresh(whole[0], repeated=False)]
    found += [handed.fresh(part, repeated=True) for part in reversed(whole[1:])]
    found += [handed.fresh(part, repeated=True) for part in whole]
    assert rows_of(found) == rows_of(whole)
