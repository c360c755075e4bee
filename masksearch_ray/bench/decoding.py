"""Full scans that decode the collection's own compressed tiles, and bounds from its index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.alternatives import in_threads, numpy_counts, stored_range
from masksearch_ray.bench.contenders import Measured, by_scan
from masksearch_ray.bench.dataset import Dataset, constant_box
from masksearch_ray.bench.questions import Question, Scan
from masksearch_ray.bench.scans import scan_pairs
from masksearch_ray.bench.timing import timed
from masksearch_ray.collection.reader import CollectionReader, SegmentReader
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.index.bounds import sum_bounds
from masksearch_ray.index.levels import bracket
from masksearch_ray.index.region import Boxes, resolve
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.roi import BoxColumn
from masksearch_ray.model.values import Domain, ValueRange
from masksearch_ray.storage import open_storage

__all__ = ["Collected", "row_bounds", "run_decoding"]

_TOGETHER = 16  # masks decoded at once: they stay in the processor's cache


class Collected:
    """Masks of a collection by row of the dataset, read below queries.

    Parameters
    ----------
    url : str
    version : int, optional
    """

    def __init__(self, url: str, version: int | None = None) -> None:
        storage = open_storage(url)
        self.reader = CollectionReader(storage, open_manifest(storage, version), pixel_bytes=0)
        ids = [segment.mask_ids() for segment in self.reader.segments()]
        self.starts = np.array([first[0] for first in ids])
        self.rows = sum(map(len, ids))

    @property
    def grid(self) -> Grid:
        """How masks are cut."""
        return self.reader.segment(0).blocks[0].grid

    def segments(self) -> list[SegmentReader]:
        """All segments; the ids of each follow one another."""
        return list(self.reader.segments())

    def decoded(self, rows: range, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        """Pixels of masks next to one another, of the tiles that a box touches.

        Returns
        -------
        numpy.ndarray
            uint8, shape ``(n, h, w)``: from the corner of the first tile on.
        """
        tile, across = self.grid.tile, self.grid.tile_cols
        x0, y0, x1, y1 = box
        cols = np.arange(x0 // tile, -(-x1 // tile))
        lines = np.arange(y0 // tile, -(-y1 // tile))
        wanted = (lines[:, None] * across + cols).ravel()
        parts = []
        while rows:
            segment = int(np.searchsorted(self.starts, rows.start, side="right")) - 1
            after = self.starts[segment + 1] if segment + 1 < len(self.starts) else self.rows
            here = np.arange(rows.start, min(rows.stop, after)) - self.starts[segment]
            pixels = self.reader.segment(segment).tiles(
                0, np.repeat(here, len(wanted)), np.tile(wanted, len(here))
            )
            shape = (len(here), len(lines), len(cols), tile, tile)
            part = pixels.reshape(shape).transpose(0, 1, 3, 2, 4)
            parts.append(part.reshape(len(here), len(lines) * tile, len(cols) * tile))
            rows = range(rows.start + len(here), rows.stop)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def run_decoding(
    who: str,
    url: str,
    dataset: Dataset,
    questions: Sequence[Question],
    repeats: int,
) -> list[Measured]:
    """Decode the tiles of every question's regions, and count in them.

    Parameters
    ----------
    who : str
    url : str
        Of the collection.
    dataset : Dataset
    questions : sequence of Question
        Of the constant region or the whole mask.
    repeats : int
    """
    collected, threads, found = Collected(url), os.cpu_count() or 1, []
    for scan, asked in by_scan(questions).items():
        count = _pairs if scan.kind == "pair" else _boxes

        def work(count: Any = count, scan: Scan = scan) -> NDArray[np.int64]:
            counts: NDArray[np.int64] = count(collected, dataset, scan, threads)
            return counts

        def check(counts: NDArray[np.int64], asked: Sequence[Question] = asked) -> None:
            for question in asked:
                question.check_counts(counts)

        times = timed(work, repeats, check)
        setting = f"{threads} threads" if threads > 1 else "1 thread"
        found += [Measured(who, question.name, setting, times) for question in asked]
    return found


def _boxes(collected: Collected, dataset: Dataset, scan: Scan, threads: int) -> NDArray[np.int64]:
    side, n = dataset.options.side, scan.images or dataset.images
    box = constant_box(side) if scan.roi == "constant" else (0, 0, side, side)
    tile = collected.grid.tile
    left, top = box[0] // tile * tile, box[1] // tile * tile
    moved = np.array([box], np.int32) - np.array([left, top, left, top], np.int32)
    counts, cuts = np.empty(n, np.int64), stored_range(scan.low, scan.high)

    def part(rows: range) -> None:
        for first in range(rows.start, rows.stop, _TOGETHER):
            some = range(first, min(first + _TOGETHER, rows.stop))
            pixels = np.ascontiguousarray(collected.decoded(some, box))
            each = np.broadcast_to(moved, (len(some), 4))
            counts[some.start : some.stop] = numpy_counts(pixels, each, cuts, 1)

    in_threads(part, n, threads)
    return counts


def _pairs(collected: Collected, dataset: Dataset, scan: Scan, threads: int) -> NDArray[np.int64]:
    side, n = dataset.options.side, dataset.images
    both, cuts = np.empty((n, 2), np.int64), stored_range(scan.low, scan.high)

    def part(rows: range) -> None:
        for first in range(rows.start, rows.stop, _TOGETHER):
            some = range(first, min(first + _TOGETHER, rows.stop))
            one, two = (
                np.ascontiguousarray(collected.decoded(of, (0, 0, side, side))[:, :side, :side])
                for of in (some, range(n + some.start, n + some.stop))
            )
            scan_pairs(one, two, *cuts, both[some.start : some.stop])

    in_threads(part, n, threads)
    return both


def row_bounds(
    url: str, version: int, boxes: NDArray[np.int32], values: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bound every row's count in its own box by the cells of the index, as a query does.

    Parameters
    ----------
    url : str
    version : int
        Of which the rows are as many as the boxes.
    boxes : numpy.ndarray
        int32, shape ``(N, 4)``.
    values : (float, float)

    Returns
    -------
    lower, upper : numpy.ndarray
        int64, shape ``(N,)``.
    """
    lower, upper = np.empty((2, len(boxes)), np.int64)
    start = 0
    for segment in Collected(url, version).segments():
        view = segment.blocks[0]
        marks = bracket(ValueRange.of(*values, Domain()), view.levels, "uint8", Domain())
        here = slice(start, start + view.rows)
        column = Boxes(boxes[here], np.zeros(view.rows, np.bool_))
        coverage = resolve(BoxColumn("plain_box"), view.grid, view.rows, column).coverage()
        wanted = dict.fromkeys(marks.needed, np.arange(view.grid.cells, dtype=np.int32))
        counts = segment.counts(0, wanted) if wanted else {}
        lower[here], upper[here] = sum_bounds(counts, marks, view.grid, coverage, view.rows)
        start += view.rows
    return lower, upper
