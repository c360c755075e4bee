"""Pixel-wise aggregates of groups of masks: bounds, and exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksearch_ray.index.aggregate_tiles import MemberTiles, count_aggregate_tiles
from masksearch_ray.index.bounds import cell_bounds
from masksearch_ray.index.build import build_chi
from masksearch_ray.index.group_bounds import (
    Kind,
    Sums,
    gather_members,
    group_bounds,
    lane_dtype,
    ones_in_range,
    threshold_bounds,
)
from masksearch_ray.index.levels import Bracket, block_levels, bracket
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.values import DTYPES, Domain, ValueRange, bin_edges
from tests.index.cases import DOMAINS, Block, palette, ranges

KINDS: tuple[Kind, ...] = ("intersect", "union", "avg")
UNIT = Domain(0, 1)
Masks = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of masks of one size; dtypes may differ."""

    masks: list[Masks]
    offsets: npt.NDArray[np.int64]
    domain: Domain
    edges: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.offsets) - 1

    def grid(self, cell: int) -> Grid:
        height, width = self.masks[0].shape
        return Grid(height, width, cell, 1)

    def of(self, g: int) -> list[Masks]:
        return self.masks[self.offsets[g] : self.offsets[g + 1]]


@st.composite
def groups(draw: st.DrawFn, mixed: bool = True) -> Groups:
    domain = draw(st.sampled_from(DOMAINS))
    edges = bin_edges(domain, draw(st.sampled_from((1, 3, 20))))
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    some = [draw(st.sampled_from(DTYPES))]
    if mixed and draw(st.booleans()):
        some = list(DTYPES)
    masks = []
    for dtype in rng.choice(some, sum(sizes)):
        colours = palette(str(dtype), domain, edges)
        # Few values make members agree often enough to matter.
        mask = rng.choice(rng.choice(colours, rng.integers(1, 4)), shape)
        if mask.dtype.kind == "f":
            noise = rng.uniform(domain.lo, domain.hi, shape).astype(dtype)
            mask = np.where(rng.random(shape) < 0.3, noise, mask)
            mask[rng.random(shape) < rng.choice([0, 0.2])] = np.nan
        masks.append(mask)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Groups(masks, offsets, domain, edges)


def aggregated(
    kind: Kind, threshold: ValueRange | None, members: Sequence[Masks], domain: Domain
) -> npt.NDArray[np.float64]:
    """Aggregate pixel by pixel in rational numbers."""
    height, width = members[0].shape
    out = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            out[y, x] = aggregated_pixel(kind, threshold, [m[y, x] for m in members], domain)
    return out


def aggregated_pixel(
    kind: Kind, threshold: ValueRange | None, pixels: Sequence[Any], domain: Domain
) -> float:
    exact = [rational(pixel, domain) for pixel in pixels]
    if threshold is not None:
        values = [None if e is None else float(e) for e in exact]
        ones = [int(v is not None and threshold.start <= v < threshold.stop) for v in values]
        exact = [Fraction(one) for one in ones]
    known = [e for e in exact if e is not None]
    if len(known) < len(exact):
        return float("nan")
    if kind != "avg":
        return float(min(known) if kind == "intersect" else max(known))
    if len({pixel.dtype for pixel in pixels}) > 1:
        known = [Fraction(float(e)) for e in known]
    return float(sum(known) / len(known))


def rational(pixel: Any, domain: Domain) -> Fraction | None:
    """Value of a stored pixel before it is rounded to float64."""
    if pixel.dtype.kind == "f":
        return None if np.isnan(pixel) else Fraction(float(pixel))
    if pixel.dtype == np.bool_:
        return Fraction(int(pixel))
    span = Fraction(domain.hi) - Fraction(domain.lo)
    return Fraction(domain.lo) + span * int(pixel) / int(np.iinfo(pixel.dtype).max)


def ends_of(
    found: Groups, wanted: ValueRange, grid: Grid
) -> tuple[dict[int, npt.NDArray[np.int64]], Bracket]:
    """Counts of every member at the levels next to the ends of a range, as four levels."""
    counts = {slot: np.zeros((len(found.masks), grid.cells), np.int64) for slot in range(5)}
    for i, mask in enumerate(found.masks):
        levels = block_levels(found.edges, mask.dtype.name, found.domain)
        held = build_chi(mask[None], grid, levels).by_level()
        mark = bracket(wanted, levels, mask.dtype.name, found.domain)
        ends = (0, mark.start_outer, mark.start_inner, mark.stop_inner, mark.stop_outer)
        assert set(ends) - {mark.none} == set(mark.needed_in_groups)
        for slot, level in enumerate(ends):
            if level in held:
                counts[slot][i] = held[level][:, 0]
            elif level == 0:
                counts[slot][i] = grid.cell_areas()
    return counts, Bracket(1, 2, 4, 3, False, 5)


