"""The members of groups: gathering their counts and tiles, group by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.errors import QueryError
from masksearch_ray.execute.grouping import Groups
from masksearch_ray.execute.interval import Array, Bools
from masksearch_ray.execute.rows import Part, Rows
from masksearch_ray.execute.steps import side_by_side
from masksearch_ray.execute.stored import stored_levels
from masksearch_ray.index.aggregate_tiles import count_aggregate_tiles
from masksearch_ray.index.bounds import tile_bounds
from masksearch_ray.index.group_bounds import group_cell_bounds, threshold_cell_bounds
from masksearch_ray.index.levels import Bracket, bracket
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.query import CountPixels
from masksearch_ray.model.shard import ReadCounts, ReadTiles, Steps, TileBatch
from masksearch_ray.model.values import ValueRange

__all__ = ["Members", "TileBounds"]

Index = npt.NDArray[np.int64]

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


@dataclass(frozen=True, eq=False)
class MemberTiles:
    """Tiles of the members of (group, tile) pairs.

    Parameters
    ----------
    pixels : numpy.ndarray or list of numpy.ndarray
        A tile ``(T, T)`` of every member, pair after pair; a list where dtypes differ.
    offsets : numpy.ndarray
        int64 ``(pairs + 1,)`` into `pixels`.
    """

    pixels: Array | list[Array]
    offsets: Index


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
        self._gathered: tuple[ValueRange, Index, dict[int, npt.NDArray[np.int64]]] | None = None

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

    def tile_bounds(self, term: CountPixels, at: Index) -> Steps[TileBounds]:
        """Bounds of a mask aggregate's term on groups of one grid."""
        items, local = self.of(at)
        grid = self._grids[self.grids[at[0]]]
        source = term.source
        assert source.aggregate is not None
        wanted = source.threshold or term.range
        held = self._gathered
        if held is None or held[0] != wanted or held[1] is not at:
            held = wanted, at, (yield from self._ends(wanted, items, grid))
            self._gathered = held
        counts = held[2]
        areas, offsets = grid.cell_areas(), local.offsets
        if source.threshold is None:
            ends = _OPEN if self._open(wanted, items) else _ENDS
            low, high = group_cell_bounds(source.aggregate, counts, ends, offsets, areas)
            if term.range.start >= term.range.stop:
                low = high = np.zeros_like(low)
        else:
            ones = cell_bounds_of(counts)
            low, high = threshold_cell_bounds(source.aggregate, *ones, offsets, areas, term.range)
        coverage, null = yield from self._coverage(term, self.first[at], grid)
        lower, upper = tile_bounds(low, high, coverage, grid)
        return TileBounds(lower, upper, null)

    def _ends(
        self, values: ValueRange, items: Index, grid: Grid
    ) -> Steps[dict[int, npt.NDArray[np.int64]]]:
        """Counts ``(M, cells)`` of members at the ends of a range, as levels 0 to 4 of `_ENDS`."""
        areas = grid.cell_areas()
        parts = self._by_part(items) if self.rows.use_index else []
        marks = [self._marks(number, values) for number, _ in parts]
        read = yield from side_by_side(
            [
                self._columns(number, ends, grid)
                for (number, _), ends in zip(parts, marks, strict=True)
            ]
        )
        found: dict[int, npt.NDArray[np.int64]] = {}
        nan = any(self.rows.parts[number].view.nan for number, _ in parts)
        for slot in range(0 if nan else 1, 5):
            # Ends that are the same in every part need to be gathered only once.
            alike = [s for s in found if all(ends[s] == ends[slot] for ends in marks)]
            if alike and marks:
                found[slot] = found[alike[0]]
                continue
            found[slot] = np.zeros((len(items), grid.cells), np.int64)
            if not marks and slot == _ENDS.start_outer:
                found[slot][:] = areas  # without the index no more is known
            for (number, members), ends, counts in zip(parts, marks, read, strict=True):
                if ends[slot] in counts:
                    rows = self._positions(number, items[members])
                    found[slot][members] = counts[ends[slot]][:, rows].T
                elif ends[slot] == 0:
                    found[slot][members] = areas
        return found

    def _open(self, values: ValueRange, items: Index) -> bool:
        """Whether no pixel of members is beyond a range."""
        parts = self._by_part(items) if self.rows.use_index else []
        none = [len(self.rows.parts[number].view.levels) + 1 for number, _ in parts]
        stops = [self._marks(number, values)[3:] for number, _ in parts]
        return bool(parts) and all(set(ends) == {n} for ends, n in zip(stops, none, strict=True))

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
        coverage = np.zeros((len(items), grid.cells), np.int32)
        null = np.zeros(len(items), np.bool_)
        for number, members in self._by_part(items):
            region = yield from self.rows.region(number, term.roi)
            rows = self._positions(number, items[members])
            coverage[members] = region.coverage_of(rows)
            if region.null is not None:
                null[members] = region.null[rows]
        return coverage, null

    def _by_part(self, items: Index) -> list[tuple[int, Index]]:
        parts = self._part_of[items]
        return [(int(number), np.flatnonzero(parts == number)) for number in np.unique(parts)]

    def _positions(self, number: int, items: Index) -> Index:
        part: Part = self.rows.parts[number]
        return part.positions[items - part.start]

    # -- verification -------------------------------------------------------------------------

    def read(self, at: Index, tiles: Index) -> Steps[MemberTiles]:
        """Tiles ``(pairs,)`` of all members of groups ``(pairs,)``."""
        items, local = self.of(at)
        wanted = np.repeat(tiles, local.sizes)
        parts = self._by_part(items)
        batches = []
        for number, members in parts:
            view = self.rows.parts[number].view
            rows = self._positions(number, items[members])
            batches.append(TileBatch(view.segment, view.block, rows, wanted[members]))
        answers = yield ReadTiles(tuple(batches))
        self.rows.verified[items] = True
        self.rows.tiles_read += len(items)
        return MemberTiles(_in_order(len(items), parts, answers), local.offsets)

    def count(self, term: CountPixels, at: Index, tiles: Index, held: MemberTiles) -> Steps[Index]:
        """Exact counts ``(pairs,)`` of a mask aggregate's term in tiles."""
        assert term.source.aggregate is not None
        items = self.first[at]
        side = held.pixels[0].shape[0]
        bitmaps = np.zeros((len(at), side, side), np.bool_)
        for number, members in self._by_part(items):
            region = yield from self.rows.region(number, term.roi)
            rows = self._positions(number, items[members])
            bitmaps[members] = region.bitmaps(rows, tiles[members])
        return count_aggregate_tiles(
            term.source.aggregate,
            term.source.threshold,
            held.pixels,
            held.offsets,
            bitmaps,
            term.range,
            self.rows.domain,
        )


def _in_order(
    n: int, parts: Sequence[tuple[int, Index]], answers: Sequence[Array]
) -> Array | list[Array]:
    """Tiles of members in their order."""
    if len({answer.dtype for answer in answers}) == 1:
        stacked = np.empty((n, *answers[0].shape[1:]), answers[0].dtype)
        for (_, members), answer in zip(parts, answers, strict=True):
            stacked[members] = answer
        return stacked
    pixels: list[Array] = [np.zeros((0, 0))] * n
    for (_, members), answer in zip(parts, answers, strict=True):
        for member, tile in zip(members.tolist(), answer, strict=True):
            pixels[member] = tile
    return pixels


def cell_bounds_of(
    counts: dict[int, npt.NDArray[np.int64]],
) -> tuple[Index, Index]:
    """Bounds of the pixels in range for each member and cell, from counts at the four ends."""
    low = np.maximum(counts[_ENDS.start_inner] - counts[_ENDS.stop_inner], 0)
    high = counts[_ENDS.start_outer] - counts[_ENDS.stop_outer]
    return low, high
