"""The members of groups: gathering their counts and tiles, group by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.errors import QueryError
from masksearch_ray.execute.grouping import Groups
from masksearch_ray.execute.interval import Bools
from masksearch_ray.execute.rows import Part, Rows
from masksearch_ray.execute.steps import side_by_side
from masksearch_ray.execute.stored import stored_levels
from masksearch_ray.index.aggregate_tiles import MemberTiles, count_aggregate_tiles
from masksearch_ray.index.coverage import ConstantCoverage
from masksearch_ray.index.group_bounds import (
    Sums,
    gather_members,
    group_bounds,
    lane_dtype,
    threshold_bounds,
)
from masksearch_ray.index.levels import Bracket, bracket
from masksearch_ray.index.region import Region
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.query import CountPixels
from masksearch_ray.model.shard import ReadCounts, ReadTiles, Steps, TileBatch
from masksearch_ray.model.values import ValueRange

__all__ = ["Members", "TileBounds"]

Index = npt.NDArray[np.int64]
# Groups of one size, as positions among those asked for; the counts of their members by level, each
# ``(size, cells, n)``; and where the range lies among these levels.
_Gathered = tuple[Index, dict[int, npt.NDArray[Any]], Bracket]

# Members of one group may have different levels (dtypes differ): the four ends of the range are
# gathered for each member as if they were levels 1 to 4 of a block of their own; 0 is "valid".
_ENDS = Bracket(start_outer=1, start_inner=2, stop_outer=4, stop_inner=3, empty=False, none=5)
# The same where no pixel is beyond the range.
_OPEN = replace(_ENDS, stop_outer=_ENDS.none, stop_inner=_ENDS.none)


@dataclass(frozen=True, eq=False)
class TileBounds:
    """Bounds of a term on g groups, tile by tile: int64 ``(g, tiles)``; null: bool ``(g,)``."""

    lower: Index
    upper: Index
    null: Bools


class Members:
    """Rows in groups.

    Parameters
    ----------
    rows : Rows
    groups : Groups
        Of the rows.
    """

    def __init__(self, rows: Rows, groups: Groups) -> None:
        self.rows = rows
        self.groups = groups
        self.first = groups.order[groups.offsets[:-1]]
        part_of = np.zeros(rows.n, np.int64)
        for number, part in enumerate(rows.parts):
            part_of[part.start : part.stop] = number
        self._part_of = part_of
        grids = list(dict.fromkeys(part.view.grid for part in rows.parts))
        self._grids = grids
        of_part = np.array([grids.index(p.view.grid) for p in rows.parts] or [0], np.int64)
        self._grid_of = of_part[part_of]
        # The last counts gathered: the next term mostly has the same range on the same groups.
        self._gathered: tuple[ValueRange, Index, list[_Gathered]] | None = None

    @property
    def grids(self) -> Index:
        """Number of the grid of each group's first member, int64 ``(G,)``."""
        return self._grid_of[self.first]

    def sizes(self) -> Index:
        """Number of the grid of each row, which tells its mask's size."""
        return self._grid_of

    def of(self, at: Index) -> tuple[Index, Groups]:
        """Members of some groups, group after group, and these as groups of their own."""
        starts, sizes = self.groups.offsets[at], self.groups.sizes[at]
        offsets = np.zeros(len(at) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        items = self.groups.order[np.repeat(starts, sizes) + within]
        codes = np.repeat(np.arange(len(at)), sizes)
        keys = tuple(key.take(at) for key in self.groups.keys)
        return items, Groups(keys, codes, np.arange(len(items)), offsets)

    def require_same(self, codes: Index, what: str, name: Callable[[int], str]) -> None:
        """Refuse groups whose members differ in a code."""
        low = self.groups.reduce(np.minimum, codes)
        high = self.groups.reduce(np.maximum, codes)
        wrong = np.flatnonzero(low != high)
        if len(wrong):
            raise QueryError(
                f"group {name(int(wrong[0]))} holds {what}",
                hint="a mask aggregate wants masks that agree; add a condition or a key",
            )

    # -- bounds -------------------------------------------------------------------------------

    def bounds(self, term: CountPixels, at: Index) -> Steps[TileBounds]:
        """Bounds of a mask aggregate's term on groups of one grid, all tiles as one."""
        grid = self._grids[self.grids[at[0]]]
        return self._bounds(term, at, np.zeros(grid.cells, np.int32), 1)

    def tile_bounds(self, term: CountPixels, at: Index) -> Steps[TileBounds]:
        """Bounds of a mask aggregate's term on groups of one grid."""
        grid = self._grids[self.grids[at[0]]]
        return self._bounds(term, at, grid.tile_of_cell(), grid.tiles)

    def _bounds(
        self, term: CountPixels, at: Index, of_cell: npt.NDArray[np.int32], places: int
    ) -> Steps[TileBounds]:
        grid = self._grids[self.grids[at[0]]]
        source = term.source
        assert source.aggregate is not None
        wanted = source.threshold or term.range
        held = self._gathered
        if held is None or held[0] != wanted or held[1] is not at:
            held = wanted, at, (yield from self._gather(wanted, at, grid))
            self._gathered = held
        inside, null = yield from self._coverage(term, self.first[at], grid)
        lower, upper = np.zeros((2, len(at), places), np.int64)
        for same, counts, ends in held[2]:
            of_each = inside if inside.shape[1] == 1 else np.ascontiguousarray(inside[:, same])
            sums = Sums(grid.cell_areas(), of_each, of_cell, places)
            if source.threshold is not None:
                ones = cell_bounds_of(counts)
                found = threshold_bounds(source.aggregate, *ones, term.range, sums)
            elif term.range.start < term.range.stop:
                found = group_bounds(source.aggregate, counts, ends, sums)
            else:
                continue
            lower[same], upper[same] = found[0].T, found[1].T
        return TileBounds(lower, upper, null)

    def _gather(self, values: ValueRange, at: Index, grid: Grid) -> Steps[list[_Gathered]]:
        """Counts of members at the ends of a range, as levels 0 to 4 of `_ENDS`."""
        sizes = self.groups.sizes[at]
        alike = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
        items = [self._table(at[same]) for same in alike]
        numbers: list[int] = []
        if self.rows.use_index:
            held = (self._part_of[table].ravel() for table in items)
            numbers = np.flatnonzero(np.bincount(np.concatenate(list(held)))).tolist()
        marks = {number: self._marks(number, values) for number in numbers}
        read = yield from side_by_side(
            [self._columns(number, marks[number], grid) for number in numbers]
        )
        columns = dict(zip(numbers, read, strict=True))
        ends = _OPEN if numbers and self._open(marks) else _ENDS
        return [
            (same, self._ends(table, marks, columns, grid), ends)
            for same, table in zip(alike, items, strict=True)
        ]

    def _table(self, at: Index) -> Index:
        """Items of groups of one size: int64 ``(size, n)``."""
        starts, sizes = self.groups.offsets[at], self.groups.sizes[at]
        return self.groups.order[starts + np.arange(sizes[0])[:, None]]

    def _ends(
        self,
        items: Index,
        marks: Mapping[int, tuple[int, ...]],
        columns: Mapping[int, Mapping[int, npt.NDArray[Any]]],
        grid: Grid,
    ) -> dict[int, npt.NDArray[Any]]:
        """Counts ``(size, cells, n)`` of the members of groups of one size."""
        size, n = items.shape
        areas = grid.cell_areas()[:, None]
        flat = items.ravel()
        parts = [(number, at, self._positions(number, flat[at])) for number, at in self._by(flat)]
        found: dict[int, npt.NDArray[Any]] = {}
        nan = any(self.rows.parts[number].view.nan for number in marks)
        for slot in range(0 if nan else 1, 5):
            # Ends that are the same in every part need to be gathered only once.
            alike = [s for s in found if all(ends[s] == ends[slot] for ends in marks.values())]
            if alike and marks:
                found[slot] = found[alike[0]]
                continue
            lanes = found[slot] = np.zeros((size, grid.cells, n), lane_dtype(grid))
            if not marks and slot == _ENDS.start_outer:
                lanes[:] = areas  # without the index no more is known
            for number, at, rows in parts if marks else []:
                level = marks[number][slot]
                if level in columns[number]:
                    gather_members(columns[number][level], rows, at, lanes)
                elif level == 0:
                    members, groups = np.divmod(at, n)
                    lanes[members, :, groups] = areas[:, 0]
        return found

    def _open(self, marks: Mapping[int, tuple[int, ...]]) -> bool:
        """Whether no pixel of members is beyond a range."""
        none = {number: len(self.rows.parts[number].view.levels) + 1 for number in marks}
        return all(set(ends[3:]) == {none[number]} for number, ends in marks.items())

    def _marks(self, number: int, values: ValueRange) -> tuple[int, ...]:
        """Level indices of a part for the slots 0 to 4 of `_ENDS`."""
        view = self.rows.parts[number].view
        marks = bracket(values, view.levels, view.shape.dtype, self.rows.domain)
        return 0, marks.start_outer, marks.start_inner, marks.stop_inner, marks.stop_outer

    def _columns(
        self, number: int, ends: tuple[int, ...], grid: Grid
    ) -> Steps[Mapping[int, npt.NDArray[Any]]]:
        view = self.rows.parts[number].view
        every = np.arange(grid.cells, dtype=np.int32)
        none = len(view.levels) + 1
        wanted = stored_levels(set(ends) - {none}, view)
        counts: Mapping[int, npt.NDArray[Any]]
        counts = yield ReadCounts(view.segment, view.block, dict.fromkeys(wanted, every))
        return counts

    def _coverage(
        self, term: CountPixels, items: Index, grid: Grid
    ) -> Steps[tuple[npt.NDArray[np.int32], Bools]]:
        """Pixels of each cell in the region, ``(cells, n)`` or ``(cells, 1)``, and no region."""
        null = np.zeros(len(items), np.bool_)
        parts = self._by(items)
        numbers = [number for number, _ in parts]
        regions = yield from side_by_side([self.rows.region(n, term.roi) for n in numbers])
        same = _same_everywhere(regions)
        inside = np.empty((grid.cells, len(items) if same is None else 0), np.int32)
        for (number, members), region in zip(parts, regions, strict=True):
            rows = self._positions(number, items[members])
            if same is None:
                inside[:, members] = region.coverage_of(rows).T
            if region.null is not None:
                null[members] = region.null[rows]
        return inside if same is None else same, null

    def _by(self, items: Index) -> list[tuple[int, Index]]:
        """Parts that hold some of the items, each with the positions of those that it holds."""
        parts = self._part_of[items]
        numbers = np.flatnonzero(np.bincount(parts)).tolist()
        if len(numbers) == 1:
            return [(numbers[0], np.arange(len(items)))]
        return [(number, np.flatnonzero(parts == number)) for number in numbers]

    def _positions(self, number: int, items: Index) -> Index:
        part: Part = self.rows.parts[number]
        return part.positions[items - part.start]

    # -- verification -------------------------------------------------------------------------

    def read(self, at: Index, tiles: Index) -> Steps[MemberTiles]:
        """Tiles ``(pairs,)`` of all members of groups ``(pairs,)``."""
        items, local = self.of(at)
        wanted = np.repeat(tiles, local.sizes)
        parts = self._by(items)
        batches = []
        for number, members in parts:
            view = self.rows.parts[number].view
            rows = self._positions(number, items[members])
            batches.append(TileBatch(view.segment, view.block, rows, wanted[members]))
        one = len({self.rows.parts[number].view.shape.dtype for number, _ in parts}) == 1
        answer = yield ReadTiles(tuple(batches), joined=one)
        self.rows.verified[items] = True
        self.rows.tiles_read += len(items)
        # They come part by part.
        members = np.empty(len(items), np.int64)
        members[np.concatenate([held for _, held in parts])] = np.arange(len(items))
        pixels = answer if one else [tile for tiles_of in answer for tile in tiles_of]
        return MemberTiles(pixels, members, local.offsets)

    def count(self, term: CountPixels, at: Index, tiles: Index, held: MemberTiles) -> Steps[Index]:
        """Exact counts ``(pairs,)`` of a mask aggregate's term in tiles."""
        source = term.source
        assert source.aggregate is not None
        items, side = self.first[at], held.side
        parts = self._by(items)
        regions = yield from side_by_side([self.rows.region(n, term.roi) for n, _ in parts])
        bitmaps: npt.NDArray[np.bool_] | None = None
        if not _hold_all(regions, tiles, side):
            bitmaps = np.zeros((len(at), side, side), np.bool_)
            for (number, members), region in zip(parts, regions, strict=True):
                rows = self._positions(number, items[members])
                bitmaps[members] = region.bitmaps(rows, tiles[members])
        return count_aggregate_tiles(
            source.aggregate, source.threshold, held, bitmaps, term.range, self.rows.domain
        )


def _hold_all(regions: Sequence[Region], tiles: Index, side: int) -> bool:
    """Whether regions hold every pixel of tiles, of which none juts out over the rim."""
    inside = _same_everywhere(regions)
    if inside is None:
        return False
    grid = regions[0].grid
    held = np.bincount(grid.tile_of_cell(), inside[:, 0], grid.tiles)
    return bool((held[tiles] == side * side).all())


def _same_everywhere(regions: Sequence[Region]) -> npt.NDArray[np.int32] | None:
    """Pixels of each cell in regions, ``(cells, 1)``, where they are the same in all masks."""
    first = regions[0].coverage()
    for region in regions:
        held = region.coverage()
        if not isinstance(held, ConstantCoverage) or not isinstance(first, ConstantCoverage):
            return None
        if held is not first and not np.array_equal(held.inside, first.inside):
            return None
    assert isinstance(first, ConstantCoverage)
    return first.inside[:, None]


def cell_bounds_of(counts: Mapping[int, npt.NDArray[Any]]) -> tuple[Index, Index]:
    """Bounds of the pixels in range for each member and cell, from counts at the four ends."""
    low = np.maximum(counts[_ENDS.start_inner] - counts[_ENDS.stop_inner], 0)
    high = counts[_ENDS.start_outer] - counts[_ENDS.stop_outer]
    return low, high
