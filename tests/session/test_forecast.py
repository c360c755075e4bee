"""What EXPLAIN foresees, against what is read from a storage that nothing was read from before."""

from __future__ import annotations

import threading
from functools import cache

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.versions import read_manifest
from masksearch_ray.model.forecast import Forecast
from masksearch_ray.runtime.local import LocalPool
from masksearch_ray.runtime.shards import balance
from masksearch_ray.runtime.tasks import LocalTasks
from masksearch_ray.runtime.types import CollectionSource
from masksearch_ray.storage import open_storage
from masksearch_ray.storage.types import Pieces, Ranges, Storage
from masksearch_ray.storage.wrappers import WrappedStorage
from tests.session.held import smooth

N = 60
BOXES = [[i % 7, 2, 40 + i % 30, 60] for i in range(N)]
INSIDE = "CP(mask, {}, (0.31, 0.77))"


class Recording(WrappedStorage):
    """Adds up the bytes of index columns; heads begin at 0."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self.columns = 0
        self._lock = threading.Lock()

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        pieces = self.inner.get_ranges(key, ranges)
        if key.endswith("index.arrow"):
            with self._lock:
                self.columns += sum(
                    len(piece) for (start, _), piece in zip(ranges, pieces, strict=True) if start
                )
        return pieces


class RecordingRuntime:
    name = "recording"

    def __init__(self) -> None:
        self.storages: list[Recording] = []

    def pool(self, source: CollectionSource) -> LocalPool:
        storage = Recording(open_storage(source.url))
        self.storages.append(storage)
        reader = CollectionReader(storage, read_manifest(storage, source.version))
        return LocalPool(reader, balance([load.rows for load in source.segments], 2))

    def record(self, record: object) -> None:
        pass

    def tasks(self) -> LocalTasks:
        return LocalTasks()

    def close(self) -> None:
        pass


@cache
def made(histograms: bool) -> str:
    url = f"memory://forecast-{histograms}"
    col = ms.create(url, rois="auto" if histograms else ())
    masks = smooth(N, 70, 90)
    for at in np.array_split(np.arange(N), 3):
        col.append(masks[at], {"image_id": at // 2, "object_box": [BOXES[i] for i in at]})
    return url


@pytest.fixture(params=[True, False], ids=["histograms", "cells"])
def url(request: pytest.FixtureRequest) -> str:
    return made(request.param)


def foreseen(url: str, text: str) -> Forecast:
    with ms.open(url) as col:
        coordinator, _ = col._asked(text, {}, None, None, True)
        return coordinator.foresee()


def columns_read(url: str, text: str) -> tuple[int, ms.Stats]:
    runtime = RecordingRuntime()
    with ms.open(url, runtime) as col:
        stats = col.sql(text).stats
    (storage,) = runtime.storages
    return storage.columns, stats


EXACT = [
    f"SELECT mask_id FROM masks WHERE {INSIDE.format('box(3, 3, 50, 50)')} > 100",
    f"SELECT mask_id FROM masks ORDER BY {INSIDE.format('box(3, 3, 50, 50)')} DESC LIMIT 4",
    f"SELECT AVG({INSIDE.format('polygon(3, 3, 50, 3, 3, 50)')}) AS a FROM masks",
    "SELECT mask_id FROM masks WHERE CP(mask, box(16, 16, 48, 48), (0.3, 0.75)) > 100",
    "SELECT image_id, CP(intersect(mask), full_image, (0.3, 0.8)) AS n FROM masks GROUP BY image_id"
    " ORDER BY n DESC LIMIT 3",
    "SELECT image_id, CP(union(mask > 0.33), box(3, 3, 50, 50), (0.5, 1.0)) AS n FROM masks"
    " GROUP BY image_id HAVING n > 200",
    "SELECT image_id, CP(avg(mask), object_box, (0.3, 0.8)) AS n FROM masks WHERE mask_id % 2 = 0"
    " GROUP BY image_id",
]


@pytest.mark.parametrize("text", EXACT)
def test_constant_regions_and_mask_aggregates_take_what_was_foreseen(url: str, text: str) -> None:
    forecast, (read, _) = foreseen(url, text), columns_read(url, text)
    assert forecast.bytes == read > 0
    assert forecast.doubt == 0


@pytest.mark.parametrize("image", ["", " AND image_id >= 0"])
def test_a_first_query_reads_what_was_foreseen(url: str, image: str) -> None:
    term = INSIDE.format("box(3, 3, 50, 50)")
    text = f"SELECT mask_id FROM masks WHERE {term} > 100000{image}"
    forecast = foreseen(url, text)
    with ms.open(url) as col:
        stats = col.sql(text).stats
    assert stats.tiles_read == 0
    assert stats.bytes_read == forecast.opening + forecast.bytes
    assert forecast.opening > 0


@pytest.mark.parametrize("region", ["full_image", "object_box", "outside(object_box)"])
@pytest.mark.parametrize("values", ["0.31, 0.77", "0.3, 0.75"])
def test_regions_with_histograms_take_at_most_what_was_foreseen(region: str, values: str) -> None:
    url = made(True)
    text = f"SELECT mask_id FROM masks WHERE CP(mask, {region}, ({values})) > 100"
    forecast, (read, stats) = foreseen(url, text), columns_read(url, text)
    (term,) = forecast.terms
    assert term.source == "ROI histogram"
    assert 0 < forecast.bytes <= read <= forecast.bytes + forecast.doubt
    if values == "0.3, 0.75":
        assert term.exact and forecast.doubt == 0 and stats.tiles_read == 0
        assert read == forecast.bytes
    elif stats.rows_verified:
        assert read > forecast.bytes


def test_a_box_column_without_a_histogram_touches_at_most_every_cell() -> None:
    text = f"SELECT mask_id FROM masks WHERE {INSIDE.format('object_box')} > 100"
    forecast, (read, _) = (
        foreseen(made(False), text),
        columns_read(made(False), text),
    )
    assert 0 < read <= forecast.bytes


def test_columns_that_terms_share_are_counted_once() -> None:
    url = made(False)
    one, other = INSIDE.format("box(3, 3, 50, 50)"), INSIDE.format("box(20, 20, 90, 70)")
    alone = [
        foreseen(url, f"SELECT mask_id FROM masks WHERE {term} > 100") for term in (one, other)
    ]
    text = f"SELECT {one} AS a, {other} AS b FROM masks WHERE {one} > 0 AND {other} > 0"
    both = foreseen(url, text)
    assert max(f.bytes for f in alone) <= both.bytes < sum(f.bytes for f in alone)
    assert columns_read(url, text)[0] == both.bytes


def test_metadata_leave_out_segments() -> None:
    text = f"SELECT mask_id FROM masks WHERE mask_id < 9 AND {INSIDE.format('full_image')} > 100"
    read, _ = columns_read(made(False), text)
    assert 0 < read < foreseen(made(False), text).bytes / 2


def test_nothing_is_foreseen_where_the_index_is_not_used(url: str) -> None:
    with ms.open(url) as col:
        lines = col.explain(EXACT[0], use_index=False)
        assert "index to read" not in lines and "no index" in lines
    runtime = RecordingRuntime()
    with ms.open(url, runtime) as col:
        col.sql(EXACT[0], use_index=False).table  # noqa: B018
    assert runtime.storages[0].columns == 0


def test_columns_in_memory_are_those_foreseen_and_what_lies_beside_them(url: str) -> None:
    text = EXACT[0]
    forecast = foreseen(url, text)
    with ms.open(url) as col:
        col.sql(text).table  # noqa: B018
        held = col._open_reader().nbytes
    assert 0 < forecast.memory <= held
