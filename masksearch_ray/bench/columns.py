"""Bounds alone: index columns of many masks, and how fast one core adds them up."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.alternatives import stored_range
from masksearch_ray.bench.dataset import constant_box
from masksearch_ray.bench.drawing import draw_pairs
from masksearch_ray.bench.questions import RANGES
from masksearch_ray.bench.scans import scan_boxes
from masksearch_ray.bench.timing import Spread, timed
from masksearch_ray.bench.workload import COARSE_SIDE, draw_boxes, draw_coarse, pixel_centres
from masksearch_ray.errors import FailedError
from masksearch_ray.index.bounds import histogram_bounds, sum_bounds
from masksearch_ray.index.build import build_chi
from masksearch_ray.index.coverage import Coverage
from masksearch_ray.index.levels import Bracket, block_levels, bracket
from masksearch_ray.index.region import Boxes, resolve
from masksearch_ray.model.grid import grid_for
from masksearch_ray.model.roi import Box, BoxColumn
from masksearch_ray.model.values import Domain, ValueRange

__all__ = ["BoundsTimes", "Columns", "draw_columns", "time_bounds", "time_growth"]

_SIDE = 224
_EDGES = (0.2, 0.4, 0.6, 0.8)
_CHUNK = 256  # masks drawn together
_GROWN_FROM = 20_000  # masks drawn of which growing numbers of rows are taken

Counts = dict[int, NDArray[np.unsignedinteger]]
Bounds = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class BoundsTimes:
    """How long one core took for the bounds of one region and range.

    Parameters
    ----------
    name : str
    values : (float, float)
        The range.
    rows : int
        Masks bounded.
    bytes : int
        Of index columns that had to be read.
    times : Spread
    """

    name: str
    values: tuple[float, float]
    rows: int
    bytes: int
    times: Spread

    @property
    def speed(self) -> float:
        """Bytes of columns a second."""
        return self.bytes / self.times.median

    @property
    def a_mask(self) -> float:
        """Seconds a mask."""
        return self.times.median / self.rows


@dataclass(frozen=True, eq=False)
class Columns:
    """Index columns of masks, with what the counts really are.

    Parameters
    ----------
    levels : tuple of float
        Cut-offs of the columns, stored units.
    cells : mapping of int to numpy.ndarray
        By level index: counts ``(cells, N)`` of 32 px cells of 224 x 224 masks.
    boxes : numpy.ndarray
        int32, shape ``(N, 4)``: an object a mask.
    exact : numpy.ndarray
        int64, shape ``(ranges, 2, N)``: pixels of every range in the constant box and the object.
    """

    levels: tuple[float, ...]
    cells: Counts
    boxes: NDArray[np.int32]
    exact: NDArray[np.int64]


def draw_columns(count: int, seed: int) -> Columns:
    """Draw masks of 224 x 224, index them, and forget them.

    Parameters
    ----------
    count : int
    seed : int
    """
    grid, levels = grid_for(_SIDE, _SIDE), block_levels(_EDGES, "uint8", Domain())
    cells = np.empty((len(levels), grid.cells, count), grid.count_dtype)
    boxes = np.empty((count, 4), np.int32)
    exact = np.empty((len(RANGES), 2, count), np.int64)
    left, share = pixel_centres(COARSE_SIDE, _SIDE)
    constant = np.array([constant_box(_SIDE)] * _CHUNK, np.int32)

    def draw(start: int) -> None:
        here = slice(start, min(start + _CHUNK, count))
        n = here.stop - start
        rng = np.random.default_rng([seed, start])
        # Both of a pair are masks like any other here.
        coarse = draw_coarse(rng, n + n % 2).astype(np.float32)
        masks = np.empty((2, -(-n // 2), _SIDE, _SIDE), np.uint8)
        shape = (-1, 2, COARSE_SIDE, COARSE_SIDE)
        draw_pairs(coarse.reshape(shape), left, share.astype(np.float32), masks)
        flat = masks.reshape(-1, _SIDE, _SIDE)[:n]
        boxes[here] = draw_boxes(rng, n, _SIDE)
        cells[:, :, here] = build_chi(flat, grid, levels).data
        for at, values in enumerate(RANGES):
            for kind, regions in enumerate((constant[:n], boxes[here])):
                scan_boxes(flat, regions, *stored_range(*values), exact[at, kind, here])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(draw, range(0, count, _CHUNK)))
    return Columns(levels, dict(enumerate(cells, 1)), boxes, exact)


def time_bounds(drawn: int, rows: int, seed: int, repeats: int) -> list[BoundsTimes]:
    """Time the bounds of constant, of each mask's own, and of regions with a histogram.

    Parameters
    ----------
    drawn : int
        Masks that are drawn; their bounds are held against their counts.
    rows : int
        Masks whose columns are taken at random from those drawn, of the constant region alone.
    seed : int
    repeats : int
    """
    columns = draw_columns(drawn, seed)
    grid, n = grid_for(_SIDE, _SIDE), len(columns.boxes)
    constant = resolve(Box(*constant_box(_SIDE)), grid, n).coverage()
    column = Boxes(columns.boxes, np.zeros(n, np.bool_))
    region = resolve(BoxColumn("object_box"), grid, n, column)
    found = []
    for at, values in enumerate(RANGES):
        marks = bracket(ValueRange.of(*values, Domain()), columns.levels, "uint8", Domain())
        for name, coverage in (("constant", constant), ("object", region.coverage())):
            exact = columns.exact[at, int(name == "object")]
            work = _adding(columns.cells, marks, coverage, n)
            size = _bytes_of(columns.cells, marks, coverage)
            times = timed(work, repeats, partial(_check, exact))
            found.append(BoundsTimes(f"{name} ROI", values, n, size, times))
        held = {level: columns.exact[at, 1].astype(np.uint16) for level in marks.needed}
        area = region.area()
        times = timed(lambda: histogram_bounds(held, marks, area), repeats)  # noqa: B023
        size = sum(counts.nbytes for counts in held.values())
        found.append(BoundsTimes("object ROI, with its histogram", values, n, size, times))
        many = _many(columns.cells, marks, constant, rows, seed)
        times = timed(_adding(many, marks, constant, rows), repeats)
        size = _bytes_of(many, marks, constant)
        found.append(BoundsTimes("constant ROI, most rows", values, rows, size, times))
    return found


def time_growth(drawn: int, rows: int, seed: int, repeats: int) -> list[BoundsTimes]:
    """Time the bounds of the constant region for a thousand masks up to many.

    Parameters
    ----------
    drawn, rows, seed, repeats : int
        As for `time_bounds`.
    """
    columns = draw_columns(min(drawn, _GROWN_FROM), seed)
    grid, n = grid_for(_SIDE, _SIDE), len(columns.boxes)
    constant = resolve(Box(*constant_box(_SIDE)), grid, n).coverage()
    values = RANGES[0]
    marks = bracket(ValueRange.of(*values, Domain()), columns.levels, "uint8", Domain())
    found = []
    for some in (*(size for size in (1000, 10_000, 100_000, 1_000_000) if size < rows), rows):
        many = _many(columns.cells, marks, constant, some, seed)
        times = timed(_adding(many, marks, constant, some), repeats)
        size = _bytes_of(many, marks, constant)
        found.append(BoundsTimes("constant ROI", values, some, size, times))
    return found


def _adding(cells: Counts, marks: Bracket, coverage: Coverage, n: int) -> Callable[[], Bounds]:
    grid = grid_for(_SIDE, _SIDE)
    wanted = {level: cells[level] for level in marks.needed}
    sum_bounds(wanted, marks, grid, coverage, n)  # compiles
    return lambda: sum_bounds(wanted, marks, grid, coverage, n)


def _bytes_of(cells: Counts, marks: Bracket, coverage: Coverage) -> int:
    return sum(len(coverage.cells) * cells[level][0].nbytes for level in marks.needed)


def _many(cells: Counts, marks: Bracket, coverage: Coverage, rows: int, seed: int) -> Counts:
    """Columns that the region touches, of rows taken at random; no others are filled in."""
    taken = np.random.default_rng(seed).integers(0, cells[1].shape[1], rows)
    found: Counts = {}
    for level in marks.needed:
        held = found[level] = np.empty((len(cells[level]), rows), cells[level].dtype)
        for cell in coverage.cells.tolist():
            np.take(cells[level][cell], taken, out=held[cell])
    return found


def _check(exact: NDArray[np.int64], bounds: Bounds) -> None:
    lower, upper = bounds
    if not ((lower <= exact) & (exact <= upper)).all():
        raise FailedError("bounds that do not hold the count")
