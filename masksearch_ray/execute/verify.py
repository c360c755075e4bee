"""Verification of rows: tiles in doubt are read, most doubtful first, until rows are decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.search import Undecided
from masksearch_ray.execute.stored import stored_levels
from masksearch_ray.execute.tally import Tally, choose_tiles
from masksearch_ray.index.bounds import cell_bounds, tile_bounds
from masksearch_ray.index.levels import bracket
from masksearch_ray.index.region import Region
from masksearch_ray.model.query import CountPixels, Expr, leaves
from masksearch_ray.model.shard import BlockView, ReadCounts, ReadTiles, Steps, TileBatch
from masksearch_ray.model.values import Domain, ValueRange, stored_cut

if TYPE_CHECKING:
    from masksearch_ray.execute.rows import Part, Rows

__all__ = ["verify"]

Index = npt.NDArray[np.int64]
_CHUNK = 512  # rows verified at a time: their tiles take a few MB


def verify(rows: Rows, items: Index, exprs: Sequence[Expr], undecided: Undecided) -> Steps[None]:
    """Read tiles of rows until none is undecided.

    Parameters
    ----------
    rows : Rows
        Of which the bounds are tightened.
    items : numpy.ndarray
        int64, ascending.
    exprs : sequence of Expr
        Expressions of which the CP terms are to be tightened.
    undecided : callable
    """
    terms = _terms_of(exprs)
    for part, held in rows.split(items):
        for start in range(0, len(held), _CHUNK):
            yield from _verify_some(rows, part, held[start : start + _CHUNK], terms, undecided)


def _verify_some(
    rows: Rows, part: Part, items: Index, terms: Sequence[CountPixels], undecided: Undecided
) -> Steps[None]:
    view, positions = part.view, part.positions[items - part.start]
    tallies: list[tuple[CountPixels, Region, Tally]] = []
    for term in terms:
        held = rows.term(term)
        if (held.lower[items] < held.upper[items]).any():
            region = yield from rows.region(rows.parts.index(part), term.roi)
            tally = yield from _tally(rows, view, positions, region, term.range)
            tally.floor, tally.ceiling = held.lower[items], held.upper[items]
            tallies.append((term, region, tally))
    pending = undecided(items)
    while tallies and pending.any():
        doubt = sum((t.doubt() for _, _, t in tallies), np.zeros((), np.int64))
        chosen, tiles = choose_tiles(doubt, pending)
        if not len(chosen):
            break
        batch = TileBatch(view.segment, view.block, positions[chosen], tiles)
        (pixels,) = yield ReadTiles((batch,))
        rows.verified[items[chosen]] = True
        rows.tiles_read += len(tiles)
        for term, region, tally in tallies:
            low, high = _cuts(term.range, view, rows.domain)
            counts = region.count_tiles(pixels, batch.rows, tiles, low, high)
            tally.settle(chosen, tiles, counts)
            held = rows.term(term)
            held.lower[items], held.upper[items] = tally.totals()
        pending &= undecided(items)


def _tally(
    rows: Rows, view: BlockView, positions: Index, region: Region, values: ValueRange
) -> Steps[Tally]:
    """Bounds tile by tile, from the cells of each tile."""
    if rows.use_index:
        marks = bracket(values, view.levels, view.shape.dtype, rows.domain)
        wanted = dict.fromkeys(stored_levels(marks.needed, view), region.cells())
        counts = yield ReadCounts(view.segment, view.block, wanted)
        low, high = cell_bounds(counts, marks, view.grid, positions)
    else:
        high = np.repeat(view.grid.cell_areas()[None], len(positions), axis=0)
        low = np.zeros_like(high)
    lower, upper = tile_bounds(low, high, region.coverage_of(positions), view.grid)
    zero = np.zeros(len(positions), np.int64)
    return Tally(lower, upper, zero, zero)


def _cuts(values: ValueRange, view: BlockView, domain: Domain) -> tuple[float, float]:
    dtype = view.shape.dtype
    return stored_cut(values.start, dtype, domain), stored_cut(values.stop, dtype, domain)


def _terms_of(exprs: Iterable[Expr]) -> list[CountPixels]:
    found: dict[CountPixels, None] = {}
    for expr in exprs:
        found.update((leaf, None) for leaf in leaves(expr) if isinstance(leaf, CountPixels))
    return list(found)
