"""Which tiles to read next."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from masksearch_ray.execute.tally import Tally, choose_tiles

DOUBTS = st.tuples(st.integers(0, 5), st.integers(0, 6)).flatmap(
    lambda shape: arrays.arrays(np.int64, shape, elements=st.integers(0, 20))
)


@given(DOUBTS, st.data())
def test_the_fewest_tiles_with_half_of_the_doubt_are_read(
    doubt: np.ndarray, data: st.DataObject
) -> None:
    pending = data.draw(arrays.arrays(np.bool_, len(doubt)))
    rows, tiles = choose_tiles(doubt, pending)
    chosen = list(zip(rows.tolist(), tiles.tolist(), strict=True))
    assert chosen == sorted(set(chosen))
    for row, left in enumerate(doubt.tolist()):
        read = sorted((left[tile] for r, tile in chosen if r == row), reverse=True)
        if not pending[row] or not sum(left):
            assert read == []
            continue
        assert min(read) > 0
        assert read == sorted(left, reverse=True)[: len(read)]
        assert 2 * sum(read) >= sum(left)
        assert 2 * sum(read[:-1]) < sum(left)


def test_many_tiles_in_doubt_are_chosen_as_few_are() -> None:
    doubt = np.random.default_rng(0).integers(0, 50, (4, 300))
    rows, tiles = choose_tiles(doubt, np.ones(4, np.bool_))
    for row, left in enumerate(doubt):
        order = np.argsort(-left, kind="stable")
        before = np.cumsum(left[order]) - left[order]
        assert tiles[rows == row].tolist() == sorted(order[2 * before < left.sum()].tolist())


@given(DOUBTS, st.data())
def test_reading_tiles_leads_to_the_count_in_few_rounds(
    width: np.ndarray, data: st.DataObject
) -> None:
    m = len(width)
    shape = width.shape
    lower = data.draw(arrays.arrays(np.int64, shape, elements=st.integers(0, 9)))
    share = data.draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 1)))
    counts = lower + np.rint(share * width).astype(np.int64)
    truth = counts.sum(axis=1)
    slack = data.draw(arrays.arrays(np.int64, (2, m), elements=st.integers(0, 30)))
    tally = Tally(lower.copy(), lower + width, truth - slack[0], truth + slack[1])
    for _ in range(20):
        low, high = tally.totals()
        assert (low <= truth).all()
        assert (truth <= high).all()
        some = np.flatnonzero(np.arange(m) % 2)
        assert (tally.doubt(some) == tally.doubt()[some]).all()
        assert all(
            (a == b[some]).all() for a, b in zip(tally.totals(some), (low, high), strict=True)
        )
        rows, tiles = choose_tiles(tally.doubt(), low < high)
        tally.settle(rows, tiles, counts[rows, tiles])
    low, high = tally.totals()
    assert (low == truth).all()
    assert (high == truth).all()
    assert not tally.doubt().any()