def lanes_of(counts: npt.NDArray[np.int64], grid: Grid) -> npt.NDArray[Any]:
    """Counts of the members of one group, ``(size, cells)``, as lanes."""
    return counts.astype(lane_dtype(grid))[:, :, None]


def each_cell(grid: Grid, n: int = 1) -> Sums:
    """Every cell by itself, all of its pixels in the region."""
    areas = grid.cell_areas()
    inside = np.repeat(areas.astype(np.int32)[:, None], n, axis=1)
    return Sums(areas, inside, np.arange(grid.cells, dtype=np.int32), grid.cells)


def group_cell_bounds(
    kind: Kind, counts: dict[int, npt.NDArray[np.int64]], mark: Bracket, found: Groups, grid: Grid
) -> list[npt.NDArray[np.int64]]:
    """Bounds ``(2, cells)`` of every group."""
    bounds = []
    for g in range(found.n):
        of = slice(found.offsets[g], found.offsets[g + 1])
        held = {level: lanes_of(c[of], grid) for level, c in counts.items()}
        bounds.append(np.stack(group_bounds(kind, held, mark, each_cell(grid)))[:, :, 0])
    return bounds


def tiles_of(masks: Sequence[Masks], offsets: npt.NDArray[np.int64]) -> MemberTiles:
    return MemberTiles(masks, np.arange(len(masks)), offsets)


def per_cell(inside: npt.NDArray[np.bool_], grid: Grid) -> npt.NDArray[np.int64]:
    down = np.add.reduceat(inside, np.arange(0, grid.height, grid.cell), axis=0, dtype=np.int64)
    return np.add.reduceat(down, np.arange(0, grid.width, grid.cell), axis=1).ravel()


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), groups())
def test_bounds_hold(kind: Kind, data: st.DataObject, found: Groups) -> None:
    wanted = data.draw(ranges(found.domain, found.edges))
    grid = found.grid(data.draw(st.integers(1, 5)))
    counts, mark = ends_of(found, wanted, grid)
    for g, (lower, upper) in enumerate(group_cell_bounds(kind, counts, mark, found, grid)):
        values = aggregated(kind, None, found.of(g), found.domain)
        exact = per_cell((values >= wanted.start) & (values < wanted.stop), grid)
        assert (lower <= exact).all() and (exact <= upper).all()


@given(st.data(), groups(mixed=False))
def test_a_group_of_one_is_its_mask(data: st.DataObject, found: Groups) -> None:
    mask = found.masks[0]
    block = Block(mask[None], found.domain, found.grid(3), found.edges)
    levels = block_levels(block.edges, block.dtype, block.domain)
    wanted = data.draw(ranges(block.domain, block.edges))
    mark = bracket(wanted, levels, block.dtype, block.domain)
    counts = build_chi(block.masks, block.grid, levels).by_level()
    alone = cell_bounds(counts, mark, block.grid, np.zeros(1, np.intp))
    if mark.empty:
        return
    members = {level: lanes_of(c.T.astype(np.int64), block.grid) for level, c in counts.items()}
    # Where no counts are kept, all that is known is that nothing is NaN.
    members = members or {0: lanes_of(block.grid.cell_areas()[None], block.grid)}
    for kind in KINDS:
        lower, upper = group_bounds(kind, members, mark, each_cell(block.grid))
        assert (alone[0] == lower.T).all() and (alone[1] == upper.T).all()


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), groups())
def test_bounds_of_thresholded_members_hold(kind: Kind, data: st.DataObject, found: Groups) -> None:
    threshold = data.draw(ranges(found.domain, found.edges))
    wanted = data.draw(ranges(UNIT, (0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0)))
    grid = found.grid(data.draw(st.integers(1, 5)))
    bounds = []
    for mask in found.masks:
        levels = block_levels(found.edges, mask.dtype.name, found.domain)
        held = build_chi(mask[None], grid, levels).by_level()
        mark = bracket(threshold, levels, mask.dtype.name, found.domain)
        bounds.append(cell_bounds(held, mark, grid, np.zeros(1, np.intp)))
    for g in range(found.n):
        members = bounds[found.offsets[g] : found.offsets[g + 1]]
        ones = [lanes_of(np.concatenate([b[i] for b in members]), grid) for i in (0, 1)]
        lower, upper = threshold_bounds(kind, ones[0], ones[1], wanted, each_cell(grid))
        values = aggregated(kind, threshold, found.of(g), found.domain)
        exact = per_cell((values >= wanted.start) & (values < wanted.stop), grid)
        assert (lower[:, 0] <= exact).all() and (exact <= upper[:, 0]).all()


