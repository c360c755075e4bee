"""What bounds will be made of: index columns and their bytes, before any is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.rows import histogram_names
from masksearch_ray.execute.stored import stored_levels
from masksearch_ray.index.levels import bracket
from masksearch_ray.index.region import resolve
from masksearch_ray.model.forecast import Forecast, TermForecast, merge_terms
from masksearch_ray.model.query import (
    CountPixels,
    Expr,
    Query,
    columns_of,
    leaves,
    roi_columns,
)
from masksearch_ray.model.shard import (
    BlockView,
    ReadCounts,
    ReadHistogram,
    SegmentView,
    SizeOf,
    Steps,
)

__all__ = ["foresee", "terms_of"]

_Reads = list[ReadCounts | ReadHistogram]


def terms_of(query: Query) -> tuple[CountPixels, ...]:
    """All CP terms of a query, each once."""
    found = (leaf for expr in _exprs(query) for leaf in leaves(expr))
    return tuple(dict.fromkeys(leaf for leaf in found if isinstance(leaf, CountPixels)))


def _exprs(query: Query) -> Iterator[Expr | None]:
    yield query.where
    yield query.having
    yield from query.group_by or ()
    yield from (key.expr for key in query.order_by)
    yield from (output.expr for output in query.outputs)


def foresee(segments: Sequence[SegmentView], query: Query) -> Steps[Forecast]:
    """Tell what bounds each CP term on all rows of segments.

    Metadata are not read: what predicates on them leave out is counted in, and a region from a
    column is taken to touch every cell.
    """
    views = [view for segment in segments for view in segment.blocks]
    terms: list[TermForecast] = []
    total = memory = doubt = 0
    for view in views:
        reads: _Reads = []
        verifying: _Reads = []
        for term in terms_of(query):
            one, wanted = yield from _of_block(view, term, query)
            terms.append(one)
            reads += wanted
            if one.source == "ROI histogram" and not one.exact:
                verifying.append(_counts(view, term, query))
        for read in _distinct(view, reads):
            total += yield SizeOf(read)
            memory += _expanded(view, read)
            doubt -= yield SizeOf(read)
        for read in _distinct(view, reads + verifying):
            doubt += yield SizeOf(read)
    rows = sum(view.rows for view in views)
    tiles = sum(view.rows * view.grid.tiles for view in views)
    opening = _opening(segments, query)
    return Forecast(rows, tiles, merge_terms(terms), total, memory, doubt, opening)


def _opening(segments: Sequence[SegmentView], query: Query) -> int:
    """Bytes read before the first columns of index and metadata."""
    heads = sum(segment.head for segment in segments) if terms_of(query) else 0
    names = {name for expr in _exprs(query) for name in columns_of(expr)}
    metadata = sum(segment.metadata for segment in segments) if names - {"mask_id"} else 0
    return heads + metadata


def _of_block(
    view: BlockView, term: CountPixels, query: Query
) -> Steps[tuple[TermForecast, _Reads]]:
    values = term.source.threshold or term.range
    names: tuple[str, ...] = ()
    levels: tuple[float, ...] | None = None
    if term.source.aggregate is None:
        names, levels = yield from histogram_names(view, term.roi)
    if levels is not None:
        marks = bracket(values, levels, view.shape.dtype, query.domain)
        wanted = stored_levels(marks.needed, view)
        reads: _Reads = [ReadHistogram(view.segment, view.block, name, wanted) for name in names]
        size, columns = 0, len(wanted) * len(names)
        for read in reads:
            size += yield SizeOf(read)
        one = TermForecast(term, "ROI histogram", marks.exact, view.rows, columns, size)
        return one, reads
    counts = _counts(view, term, query)
    size = yield SizeOf(counts)
    marks = bracket(values, view.levels, view.shape.dtype, query.domain)
    exact = marks.empty or (marks.exact and _aligned(view, term))
    columns = sum(len(cells) for cells in counts.wanted.values())
    return TermForecast(term, "cells", exact, view.rows, columns, size), [counts]


def _counts(view: BlockView, term: CountPixels, query: Query) -> ReadCounts:
    """What cells alone would take to bound a term."""
    together = term.source.aggregate is not None
    values = term.source.threshold or term.range
    marks = bracket(values, view.levels, view.shape.dtype, query.domain)
    wanted = stored_levels(marks.needed_in_groups if together else marks.needed, view)
    cells = np.arange(view.grid.cells, dtype=np.int32)
    if not together and not list(roi_columns(term.roi)):
        cells = resolve(term.roi, view.grid, view.rows).cells()
    return ReadCounts(view.segment, view.block, dict.fromkeys(wanted, cells))


def _aligned(view: BlockView, term: CountPixels) -> bool:
    """Whether a constant region is made of whole cells, so that cells alone give the count."""
    if term.source.aggregate is not None or list(roi_columns(term.roi)):
        return False
    inside = resolve(term.roi, view.grid, 1).coverage_of(np.zeros(1, np.int64))[0]
    return bool(((inside == 0) | (inside == view.grid.cell_areas())).all())


def _distinct(view: BlockView, reads: _Reads) -> Iterator[ReadCounts | ReadHistogram]:
    """The same reads, each column once."""
    counts: dict[int, npt.NDArray[np.int32]] = {}
    histograms: dict[str, set[int]] = {}
    for read in reads:
        if isinstance(read, ReadHistogram):
            histograms.setdefault(read.roi, set()).update(read.wanted)
        else:
            for level, cells in read.wanted.items():
                counts[level] = np.union1d(counts.get(level, cells), cells).astype(np.int32)
    for name, levels in histograms.items():
        yield ReadHistogram(view.segment, view.block, name, tuple(sorted(levels)))
    if counts:
        yield ReadCounts(view.segment, view.block, counts)


def _expanded(view: BlockView, read: ReadCounts | ReadHistogram) -> int:
    """Bytes of columns in memory."""
    if isinstance(read, ReadHistogram):
        return len(read.wanted) * view.rows * np.min_scalar_type(view.grid.area).itemsize
    cells = sum(len(held) for held in read.wanted.values())
    return cells * view.rows * view.grid.count_dtype.itemsize
