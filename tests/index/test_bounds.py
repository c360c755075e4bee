"""Bounds contain the exact count, and are at least as tight as the paper's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.index.bounds import (
    cell_bounds,
    difference_histogram,
    histogram_bounds,
    row_tile_bounds,
    sum_bounds,
    tile_bounds,
)
from masksearch_ray.index.build import build_chi, build_histogram, histogram_of_chi, join_counts
from masksearch_ray.index.levels import Bracket, block_levels, bracket
from masksearch_ray.index.region import Boxes, BoxLists, resolve
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.roi import Box, BoxColumn, BoxListColumn, FullImage, Outside
from masksearch_ray.model.values import Domain, ValueRange, bin_edges, stored_cut
from tests.index.cases import Block, Drawn, blocks, count, ranges, rois

UNIT = Domain(0, 1)
Ints = npt.NDArray[np.int64]
Counts = dict[int, npt.NDArray[Any]]


def index_of(block: Block) -> tuple[tuple[float, ...], Counts]:
    levels = block_levels(block.edges, block.dtype, block.domain)
    return levels, dict(build_chi(block.masks, block.grid, levels).by_level())


def only(counts: Counts, mark: Bracket, cells: npt.NDArray[np.int32]) -> Counts:
    """What a reader fetches: the columns asked for; all other numbers are rubbish."""
    read = {}
    for level in set(mark.needed) & set(counts):
        read[level] = np.full_like(counts[level], 0xEE)
        read[level][cells] = counts[level][cells]
    return read


def two_region_bounds(
    values: npt.NDArray[np.float64], mark: Bracket, cuts: list[float], drawn: Drawn, grid: Grid
) -> tuple[Ints, Ints]:
    """Bounds of the paper: from the cells that cover the region, and from those inside it."""
    rows = np.arange(grid.height) // grid.cell
    cols = np.arange(grid.width) // grid.cell
    cell_of = rows[:, None] * grid.cell_cols + cols
    inside = np.array([np.bincount(cell_of.ravel(), p.ravel(), grid.cells) for p in drawn.pixels])
    areas = np.bincount(cell_of.ravel(), minlength=grid.cells)
    covering, within = (inside > 0)[:, cell_of], (inside == areas)[:, cell_of]
    outer = ValueRange(cuts[mark.start_outer], cuts[mark.stop_outer])
    inner = ValueRange(cuts[mark.start_inner], max(cuts[mark.start_inner], cuts[mark.stop_inner]))
    area, cover, core = (p.sum((1, 2)) for p in (drawn.pixels, covering, within))
    upper = np.minimum(count(values, outer, covering), count(values, outer, within) + area - core)
    lower = np.maximum(count(values, inner, within), count(values, inner, covering) - cover + area)
    return lower, upper


@given(st.data(), blocks())
def test_bounds_hold_and_are_no_looser_than_the_papers(data: st.DataObject, block: Block) -> None:
    drawn = data.draw(rois(block.grid, block.n))
    wanted = data.draw(ranges(block.domain, block.edges))
    levels, counts = index_of(block)
    mark = bracket(wanted, levels, block.dtype, block.domain)
    coverage = drawn.region(block.grid).coverage()
    read = only(counts, mark, coverage.cells)
    lower, upper = sum_bounds(read, mark, block.grid, coverage, block.n)
    values = block.values()
    exact = count(values, wanted, drawn.pixels)
    assert (lower <= exact).all() and (exact <= upper).all()
    if not mark.empty:
        # In stored units: levels are cut-offs of these.
        stored = block.masks.astype(np.float64)
        cuts = [-np.inf, *levels, np.inf]
        paper_lower, paper_upper = two_region_bounds(stored, mark, cuts, drawn, block.grid)
        assert (paper_lower <= lower).all() and (upper <= paper_upper).all()


@given(st.data(), blocks())
def test_bounds_of_tiles_add_up(data: st.DataObject, block: Block) -> None:
    drawn = data.draw(rois(block.grid, block.n))
    wanted = data.draw(ranges(block.domain, block.edges))
    levels, counts = index_of(block)
    mark = bracket(wanted, levels, block.dtype, block.domain)
    region, grid = drawn.region(block.grid), block.grid
    read = only(counts, mark, region.cells())
    rows = np.array(data.draw(st.permutations(range(block.n))))
    low, high = cell_bounds(read, mark, grid, rows)
    lower, upper = tile_bounds(low, high, region.coverage_of(rows), grid)
    again = row_tile_bounds(read, mark, grid, region.coverage_on(rows), rows)
    assert (again[0] == lower).all() and (again[1] == upper).all()
    values = block.values()
    for tile in range(grid.tiles):
        x0, y0, x1, y1 = grid.tile_box(tile)
        window = np.s_[rows, y0:y1, x0:x1]
        exact = count(values[window], wanted, drawn.pixels[window])
        assert (lower[:, tile] <= exact).all() and (exact <= upper[:, tile]).all()
    total = sum_bounds(read, mark, grid, region.coverage(), block.n)
    assert (lower.sum(1) == total[0][rows]).all() and (upper.sum(1) == total[1][rows]).all()


@given(st.data(), blocks(nan=False))
def test_aligned_regions_and_ranges_are_exact(data: st.DataObject, block: Block) -> None:
    grid = block.grid
    x = st.integers(0, grid.cell_cols).map(lambda col: col * grid.cell)
    y = st.integers(0, grid.cell_rows).map(lambda row: row * grid.cell)
    roi = Box(*sorted_box(data.draw(st.tuples(x, y, x, y))))
    first = data.draw(st.integers(0, len(block.edges) - 2))
    stop = data.draw(st.sampled_from((*block.edges[first:-1], np.inf)))
    wanted = ValueRange(block.edges[first], stop)
    levels, counts = index_of(block)
    mark = bracket(wanted, levels, block.dtype, block.domain)
    region = resolve(roi, grid, block.n)
    lower, upper = sum_bounds(counts, mark, grid, region.coverage(), block.n)
    assert mark.exact and (lower == upper).all()
    pixels = np.zeros(block.masks.shape, np.bool_)
    pixels[:, roi.y0 : roi.y1, roi.x0 : roi.x1] = True
    assert (lower == count(block.values(), wanted, pixels)).all()


def sorted_box(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


@given(st.data(), blocks())
def test_histograms_are_exact_in_space(data: st.DataObject, block: Block) -> None:
    drawn = data.draw(rois(block.grid, block.n))
    levels, counts = index_of(block)
    region = drawn.region(block.grid)
    histogram = build_histogram(block.masks, region, levels)
    stored = block.masks.astype(np.float64)
    for level, found in histogram.by_level().items():
        at_least = ValueRange([-np.inf, *levels][level], np.inf)
        assert (found[0] == count(stored, at_least, drawn.pixels)).all()
    assert set(histogram.by_level()) == set(counts)
    wanted = data.draw(ranges(block.domain, block.edges))
    mark = bracket(wanted, levels, block.dtype, block.domain)
    one = {level: found[0] for level, found in histogram.by_level().items()}
    lower, upper = histogram_bounds(one, mark, region.area())
    exact = count(block.values(), wanted, drawn.pixels)
    assert (lower <= exact).all() and (exact <= upper).all()
    assert not mark.exact or (lower == upper).all()


@given(st.data(), blocks())
def test_histogram_outside_is_a_difference(data: st.DataObject, block: Block) -> None:
    drawn = data.draw(rois(block.grid, block.n))
    levels = block_levels(block.edges, block.dtype, block.domain)
    region = drawn.region(block.grid)
    full = histogram_of_chi(build_chi(block.masks, block.grid, levels))
    again = build_histogram(block.masks, resolve(FullImage(), block.grid, block.n), levels)
    assert (full.data == again.data).all() and (full.areas == again.areas).all()
    inner = build_histogram(block.masks, region, levels)
    outside = resolve(Outside(drawn.roi), block.grid, block.n, drawn.column)
    outer = build_histogram(block.masks, outside, levels).by_level()
    for level, counts in difference_histogram(full.by_level(), inner.by_level()).items():
        assert (counts[0][~drawn.null] == outer[level][0][~drawn.null]).all()


@given(st.data(), blocks())
def test_batches_join(data: st.DataObject, block: Block) -> None:
    levels = block_levels(block.edges, block.dtype, block.domain)
    region = data.draw(rois(block.grid, block.n)).region(block.grid)
    cut = data.draw(st.integers(0, block.n))
    parts = [np.arange(cut), np.arange(cut, block.n)]
    whole = build_chi(block.masks, block.grid, levels)
    joined = join_counts([build_chi(block.masks[rows], block.grid, levels) for rows in parts])
    assert joined.nan == whole.nan and (joined.data == whole.data).all()
    whole = build_histogram(block.masks, region, levels)
    joined = join_counts(
        [build_histogram(block.masks[rows], region.take(rows), levels) for rows in parts]
    )
    assert joined.nan == whole.nan and (joined.data == whole.data).all()
    assert (joined.areas == whole.areas).all()


# Sides of which cells hold 255, 256, 65,025 and 65,536 pixels are those where counts need wider
# integers; full masks of the first two need sums that are wider than the counts.
WIDTHS = [
    (Grid(60, 51, 15, 1), 40),
    (Grid(448, 448, 32, 2), 2100),
    (Grid(30, 29, 7, 1), 17_000),  # more masks than are bounded at a time
    (Grid(600, 300, 255, 1), 2100),
    (Grid(600, 300, 256, 1), 2100),
    (Grid(3, 2, 1, 1), 1),
]
MARKS = {
    "from a level up": Bracket(2, 2, 6, 6, False, 6),
    "between levels": Bracket(2, 2, 4, 4, False, 6),
    "up to a level": Bracket(0, 0, 3, 3, False, 6),
    "every value": Bracket(0, 0, 6, 6, False, 6),
    "about a range": Bracket(1, 2, 5, 4, False, 6),
    "about a high range": Bracket(4, 5, 6, 6, False, 6),
    "inside a bin": Bracket(3, 4, 4, 3, False, 6),
}


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize(("grid", "n"), WIDTHS)
def test_bounds_are_their_definition_at_any_width(grid: Grid, n: int, name: str) -> None:
    rng, mark, areas = np.random.default_rng(7), MARKS[name], grid.cell_areas()
    share = np.sort(rng.beta(0.2, 0.2, (6, grid.cells, n)), axis=0)[::-1]
    counts = {i: np.rint(share[i] * areas[:, None]).astype(grid.count_dtype) for i in range(1, 6)}
    ends: dict[int, Any] = {**counts, 0: areas[:, None], 6: np.zeros((grid.cells, 1))}

    def between(start: int, stop: int) -> npt.NDArray[np.int64]:
        found = ends[start].astype(np.int64) - ends[stop].astype(np.int64)
        return np.asarray(np.broadcast_to(found, (grid.cells, n)).T)

    high = between(mark.start_outer, mark.stop_outer)
    low = between(mark.start_inner, mark.stop_inner) if mark.has_inner else np.zeros_like(high)
    boxes = rng.integers(-20, max(grid.width, grid.height) + 20, (n, 4)).astype(np.int32)
    column = Boxes(boxes, rng.random(n) < 0.1)
    lists = BoxLists(np.arange(n + 1), boxes, column.null)
    box = Box(grid.width // 4, grid.height // 3, grid.width, grid.height)
    for roi, held in (
        (FullImage(), None),
        (box, None),
        (Outside(box), None),
        (BoxColumn("b"), column),
        (Outside(BoxColumn("b")), column),
        (BoxListColumn("b"), lists),
    ):
        coverage = resolve(roi, grid, n, held).coverage()
        inside = coverage.of(np.arange(n)).astype(np.int64)
        lower, upper = sum_bounds(counts, mark, grid, coverage, n)
        assert (upper == np.minimum(high, inside).sum(axis=1)).all()
        assert (lower == np.maximum(0, low - (areas - inside)).sum(axis=1)).all()


def test_a_range_inside_one_bin_has_no_lower_bound_but_0() -> None:
    masks = np.full((1, 8, 8), 130, np.uint8)
    grid = Grid(8, 8, 4, 1)
    levels = block_levels(bin_edges(UNIT, 20), "uint8", UNIT)
    counts = build_chi(masks, grid, levels).by_level()
    mark = bracket(ValueRange(0.501, 0.513), levels, "uint8", UNIT)
    assert not mark.has_inner
    everything = resolve(FullImage(), grid, 1).coverage()
    lower, upper = sum_bounds(counts, mark, grid, everything, 1)
    assert (lower[0], upper[0]) == (0, 64)


def test_a_level_that_was_not_read_is_missed() -> None:
    grid = Grid(8, 8, 4, 1)
    levels = block_levels(bin_edges(UNIT, 20), "uint8", UNIT)
    mark = bracket(ValueRange(0.5, 0.6), levels, "uint8", UNIT)
    everything = resolve(FullImage(), grid, 1).coverage()
    with pytest.raises(KeyError):
        sum_bounds({}, mark, grid, everything, 1)
    with pytest.raises(KeyError):
        histogram_bounds({}, mark, np.array([64]))


def test_more_masks_than_are_bounded_at_a_time() -> None:
    rng = np.random.default_rng(5)
    masks = rng.integers(0, 256, (1300, 9, 7), np.uint8)
    grid = Grid(9, 7, 4, 1)
    levels = block_levels(bin_edges(UNIT, 20), "uint8", UNIT)
    counts = build_chi(masks, grid, levels).by_level()
    wanted = ValueRange(0.31, 0.72)
    mark = bracket(wanted, levels, "uint8", UNIT)
    coverage = resolve(Box(1, 2, 6, 9), grid, 1300).coverage()
    lower, upper = sum_bounds(counts, mark, grid, coverage, 1300)
    start, stop = (stored_cut(v, "uint8", UNIT) for v in (wanted.start, wanted.stop))
    inside = masks[:, 2:9, 1:6]
    exact = ((inside >= start) & (inside < stop)).sum((1, 2))
    assert (lower <= exact).all() and (exact <= upper).all() and (lower < upper).all()
