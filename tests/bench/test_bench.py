"""What is timed on clusters, on tiny inputs, so that it never rots."""

from __future__ import annotations

import numpy as np
import pytest

from masksearch_ray.bench import BenchOptions, make_workload, run_bench
from masksearch_ray.bench.alternatives import NumpyMasks
from masksearch_ray.errors import InputError


@pytest.mark.smoke
def test_workload_is_seeded_and_like_saliency() -> None:
    workload = make_workload(5, 64, seed=3)
    again = make_workload(5, 64, seed=3)
    assert np.array_equal(workload.masks, again.masks)
    assert np.array_equal(workload.boxes, again.boxes)
    assert not np.array_equal(workload.masks, make_workload(5, 64, seed=4).masks)
    assert workload.masks.shape == (5, 64, 64)
    assert (workload.masks.min(axis=(1, 2)) == 0).all()
    assert (workload.masks.max(axis=(1, 2)) == 255).all()
    # Heavy-tailed: few pixels are high.
    assert (workload.masks >= 153).mean() < 0.05
    x0, y0, x1, y1 = workload.boxes.T
    assert ((x0 >= 0) & (x0 < x1) & (x1 <= 64) & (y0 >= 0) & (y0 < y1) & (y1 <= 64)).all()


def test_workload_needs_masks() -> None:
    for count, side in ((0, 64), (1, 8)):
        with pytest.raises(InputError):
            make_workload(count, side)


def test_numpy_counts_values_not_bytes() -> None:
    masks = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    whole = np.array([0, 0, 16, 16], np.int32)
    for low in (0.0, 0.2, 0.6, 1.0):
        expected = np.count_nonzero(np.arange(256) / 255 >= low)
        assert NumpyMasks(masks).count(whole, low).tolist() == [expected]


def test_bench_compares_and_reports() -> None:
    options = BenchOptions(masks=30, side=32, repeats=2)
    report = run_bench(options)
    assert len(report.queries) == 3
    assert report.index_bytes > 0
    for query in report.queries:
        assert query.rows >= 0
        assert len(query.engine.seconds) == len(query.numpy.seconds) == 2
        assert query.engine.low <= query.engine.median <= query.engine.high
        assert query.ratio > 0
