"""Exact top-k: as few rows verified as bounds allow, and always the same answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import masksearch_ray as ms
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.ordering import Places, pessimistic
from masksearch_ray.execute.rows import Rows
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.worker import Worker
from tests.session.held import smooth

N, SIDE = 200, 96
MASKS = smooth(N, SIDE, SIDE, seed=4)
LV, UV = 0.31, 0.77
BOX = (10, 12, 70, 81)
TERM = f"CP(mask, box{BOX}, ({LV}, {UV}))"


def counted() -> np.ndarray:
    x0, y0, x1, y1 = BOX
    inside = MASKS[:, y0:y1, x0:x1] / 255
    found: np.ndarray = ((inside >= LV) & (inside < UV)).sum(axis=(1, 2))
    return found


EXACT = counted()


def cell_bounds(cell: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """The tight bounds that 16-pixel cells and 20 bins give, by plain NumPy."""
    x0, y0, x1, y1 = BOX
    values = MASKS / 255
    outer = (values >= 0.3) & (values < 0.8)
    inner = (values >= 0.35) & (values < 0.75)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[y0:y1, x0:x1] = True

    def by_cell(pixels: np.ndarray) -> np.ndarray:
        parts = pixels.reshape(*pixels.shape[:-2], SIDE // cell, cell, SIDE // cell, cell)
        found: np.ndarray = parts.sum(axis=(-3, -1))
        return found

    covered = by_cell(inside)
    upper = np.minimum(by_cell(outer), covered).sum(axis=(1, 2))
    lower = np.maximum(by_cell(inner) - (cell * cell - covered), 0).sum(axis=(1, 2))
    return lower, upper


def least_verified(k: int) -> int:
    """Rows in doubt that no exact method can do without, given these bounds.

    Whatever is verified, a row whose bounds are wider than a point and reach beyond the k-th
    best exact count cannot be ruled out; whoever shows counts verifies those in the answer, too.
    """
    lower, upper = cell_bounds()
    assert ((lower <= EXACT) & (upper >= EXACT)).all()
    best = sorted(range(N), key=lambda i: (-EXACT[i], i))[:k]
    kth = EXACT[best[-1]]
    needed = (lower < upper) & (upper > kth)
    needed[best] = (lower < upper)[best]
    return int(needed.sum())


@pytest.fixture(scope="module")
def url() -> str:
    url = "memory://topk"
    col = ms.create(url, rois=())
    for at in np.array_split(np.arange(N), 5):
        col.append(MASKS[at], {"image_id": at // 2})
    return url


@pytest.fixture(scope="module", params=[1, 2, 5])
def col(request: pytest.FixtureRequest, url: str) -> Iterator[ms.Collection]:
    with ms.open(url, LocalRuntime(request.param)) as col:
        yield col


@pytest.mark.parametrize("k", [1, 5, 25, 100])
def test_few_rows_are_verified(col: ms.Collection, k: int) -> None:
    result = col.sql(f"SELECT mask_id, {TERM} AS n FROM masks ORDER BY n DESC LIMIT {k}")
    best = sorted(range(N), key=lambda i: (-EXACT[i], i))[:k]
    assert result.table.to_pydict() == {"mask_id": best, "n": EXACT[best].tolist()}
    least = least_verified(k)
    verified = result.stats.rows_verified
    assert verified < N
    # Where others are at work on another thread, a shard goes on with what may be in vain.
    others = len(result.stats.shards) - 1
    assert least <= verified <= 1.2 * least + others * (4 + least // 4)


@pytest.mark.parametrize("k", [1, 5, 25, 100])
def test_shards_that_take_turns_verify_hardly_more_than_they_must(
    col: ms.Collection, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masksearch_ray.runtime.local._PATIENCE", 1e9)
    stats = col.sql(f"SELECT mask_id FROM masks ORDER BY {TERM} DESC LIMIT {k}").stats
    assert stats.rows_verified <= 1.2 * least_verified(k)
    assert stats.round_trips == 2


def test_rows_are_pruned_by_other_shards_thresholds() -> None:
    """The best rows lie on one shard; the others' are out of reach once it has offered them."""
    masks = np.concatenate([MASKS // 3, MASKS[:40]])
    col = ms.create("memory://topk-lopsided", rois=(), runtime=LocalRuntime(2))
    col.append(masks[:N])
    col.append(masks[N:])
    term = f"CP(mask, box{BOX}, (0.52, 1.0))"
    result = col.sql(f"SELECT mask_id FROM masks ORDER BY {term} DESC LIMIT 5")
    shards = result.stats.shards
    (far,) = (shard for shard in shards.values() if shard.rows_total == N)
    assert far.rows_verified == 0
    assert min(result.table["mask_id"].to_pylist()) >= N


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_equality_never_prunes(direction: str) -> None:
    """Many ties at the threshold: the smallest ids win, wherever they lie."""
    masks = np.repeat(MASKS[:6], 10, axis=0)
    ids = np.random.default_rng(2).permutation(60)
    exact = np.repeat(EXACT[:6], 10)
    for shards in (1, 3):
        col = ms.create(f"memory://ties-{direction}-{shards}", rois=())
        for at in np.array_split(np.arange(60), 4):
            col.append(masks[at], {"mask_id": ids[at]})
        sign = -1 if direction == "DESC" else 1
        order = [int(ids[i]) for i in sorted(range(60), key=lambda i: (sign * exact[i], ids[i]))]
        with ms.open(col.url, LocalRuntime(shards)) as opened:
            for k in (1, 4, 10, 11, 25, 60, 99):
                for offset in (0, 3, 58, 70):
                    text = f"SELECT mask_id FROM masks ORDER BY {TERM} {direction}"
                    found = opened.sql(f"{text} LIMIT {k} OFFSET {offset}").table
                    assert found["mask_id"].to_pylist() == order[offset : offset + k]


def test_nothing_is_read_for_a_limit_of_zero(col: ms.Collection) -> None:
    stats = col.sql(f"SELECT mask_id FROM masks ORDER BY {TERM} LIMIT 0").stats
    assert stats.rows_verified == stats.tiles_read == 0


def test_groups_that_cannot_reach_the_threshold_are_not_verified(col: ms.Collection) -> None:
    text = f"SELECT image_id, SUM({TERM}) AS s FROM masks GROUP BY image_id ORDER BY s DESC LIMIT 3"
    result = col.sql(text)
    sums = EXACT.reshape(-1, 2).sum(axis=1)
    best = sorted(range(N // 2), key=lambda i: (-sums[i], i))[:3]
    assert result.table.to_pydict() == {"image_id": best, "s": sums[best].tolist()}
    assert result.stats.rows_verified < N // 2


# ------------------------------------------------------------------ bounds on their way


def test_bounds_only_ever_tighten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every time that intervals are looked at they lie within those seen before."""
    seen: dict[object, tuple[np.ndarray, np.ndarray]] = {}
    original = Rows.leaf
    looks = itertools.count()

    def watched(self: Rows, expr: object) -> Interval:
        held = original(self, expr)  # type: ignore[arg-type]
        if expr in self._terms:
            key = id(self), expr
            low, high = seen.get(key, (held.lower, held.upper))
            assert (low <= held.lower).all() and (held.upper <= high).all()
            assert (held.lower <= held.upper).all()
            seen[key] = held.lower.copy(), held.upper.copy()
            next(looks)
        return held

    monkeypatch.setattr(Rows, "leaf", watched)
    col = ms.open(url, LocalRuntime(1))
    other = "CP(mask, box(30, 5, 90, 60), (0.52, 1.0))"
    text = f"SELECT mask_id FROM masks WHERE {other} > 30 ORDER BY {TERM} - {other} LIMIT 20"
    assert len(col.sql(text)) == 20
    assert next(looks) > 10


# ------------------------------------------------------------------ sharding


QUERIES = [
    f"SELECT mask_id, {TERM} AS n FROM masks WHERE {TERM} > 500",
    f"SELECT mask_id, {TERM} / 7 AS n FROM masks ORDER BY n DESC, mask_id LIMIT 9 OFFSET 2",
    f"SELECT image_id, AVG({TERM} / 3) AS a, SUM({TERM} / 7) AS s FROM masks GROUP BY image_id",
    f"SELECT AVG({TERM} / 3) AS a, SUM({TERM} * 0.1) AS s, SUM({TERM} * 1e300) AS t FROM masks",
    f"SELECT image_id, SUM({TERM} / 7) AS s FROM masks GROUP BY image_id ORDER BY s LIMIT 7",
    f"SELECT image_id, CP(avg(mask), box{BOX}, ({LV}, {UV})) AS n FROM masks GROUP BY image_id "
    "ORDER BY n DESC LIMIT 6",
]


@pytest.mark.parametrize("text", QUERIES)
def test_answers_do_not_depend_on_sharding(
    url: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(3)
    with ms.open(url, LocalRuntime(1)) as one:
        expected = one.sql(text).table
    original = Worker.run

    def late(self: Worker, *args: object) -> Iterator[object]:
        # Partials come in any order.
        for partial in original(self, *args):  # type: ignore[arg-type]
            import time

            time.sleep(chance.random() * 0.01)
            yield partial

    monkeypatch.setattr(Worker, "run", late)
    for shards in (2, 3, 5):
        with ms.open(url, LocalRuntime(shards)) as several:
            assert several.sql(text).table.equals(expected)


# ------------------------------------------------------------------ places


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4), st.booleans()), min_size=1))
def test_a_place_reaches_a_threshold_as_it_sorts(rows: list[tuple[int, int, bool]]) -> None:
    lower = np.array([low for low, _, _ in rows], np.int64)
    null = np.array([null for _, _, null in rows])
    ties = Interval.points("int", np.arange(len(rows)), np.zeros(len(rows), np.bool_))
    for descending, nulls_first in itertools.product([False, True], repeat=2):
        keys = [
            (Interval.points("int", lower, null), descending, nulls_first),
            (ties, False, False),
        ]
        places: Places = pessimistic(keys)
        order = places.argsort().tolist()
        for rank, position in enumerate(order):
            reached = np.flatnonzero(places.reach(places.at(position)))
            assert sorted(reached.tolist()) == sorted(order[: rank + 1])
