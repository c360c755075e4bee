"""Rows of a shard: which tiles are read, in which order, and when it is enough."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import masksearch_ray as ms
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.execute import portions
from masksearch_ray.execute.rows import MASK_ID, Rows
from masksearch_ray.execute.search import settle, settle_values
from masksearch_ray.model.query import Call, CountPixels, Expr, Literal
from masksearch_ray.model.shard import ReadTiles, SegmentView, TileBatch
from masksearch_ray.model.values import Domain
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.worker import Worker
from masksearch_ray.session.catalog import catalog_of
from masksearch_ray.sql import parse
from tests.session.held import smooth

N = 30
MASKS = smooth(N, 60, 70, seed=9)
TERM = "CP(mask, box(5, 6, 61, 50), (0.31, 0.77))"
EXACT = ((MASKS / 255 >= 0.31) & (MASKS / 255 < 0.77))[:, 6:50, 5:61].sum(axis=(1, 2))


class Shard:
    """Drives steps as a worker does, and notes every batch of tiles."""

    def __init__(self, reader: CollectionReader) -> None:
        self.worker = Worker(reader, range(len(reader.manifest.segments)))
        self.batches: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
        self.at_once: list[int] = []
        self.views = [SegmentView(s.index, s.blocks, s.alive()) for s in reader.segments()]

    def run(self, steps: Generator[Any, Any, Any]) -> Any:
        answer: Any = None
        while True:
            try:
                wanted = steps.send(answer)
            except StopIteration as end:
                return end.value
            if isinstance(wanted, ReadTiles):
                self.batches += [(batch.rows, batch.tiles) for batch in wanted.batches]
                self.at_once.append(sum(len(batch.tiles) for batch in wanted.batches))
            answer = self.worker.answers.of(wanted, QueryControl())

    @property
    def tiles(self) -> int:
        return sum(len(tiles) for _, tiles in self.batches)


@pytest.fixture(scope="module")
def col() -> ms.Collection:
    col = ms.create("memory://rows", rois=())
    col.append(MASKS[:17])
    col.append(MASKS[17:])
    return col


@pytest.fixture
def shard(col: ms.Collection) -> Shard:
    return Shard(CollectionReader(col._storage, col._manifest))


def term_of(col: ms.Collection, text: str = TERM) -> CountPixels:
    query = parse(f"SELECT {text} AS n FROM masks", catalog_of(col._manifest, col.url))
    expr = query.outputs[0].expr
    assert isinstance(expr, CountPixels)
    return expr


def loaded(shard: Shard, term: Expr, use_index: bool = True) -> Rows:
    rows = Rows.of(shard.views, Domain(), use_index=use_index)
    shard.run(rows.load([MASK_ID, term]))
    return rows


def more_than(term: Expr, least: int) -> Expr:
    return Call(">", (term, Literal(least, "int")), "bool")


@pytest.mark.parametrize("use_index", [True, False])
def test_bounds_hold_the_count_and_reading_settles_it(
    col: ms.Collection, shard: Shard, use_index: bool
) -> None:
    term = term_of(col)
    rows = loaded(shard, term, use_index)
    first = rows.evaluate(term)
    assert ((first.lower <= EXACT) & (first.upper >= EXACT)).all()
    doubt = first.lower < first.upper
    assert doubt.any() and shard.tiles == 0
    shard.run(settle_values(rows, [term], np.arange(N)))
    assert rows.evaluate(term).exact.all()
    assert rows.evaluate(term).lower.tolist() == EXACT.tolist()
    assert rows.tiles_read == shard.tiles
    assert rows.verified.tolist() == doubt.tolist()


def test_no_tile_is_read_twice(col: ms.Collection, shard: Shard) -> None:
    rows = loaded(shard, term_of(col), use_index=False)
    shard.run(settle_values(rows, [term_of(col)], np.arange(17)))
    read = [
        pair for batch in shard.batches for pair in zip(*map(np.ndarray.tolist, batch), strict=True)
    ]
    assert len(read) == len(set(read))
    assert len(read) <= 17 * rows.parts[0].view.grid.tiles


@pytest.mark.parametrize("most", [1, 5 * 32 * 32, 1 << 30])
def test_pixels_read_at_a_time_are_few(
    col: ms.Collection, shard: Shard, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(portions, "_MOST", most)
    rows = loaded(shard, term_of(col), use_index=False)
    tile = rows.parts[0].view.grid.tile ** 2
    shard.run(settle_values(rows, [term_of(col)], np.arange(N)))
    assert rows.evaluate(term_of(col)).lower.tolist() == EXACT.tolist()
    assert max(shard.at_once) <= max(1, most // tile)
    assert sum(shard.at_once) == shard.tiles == rows.tiles_read
    assert rows.verified.all()


def test_only_rows_in_doubt_are_read_and_only_until_decided(
    col: ms.Collection, shard: Shard
) -> None:
    term = term_of(col)
    least = int(np.median(EXACT))
    rows = loaded(shard, term)
    before = rows.evaluate(term)
    doubt = (before.lower <= least) & (before.upper > least)
    assert 0 < doubt.sum() < N
    passed = shard.run(settle(rows, more_than(term, least), np.arange(N)))
    assert passed.tolist() == (least < EXACT).tolist()
    assert rows.verified.tolist() == doubt.tolist()
    whole = Shard(shard.worker.reader)
    every = loaded(whole, term)
    whole.run(settle_values(every, [term], np.flatnonzero(doubt)))
    assert shard.tiles <= whole.tiles


def test_rows_left_keep_what_was_learnt(col: ms.Collection, shard: Shard) -> None:
    term = term_of(col)
    rows = loaded(shard, term)
    shard.run(settle_values(rows, [term], np.arange(0, N, 2)))
    keep = np.arange(N) % 3 == 0
    left = rows.where(keep)
    assert left.n == keep.sum()
    assert left.evaluate(MASK_ID).lower.tolist() == np.flatnonzero(keep).tolist()
    assert left.verified.tolist() == rows.verified[keep].tolist()
    assert left.evaluate(term).lower.tolist() == rows.evaluate(term).lower[keep].tolist()
    read = shard.tiles
    shard.run(settle_values(left, [term], np.flatnonzero(left.evaluate(term).exact)))
    assert shard.tiles == read
    segments, ordinals = left.places()
    assert (ordinals + np.where(segments == 1, 17, 0)).tolist() == np.flatnonzero(keep).tolist()


def test_rows_of_no_segments(col: ms.Collection, shard: Shard) -> None:
    rows = Rows.of([], Domain())
    term = term_of(col)
    shard.run(rows.load([MASK_ID, term]))
    assert rows.n == 0 and len(rows.evaluate(more_than(term, 3))) == 0
    assert [len(part) for part in rows.places()] == [0, 0]


def test_tiles_of_several_kinds_are_not_joined() -> None:
    col = ms.create("memory://rows-of-two-kinds")
    col.append(MASKS[:1])
    col.append(MASKS[:1].astype("float32") / 255)
    shard = Shard(CollectionReader(col._storage, col._manifest))
    none = np.zeros(1, np.int64)
    batches = tuple(TileBatch(segment, 0, none, none) for segment in (0, 1))
    answers = shard.worker.answers
    assert len(answers.of(ReadTiles(batches), QueryControl())) == 2
    with pytest.raises(ValueError, match="2 kinds"):
        answers.of(ReadTiles(batches, joined=True), QueryControl())
