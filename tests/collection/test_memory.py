"""What was read is kept within a budget, and nothing that can be read depends on it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection import CollectionReader, append, open_manifest
from masksearch_ray.collection import reader as reader_module
from masksearch_ray.collection.indexing import build_index
from masksearch_ray.collection.recent import Recent, default_budget
from masksearch_ray.model.roi import Box, roi_key
from masksearch_ray.storage import MemoryStorage
from tests.collection.helpers import empty, random_masks

BOX = Box(1, 1, 9, 9)
BUDGETS = (0, 1, 700, 3000, 10_000)


def test_what_was_used_last_is_kept() -> None:
    recent = Recent[str](10)
    recent.put("a", "A", 4)
    recent.put("b", "B", 4)
    assert recent.get("a") == "A"
    recent.put("c", "C", 4)
    assert [recent.get(key) for key in "abc"] == ["A", None, "C"]
    recent.put("a", "AA", 9)
    assert [recent.get(key) for key in "ac"] == ["AA", None]
    assert recent.nbytes == 9
    recent.put("d", "D", 11)
    assert recent.get("d") is None
    assert recent.nbytes == 0


def test_a_machine_is_not_filled_by_default() -> None:
    assert 1 << 20 < default_budget() <= 4 << 30


@pytest.fixture(scope="module")
def storage() -> MemoryStorage:
    made = empty(cell=8)
    for seed in range(3):
        masks = [*random_masks(9, 20, 30, seed=seed), *random_masks(7, 33, 40, "float32", seed)]
        append(made, masks, {"label": [f"{seed}-{n}" for n in range(16)], "n": range(16)})
    build_index(made, [BOX], 7)
    return made


def everything(opened: CollectionReader) -> list[Any]:
    """All that can be read, in an order that comes back to what may be forgotten."""
    found: list[Any] = []
    for level in (1, 5, 2, 1):
        for segment in opened.segments():
            found.append(segment.metadata(["mask_id", "label", "n"]).to_pylist())
            for view in segment.blocks:
                every = np.arange(view.grid.cells, dtype=np.int32)
                some = every[::3]
                counts = segment.counts(view.block, {level: some, level + 1: every})
                found += [counts[level][some].tolist(), counts[level + 1].tolist()]
                histogram = segment.histogram(view.block, roi_key(BOX), [1, level])
                found.append({at: column.tolist() for at, column in histogram.items()})
                rows = np.arange(view.rows)
                tiles = segment.tiles(view.block, rows, rows % view.grid.tiles)
                found.append(tiles.tobytes())
                assert opened.nbytes <= opened.recent.budget + opened.recent_pixels.budget
    return found


@pytest.fixture(scope="module")
def wanted(storage: MemoryStorage) -> list[Any]:
    opened = CollectionReader(storage, open_manifest(storage))
    found = everything(opened)
    assert opened.nbytes > max(BUDGETS)
    return found


@pytest.mark.parametrize("memory", BUDGETS)
def test_answers_do_not_depend_on_the_budget(
    storage: MemoryStorage, wanted: list[Any], memory: int
) -> None:
    assert everything(CollectionReader(storage, open_manifest(storage), memory=memory)) == wanted


def test_nor_on_who_else_reads(storage: MemoryStorage, wanted: list[Any]) -> None:
    opened = CollectionReader(storage, open_manifest(storage), memory=3000)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: everything(opened), range(4)):
            assert found == wanted


def test_what_is_held_stays_as_it_was(storage: MemoryStorage) -> None:
    opened = CollectionReader(storage, open_manifest(storage), memory=0)
    segment = opened.segment(0)
    every = np.arange(segment.blocks[0].grid.cells, dtype=np.int32)
    first = segment.counts(0, {1: every})[1]
    before = first.copy()
    everything(opened)
    assert np.array_equal(first, before)
    assert np.array_equal(segment.counts(0, {1: every})[1], first)


@pytest.mark.parametrize("memory", BUDGETS)
def test_queries_within_a_budget(
    storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    texts = (
        "SELECT mask_id, label FROM masks WHERE CP(mask, box(2, 3, 25, 19), (0.3, 1.0)) > 40",
        "SELECT mask_id FROM masks ORDER BY CP(mask, full_image, (0.21, 0.77)) DESC LIMIT 9",
        "SELECT n, CP(union(mask), full_image, (0.4, 1.0)) AS s FROM masks WHERE n < 9 GROUP BY n",
    )
    with ms.open(storage.url) as col:
        unbounded = [col.sql(text).table for text in texts]
    monkeypatch.setattr(reader_module, "default_budget", lambda: memory)
    with ms.open(storage.url) as col:
        assert [col.sql(text).table for text in texts] == unbounded
        reader = col._open_reader()
        assert reader.nbytes <= memory + reader.recent_pixels.budget
