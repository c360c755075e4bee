"""The rows of a shard as a query sees them: leaves as intervals, tightened by reading tiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.execute.columns import arrow_of, nan_to_null
from masksearch_ray.execute.evaluate import evaluate
from masksearch_ray.execute.interval import Bools, Interval
from masksearch_ray.execute.search import Undecided
from masksearch_ray.execute.steps import side_by_side
from masksearch_ray.execute.stored import stored_levels
from masksearch_ray.execute.verify import verify
from masksearch_ray.index.bounds import difference_histogram, histogram_bounds, sum_bounds
from masksearch_ray.index.levels import bracket
from masksearch_ray.index.region import Region
from masksearch_ray.model.query import (
    Area,
    Column,
    CountPixels,
    Expr,
    Output,
    leaves,
)
from masksearch_ray.model.roi import FullImage, Outside, Roi, roi_key
from masksearch_ray.model.shard import (
    BlockView,
    ReadColumns,
    ReadCounts,
    ReadHistogram,
    ReadHistogramLevels,
    ReadRegion,
    ReadValues,
    SegmentView,
    Steps,
    Together,
)
from masksearch_ray.model.values import Domain

__all__ = ["MASK_ID", "Part", "Rows", "TermBounds", "histogram_names"]

Index = npt.NDArray[np.int64]
MASK_ID = Column("mask_id", "int")


@dataclass(frozen=True, eq=False)
class Part:
    """The rows taken from one block: int64 positions ``(m,)`` in it, the first at item `start`."""

    view: BlockView
    positions: Index
    start: int

    @property
    def stop(self) -> int:
        """Item after the last."""
        return self.start + len(self.positions)


@dataclass(eq=False)
class TermBounds:
    """Bounds of a CP term on all items.

    Parameters
    ----------
    lower, upper : numpy.ndarray
        int64 ``(N,)``; one and the same where none are in doubt.
    null : numpy.ndarray
        bool ``(N,)``.
    """

    lower: Index
    upper: Index
    null: Bools


class Rows:
    """Rows of some blocks, numbered from 0 as items.

    Parameters
    ----------
    parts : sequence of Part
    domain : Domain
    use_index : bool
        False: every pixel of a region is in doubt.
    """

    def __init__(self, parts: Sequence[Part], domain: Domain, *, use_index: bool = True) -> None:
        self.parts = tuple(parts)
        self.domain = domain
        self.use_index = use_index
        self.n = self.parts[-1].stop if self.parts else 0
        self.verified = np.zeros(self.n, np.bool_)
        self.tiles_read = 0
        self._leaves: dict[Expr, Interval] = {}
        self._terms: dict[CountPixels, TermBounds] = {}
        self._regions: dict[tuple[int, int, Roi], Region] = {}
        self._every = np.arange(self.n)
        self._known: dict[Expr, Interval] = {}  # of all items, as long as no bounds change

    @classmethod
    def of(cls, segments: Iterable[SegmentView], domain: Domain, *, use_index: bool = True) -> Rows:
        """All live rows of segments."""
        parts = [
            (view, np.flatnonzero(segment.alive[view.ordinals]))
            for segment in segments
            for view in segment.blocks
        ]
        return cls(_number(parts), domain, use_index=use_index)

    @classmethod
    def of_refs(
        cls,
        segments: Iterable[SegmentView],
        refs: tuple[Index, Index],
        domain: Domain,
        *,
        use_index: bool = True,
    ) -> Rows:
        """Rows named by segment and ordinal; their order is by block, then position."""
        in_segments, ordinals = refs
        found = []
        for segment in segments:
            wanted = np.sort(ordinals[in_segments == segment.segment])
            found += [
                (view, np.flatnonzero(np.isin(view.ordinals, wanted))) for view in segment.blocks
            ]
        return cls(_number(found), domain, use_index=use_index)

    def where(self, keep: Bools) -> Rows:
        """The rows under a mask, as a set of their own; loaded leaves are kept."""
        parts = [(p.view, p.positions[keep[p.start : p.stop]]) for p in self.parts]
        rows = Rows(_number(parts), self.domain, use_index=self.use_index)
        rows._leaves = {leaf: held.take(keep) for leaf, held in self._leaves.items()}
        rows._terms = {
            term: TermBounds(held.lower[keep], held.upper[keep], held.null[keep])
            for term, held in self._terms.items()
        }
        rows._regions = self._regions
        rows.verified = self.verified[keep]
        rows.tiles_read = self.tiles_read
        return rows

    def places(self) -> tuple[Index, Index]:
        """Segment and ordinal of every row."""
        segments = [np.full(len(p.positions), p.view.segment) for p in self.parts]
        ordinals = [p.view.ordinals[p.positions] for p in self.parts]
        empty = np.zeros(0, np.int64)
        return np.concatenate([empty, *segments]), np.concatenate([empty, *ordinals])

    def split(self, items: Index) -> Iterator[tuple[int, Part, Index]]:
        """Ascending items by the part that holds them, each with its number."""
        cuts = np.searchsorted(items, [0, *[part.stop for part in self.parts]]).tolist()
        for number, part in enumerate(self.parts):
            low, high = cuts[number], cuts[number + 1]
            if low < high:
                yield number, part, items[low:high]

    # -- leaves -------------------------------------------------------------------------------

    def load(self, exprs: Iterable[Expr | None]) -> Steps[None]:
        """Read what the leaves of expressions need for their first bounds."""
        for expr in exprs:
            for leaf in leaves(expr):
                if leaf in self._leaves or leaf in self._terms:
                    continue
                if isinstance(leaf, Column):
                    self._leaves[leaf] = yield from self._column(leaf)
                elif isinstance(leaf, Area):
                    self._leaves[leaf] = yield from self._area(leaf)
                elif isinstance(leaf, CountPixels):
                    self._terms[leaf] = yield from self._count(leaf)

    def leaf(self, expr: Expr) -> Interval:
        """The loaded intervals of a leaf, as tight as known."""
        if isinstance(expr, CountPixels):
            term = self._terms[expr]
            return Interval.between("int", term.lower, term.upper, term.null)
        return self._leaves[expr]

    def evaluate(self, expr: Expr, items: Index | None = None) -> Interval:
        """Intervals of an expression on all items, or on some."""
        if items is None or np.array_equal(items, self._every):
            if expr not in self._known:
                self._known[expr] = evaluate(expr, self.leaf, self.n)
            return self._known[expr]
        if expr in self._known:
            return self._known[expr].take(items)
        return evaluate(expr, lambda leaf: self.leaf(leaf).take(items), len(items))

    def column(self, names: Sequence[str], items: Index | None = None) -> Steps[pa.Table]:
        """Metadata columns of all items, or of some, ascending, as stored."""
        wanted = [(part, part.positions) for part in self.parts]
        if items is not None:
            held = [(p, p.positions[some - p.start]) for _, p, some in self.split(items)]
            wanted = held or [(wanted[0][0], wanted[0][1][:0])]
        asked = tuple(ReadColumns(part.view.segment, tuple(names)) for part, _ in wanted)
        tables = yield Together(asked)
        return pa.concat_tables(
            [
                table.take(pa.array(part.view.ordinals[positions]))
                for table, (part, positions) in zip(tables, wanted, strict=True)
            ]
        )

    def ties(self, items: Index) -> list[Interval]:
        """Row ids, which settle ties; loaded at the start."""
        return [self._leaves[MASK_ID].take(items)]

    def table(self, outputs: Sequence[Output], items: Index) -> Steps[pa.Table]:
        """The select list on items of which all outputs are exact."""
        # Ids are at hand, and of one type wherever they come from.
        plain = [o.expr.name for o in outputs if isinstance(o.expr, Column) and o.expr != MASK_ID]
        stored: dict[str, pa.ChunkedArray] = {}
        if plain and self.parts:
            table = yield from self.column(list(dict.fromkeys(plain)), items)
            stored = {name: nan_to_null(table.column(name)) for name in table.column_names}
        columns = [
            stored[o.expr.name]
            if isinstance(o.expr, Column) and o.expr.name in stored
            else arrow_of(self.evaluate(o.expr, items), o.name)
            for o in outputs
        ]
        return pa.table(columns, names=[o.name for o in outputs])

    def _column(self, leaf: Column) -> Steps[Interval]:
        if not self.parts:
            return Interval.constant(None, leaf.type, 0)
        asked = [ReadValues(part.view.segment, leaf.name, leaf.type) for part in self.parts]
        values: list[Interval] = yield Together(tuple(asked))
        return Interval.concat(
            [
                # As many as there are: all of them, in the same order.
                held if len(held) == len(part.positions) else held.take(_ordinals(part))
                for held, part in zip(values, self.parts, strict=True)
            ]
        )

    def _area(self, leaf: Area) -> Steps[Interval]:
        found = [Interval.between("int", np.zeros(0, np.int64), np.zeros(0, np.int64))]
        regions = yield from self.regions(leaf.roi)
        for region, part in zip(regions, self.parts, strict=True):
            area = region.area()[part.positions]
            null = None if region.null is None else region.null[part.positions]
            found.append(Interval.points("int", area, null))
        return Interval.concat(found)

    def region(self, number: int, roi: Roi) -> Steps[Region]:
        """A region on all masks of the block of a part."""
        view = self.parts[number].view
        key = (view.segment, view.block, roi)
        if key not in self._regions:
            self._regions[key] = yield ReadRegion(*key)
        return self._regions[key]

    def regions(self, roi: Roi) -> Steps[list[Region]]:
        """A region on all masks of the block of every part."""
        return side_by_side([self.region(number, roi) for number in range(len(self.parts))])

    # -- bounds -------------------------------------------------------------------------------

    def _count(self, term: CountPixels) -> Steps[TermBounds]:
        lower, upper = np.zeros(self.n, np.int64), np.zeros(self.n, np.int64)
        null = np.zeros(self.n, np.bool_)
        regions = yield from self.regions(term.roi)
        found = yield from side_by_side(
            [
                self._block_bounds(part.view, region, term)
                for part, region in zip(self.parts, regions, strict=True)
            ]
        )
        for part, region, (low, high) in zip(self.parts, regions, found, strict=True):
            if region.null is not None:
                null[part.start : part.stop] = region.null[part.positions]
            whole = len(part.positions) == len(low)
            lower[part.start : part.stop] = low if whole else low[part.positions]
            upper[part.start : part.stop] = high if whole else high[part.positions]
        lower[null] = upper[null] = 0
        exact = all(low is high for low, high in found)
        return TermBounds(lower, lower if exact else upper, null)

    def _block_bounds(
        self, view: BlockView, region: Region, term: CountPixels
    ) -> Steps[tuple[Index, Index]]:
        if not self.use_index:
            return np.zeros(view.rows, np.int64), region.area().astype(np.int64)
        found = yield from _from_histogram(view, region, term, self.domain)
        if found is not None:
            return found
        marks = bracket(term.range, view.levels, view.shape.dtype, self.domain)
        cells = region.cells()
        counts = yield ReadCounts(
            view.segment, view.block, dict.fromkeys(stored_levels(marks.needed, view), cells)
        )
        return sum_bounds(counts, marks, view.grid, region.coverage(), view.rows)

    def refine(
        self, items: Index, exprs: Sequence[Expr], undecided: Undecided, *, whole: bool = False
    ) -> Steps[None]:
        """Read tiles of rows until none is undecided; see `masksearch_ray.execute.verify`."""
        yield from verify(self, items, exprs, undecided, whole=whole)

    def term(self, term: CountPixels) -> TermBounds:
        """Bounds of a loaded CP term."""
        return self._terms[term]

    def tighten(self, term: CountPixels, items: Index, lower: Index, upper: Index) -> None:
        """Take in better bounds of a CP term on some items."""
        held = self._terms[term]
        held.lower[items], held.upper[items] = lower, upper
        self._known.clear()


def _ordinals(part: Part) -> Index:
    return part.view.ordinals[part.positions]


def _number(parts: Iterable[tuple[BlockView, Index]]) -> list[Part]:
    numbered, start = [], 0
    for view, positions in parts:
        if len(positions):
            numbered.append(Part(view, positions, start))
            start += len(positions)
    return numbered


def histogram_names(
    view: BlockView, roi: Roi
) -> Steps[tuple[tuple[str, ...], tuple[float, ...] | None]]:
    """Histograms that bound a region, and their levels (None where there are none).

    One of the region itself; or for the outside of a region, that of the full image less that of
    the region.
    """
    names: tuple[str, ...] = (roi_key(roi),)
    levels = yield ReadHistogramLevels(view.segment, view.block, names[0])
    if levels is None and isinstance(roi, Outside):
        names = roi_key(FullImage()), roi_key(roi.roi)
        found = []
        for name in names:
            found.append((yield ReadHistogramLevels(view.segment, view.block, name)))
        levels = found[0] if found[0] == found[1] else None
    return names, levels


def _from_histogram(
    view: BlockView, region: Region, term: CountPixels, domain: Domain
) -> Steps[tuple[Index, Index] | None]:
    names, levels = yield from histogram_names(view, term.roi)
    if levels is None:
        return None
    marks = bracket(term.range, levels, view.shape.dtype, domain)
    wanted = stored_levels(marks.needed, view)
    counts = []
    for name in names:
        counts.append((yield ReadHistogram(view.segment, view.block, name, wanted)))
    columns = counts[0] if len(counts) == 1 else difference_histogram(*counts)
    return histogram_bounds(columns, marks, region.area())
