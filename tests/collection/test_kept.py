"""Tiles that are kept: the right ones come back, within the budget, whoever else puts and takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from masksearch_ray.collection.kept import KeptTiles
from masksearch_ray.collection.recent import Recent

SIDE = 8
TILE = 4 * SIDE * SIDE


def tiles_of(keys: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Tiles that tell their keys."""
    return np.broadcast_to(keys[:, None, None].astype(np.float32), (len(keys), SIDE, SIDE))


def kept_of(kept: KeptTiles, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which tiles are kept, all of which are as they were put in."""
    pixels, missing = kept.get(keys, "float32", SIDE)
    here = np.ones(len(keys), np.bool_)
    here[missing] = False
    assert np.array_equal(pixels[here], tiles_of(keys)[here])
    return here


@pytest.mark.parametrize("budget", [0, 100, 3 * TILE, 40 * TILE, 1000 * TILE, 1 << 30])
def test_tiles_come_back_as_far_as_there_is_room(budget: int) -> None:
    recent, random = Recent[Any](budget), np.random.default_rng(budget)
    kept, most, asked = KeptTiles(recent), 0, 0
    for _ in range(300):
        keys = random.integers(0, 3000, random.integers(0, 60)) + kept.base("s", 1)
        here = kept_of(kept, keys)
        most, asked = most + here.sum(), asked + len(keys)
        kept.put(keys[~here], tiles_of(keys[~here]))
        assert recent.nbytes <= budget
        if budget >= 40 * TILE:
            assert kept_of(kept, keys[~here][-3:]).all()
    assert (most > 0) == (budget >= 3 * TILE)
    if budget == 1 << 30:
        assert kept_of(kept, keys).all() and asked - most <= 3000 + 60 * 300 // 10


def test_what_was_used_last_is_kept() -> None:
    kept = KeptTiles(Recent[Any](200 * TILE))
    hot = np.arange(5)
    kept.put(hot, tiles_of(hot))
    for start in range(100, 2000, 10):
        assert kept_of(kept, hot).all()
        more = np.arange(start, start + 10)
        kept.put(more, tiles_of(more))
    # Those that share a drawer with them are kept with them.
    assert not kept_of(kept, np.arange(200, 1500)).any()


def test_blocks_and_dtypes_lie_apart() -> None:
    kept = KeptTiles(Recent[Any](1 << 20))
    keys = np.arange(4) + kept.base("a", 0)
    kept.put(keys, tiles_of(keys))
    assert kept.base("a", 0) == keys[0]
    for other in (("a", 1), ("b", 0)):
        assert not kept_of(kept, np.arange(4) + kept.base(*other)).any()
    for dtype, side in (("uint8", SIDE), ("float32", 2 * SIDE)):
        assert len(kept.get(keys, dtype, side)[1]) == 4


def test_threads_share_it() -> None:
    kept = KeptTiles(Recent[Any](60 * TILE))

    def work(seed: int) -> int:
        random, found = np.random.default_rng(seed), 0
        for _ in range(300):
            keys = random.integers(0, 80, 9)
            here = kept_of(kept, keys)
            kept.put(keys[~here], tiles_of(keys[~here]))
            found += int(here.sum())
        return found

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
