"""Precision, recall and lift, held against scikit-learn and against counting."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from masksearch_ray.errors import InputError
from masksearch_ray.web.scenarios.retrieval import retrieval


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.02, 0.2, 0.9])
def test_as_counted(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(200) < share
    truth[rng.integers(200)] = True
    got = retrieval(truth.tolist())
    assert got.n == 200 and got.base == pytest.approx(truth.mean())
    for k in (1, 7, 50, 200, 500):
        hits, first = truth[:k].sum(), min(k, 200)
        assert got.precision_at(k) == pytest.approx(hits / first)
        assert got.recall_at(k) == pytest.approx(hits / truth.sum())
        assert got.lift_at(k) == pytest.approx(hits / first / truth.mean())
    want = average_precision_score(truth, -np.arange(200))
    assert got.average_precision == pytest.approx(want)


@pytest.mark.smoke
def test_what_is_not_known_is_left_out() -> None:
    assert retrieval([True, None, False, None]).precision.tolist() == [1, 0.5]
    for nothing in ([], [None], [False, False]):
        with pytest.raises(InputError, match="no row"):
            retrieval(nothing)
