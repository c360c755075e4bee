"""Bins at the quantiles of the data: equally full, the same every time, and no other answer."""

from __future__ import annotations

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection import append, delete
from masksearch_ray.collection.indexing import build_index
from masksearch_ray.collection.quantiles import quantile_edges
from tests.collection.helpers import empty, reader


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_bins_are_equally_full(dtype: str) -> None:
    storage = empty(bins=8)
    scale = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    values = np.random.default_rng(1).random((30, 40, 50)) ** 2
    append(storage, (values[:20] * scale).astype(dtype))
    append(storage, (values[20:] * scale).astype(dtype))
    edges = quantile_edges(reader(storage), 8)
    assert (edges[0], edges[-1], len(edges)) == (0.0, 1.0, 9)
    shares = np.histogram(values, edges)[0] / values.size
    assert np.abs(shares - 1 / 8).max() < 0.03
    assert quantile_edges(reader(storage), 8) == edges


def test_edges_are_distinct_where_values_are_few() -> None:
    storage = empty()
    append(storage, np.repeat(np.array([0, 0, 0, 51, 255], np.uint8), 16).reshape(5, 4, 4))
    assert quantile_edges(reader(storage), 20) == (0.0, 0.2, 1.0)
    other = empty()
    append(other, np.zeros((3, 4, 4), np.bool_))
    assert quantile_edges(reader(other), 20) == (0.0, 1.0)


def test_nan_and_deleted_rows_do_not_count() -> None:
    storage = empty(nan="keep")
    masks = np.full((4, 4, 4), 0.25, np.float32)
    masks[1:, :2] = np.nan
    masks[0] = 0.75
    append(storage, masks)
    delete(storage, lambda segment: segment.mask_ids() == 0)
    assert quantile_edges(reader(storage), 4) == (0.0, 0.25, 1.0)


def test_without_pixels_bins_are_equally_wide() -> None:
    assert quantile_edges(reader(empty()), 4) == (0.0, 0.25, 0.5, 0.75, 1.0)
    storage = empty()
    build_index(storage, bins="quantiles")


def test_queries_use_them_and_answer_the_same() -> None:
    storage = empty(bins=4)
    values = np.random.default_rng(2).random((40, 24, 24)) ** 2
    append(storage, values.astype(np.float32))
    edge = quantile_edges(reader(storage), 4)[2]
    assert edge not in reader(storage).manifest.spec.edges
    median = int(np.median((values.astype(np.float32) >= edge).sum(axis=(1, 2))))
    text = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (:lv, 1.0)) > :n"
    with ms.open(storage.url) as col:
        before = col.sql(text, lv=edge, n=median)
        assert 0 < len(before.table) < 40
        assert col.build_index(bins="quantiles").built == 1
        assert col.build_index(bins="quantiles").built == 0
        after = col.sql(text, lv=edge, n=median)
        assert after.table == before.table
        assert before.stats.rows_verified > after.stats.rows_verified == 0