def test_agreeing_members_leave_no_doubt() -> None:
    grid = Grid(2, 2, 2, 1)
    full, none = (lanes_of(np.array([[c], [c]]), grid) for c in (4, 0))
    for kind in KINDS:
        for ones, values in ((full, ValueRange(1.0, 2.0)), (none, ValueRange(0.0, 0.5))):
            lower, upper = threshold_bounds(kind, ones, ones, values, each_cell(grid))
            assert lower.tolist() == upper.tolist() == [[4]]


def test_half_of_two_masks_that_cannot_meet() -> None:
    # One member marks all pixels of a cell, the other none: everywhere exactly one of two.
    grid = Grid(2, 2, 2, 1)
    ones = lanes_of(np.array([[4], [0]]), grid)
    for kind, values, count in (
        ("avg", ValueRange(0.5, 0.6), 4),
        ("avg", ValueRange(0.6, 2.0), 0),
        ("intersect", ValueRange(0.5, 2.0), 0),
        ("union", ValueRange(0.5, 2.0), 4),
    ):
        bounds = threshold_bounds(kind, ones, ones, values, each_cell(grid))  # type: ignore[arg-type]
        assert [b.tolist() for b in bounds] == [[[count]], [[count]]]


@pytest.mark.parametrize("kind", [*KINDS, "ones"])
@given(st.integers(1, 3), st.integers(1, 30), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_groups_side_by_side_are_bounded_each_for_itself(
    kind: Any, size: int, n: int, cell: int, alike: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid(int(rng.integers(1, 90)), int(rng.integers(1, 90)), cell, 2)
    areas = grid.cell_areas()
    shape = (5, size, grid.cells, n)
    # At level 0 what is not NaN, then fewer and fewer pixels.
    held = np.sort(rng.integers(0, areas[:, None] + 1, shape), axis=0)[::-1]
    counts = dict(enumerate(held.astype(lane_dtype(grid))))
    mark = Bracket(1, 2, 4, 3, False, 5)
    inside = rng.integers(0, areas[:, None] + 1, (grid.cells, 1 if alike else n)).astype(np.int32)

    def bounds(some: slice, sums: Sums) -> npt.NDArray[np.int64]:
        here = {level: np.ascontiguousarray(c[:, :, some]) for level, c in counts.items()}
        if kind != "ones":
            return np.stack(group_bounds(kind, here, mark, sums))
        wanted = ValueRange(0.4, 0.9)
        return np.stack(threshold_bounds("avg", here[2], here[1], wanted, sums))

    sums = Sums(areas, inside, grid.tile_of_cell(), grid.tiles)
    together = bounds(slice(None), sums)
    for g in range(n):
        each = bounds(slice(g, g + 1), each_cell(grid))[:, :, 0]
        part = inside[:, 0 if alike else g]
        of_cells = np.maximum(each[0] - (areas - part), 0), np.minimum(each[1], part)
        for found, expected in zip(together[:, :, g], of_cells, strict=True):
            wanted = np.bincount(grid.tile_of_cell(), expected, grid.tiles)
            assert found.tolist() == wanted.tolist()


@given(st.integers(1, 4), st.integers(1, 40), st.data())
def test_members_are_gathered_wherever_their_masks_lie(
    size: int, n: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    masks = size * n + 5
    counts = rng.integers(0, 200, (3, masks)).astype(np.uint8)
    rows = rng.permutation(masks)[: size * n] if data.draw(st.booleans()) else np.arange(size * n)
    held = np.full((size, 3, n), -1, np.int16)
    at = np.flatnonzero(rng.random(size * n) < 0.8)
    gather_members(counts, rows[at], at, held)
    expected = np.full((3, size * n), -1)
    expected[:, at] = counts[:, rows[at]]
    assert (held.transpose(1, 0, 2).reshape(3, -1) == expected).all()


@pytest.mark.parametrize("size", [1, 2, 3, 10, 49])
@given(data=st.data())
def test_numbers_of_ones_in_a_range(size: int, data: st.DataObject) -> None:
    wanted = data.draw(ranges(UNIT, tuple(j / size for j in range(size + 1))))
    for kind in KINDS:
        start, stop = ones_in_range(kind, size, wanted)
        for ones in range(size + 1):
            mean = float(Fraction(ones, size))
            extreme = float(ones == size if kind == "intersect" else ones > 0)
            assert (start <= ones < stop) == wanted.holds(mean if kind == "avg" else extreme)


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), groups(), st.booleans())
@settings(max_examples=60)
def test_tiles_of_aggregates_are_counted_exactly(
    kind: Kind, data: st.DataObject, found: Groups, thresholded: bool
) -> None:
    threshold = data.draw(ranges(found.domain, found.edges)) if thresholded else None
    values = [aggregated(kind, threshold, found.of(g), found.domain) for g in range(found.n)]
    domain = UNIT if thresholded else found.domain
    seen = [float(v) for v in np.unique(np.concatenate(values, axis=None)) if not np.isnan(v)]
    wanted = data.draw(ranges(domain, (*seen, domain.lo, domain.hi)))
    marked = np.random.default_rng(7).random((found.n, *found.masks[0].shape)) < 0.8
    held = tiles_of(found.masks, found.offsets)
    counts = count_aggregate_tiles(kind, threshold, held, marked, wanted, found.domain)
    for g in range(found.n):
        inside = (values[g] >= wanted.start) & (values[g] < wanted.stop) & marked[g]
        assert counts[g] == inside.sum()
    if len({mask.dtype for mask in found.masks}) == 1:
        # For which there are compiled loops, in whatever order tiles are.
        order = np.random.default_rng(8).permutation(len(found.masks))
        together = MemberTiles(np.stack(found.masks)[order], np.argsort(order), found.offsets)
        again = count_aggregate_tiles(kind, threshold, together, marked, wanted, found.domain)
        assert again.tolist() == counts.tolist()
        every = np.ones_like(marked)
        whole = [
            count_aggregate_tiles(kind, threshold, one, where, wanted, found.domain).tolist()
            for one, where in ((held, every), (held, None), (together, every), (together, None))
        ]
        assert whole[1:] == whole[:-1]


def test_the_mean_of_floats_is_rounded_once() -> None:
    # Added up in float64 one after the other, these are rounded several times.
    members = [np.full((1, 1), v, np.float32) for v in (1.0, 2.0**-24, 2.0**-70)]
    members += [np.full((1, 1), v, np.float16) for v in (0.1, 0.2)]
    exact = float(sum(Fraction(float(m[0, 0])) for m in members) / 5)
    every, offsets = np.ones((1, 1, 1), np.bool_), np.array([0, 5])
    for start, stop, count in (
        (exact, np.nextafter(exact, 2), 1),
        (np.nextafter(exact, 0), exact, 0),
    ):
        wanted = ValueRange(float(start), float(stop))
        found = count_aggregate_tiles("avg", None, tiles_of(members, offsets), every, wanted, UNIT)
        assert found.tolist() == [count]


def test_means_next_to_a_threshold_are_decided_exactly() -> None:
    rng = np.random.default_rng(11)
    spread = 10.0 ** rng.uniform(-30, 0, (3, 8, 8))
    members = list(spread.astype(np.float32))
    values = aggregated("avg", None, members, UNIT)
    every, offsets = np.ones((1, 8, 8), np.bool_), np.array([0, 3])
    for value in values.ravel():
        for wanted in (
            ValueRange(float(value), float(np.nextafter(value, 2))),
            ValueRange(float(np.nextafter(value, 2)), 2.0),
        ):
            found = count_aggregate_tiles(
                "avg", None, tiles_of(members, offsets), every, wanted, UNIT
            )
            assert found[0] == ((values >= wanted.start) & (values < wanted.stop)).sum()


def test_signalling_nan_is_nan() -> None:
    signalling = np.array([[0x7F800001]], np.uint32).view(np.float32)
    members: list[Masks] = [
        signalling,
        np.array([[0.5]], np.float32),
        np.array([[0.5]], np.float16),
    ]
    every, offsets = np.ones((1, 1, 1), np.bool_), np.array([0, 3])
    wanted = ValueRange(-np.inf, np.inf)
    for kind in KINDS:
        found = count_aggregate_tiles(kind, None, tiles_of(members, offsets), every, wanted, UNIT)
        assert found.tolist() == [0]
