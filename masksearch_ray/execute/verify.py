"""Verification of rows: tiles in doubt are read, most doubtful first, until rows are decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.search import Undecided
from masksearch_ray.execute.steps import side_by_side
from masksearch_ray.execute.stored import stored_levels
from masksearch_ray.execute.tally import Tally, choose_tiles
from masksearch_ray.index.bounds import cell_bounds, tile_bounds
from masksearch_ray.index.levels import bracket
from masksearch_ray.index.region import Region
from masksearch_ray.model.query import CountPixels, Expr, leaves
from masksearch_ray.model.roi import Roi
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
    for some in _chunks(rows, items):
        yield from _verify_some(rows, some, terms, undecided)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Rows of one part among those verified together.

    Parameters
    ----------
    number : int
        Of the part.
    view : BlockView
    positions : numpy.ndarray
        int64 ``(m,)``: rows in the block.
    start : int
        Where they begin among all that are verified together.
    """

    number: int
    view: BlockView
    positions: Index
    start: int

    @property
    def stop(self) -> int:
        """Where the next begins."""
        return self.start + len(self.positions)


def _chunks(rows: Rows, items: Index) -> Iterator[tuple[Index, list[_Piece]]]:
    """Ascending items of blocks that are alike, a number of them at a time."""
    alike: dict[tuple[Any, ...], list[tuple[Part, Index]]] = {}
    for part, held in rows.split(items):
        view = part.view
        alike.setdefault((view.grid, view.shape.dtype, view.levels), []).append((part, held))
    for parts in alike.values():
        every = np.concatenate([held for _, held in parts])
        for start in range(0, len(every), _CHUNK):
            some = every[start : start + _CHUNK]
            yield some, _pieces(rows, some)


def _pieces(rows: Rows, items: Index) -> list[_Piece]:
    found: list[_Piece] = []
    for part, held in rows.split(items):
        start = found[-1].stop if found else 0
        positions = part.positions[held - part.start]
        found.append(_Piece(rows.parts.index(part), part.view, positions, start))
    return found


def _verify_some(
    rows: Rows,
    some: tuple[Index, list[_Piece]],
    terms: Sequence[CountPixels],
    undecided: Undecided,
) -> Steps[None]:
    items, pieces = some
    view = pieces[0].view
    tallies: list[tuple[CountPixels, Region, Tally]] = []
    for term in terms:
        held = rows.term(term)
        if (held.lower[items] < held.upper[items]).any():
            region = yield from _region(rows, pieces, term.roi)
            tally = yield from _tally(rows, pieces, region, term.range)
            tally.floor, tally.ceiling = held.lower[items], held.upper[items]
            tallies.append((term, region, tally))
    pending = undecided(items)
    while tallies and pending.any():
        doubt = sum((t.doubt() for _, _, t in tallies), np.zeros((), np.int64))
        chosen, tiles = choose_tiles(doubt, pending)
        if not len(chosen):
            break
        pixels = yield from _read(pieces, chosen, tiles)
        rows.verified[items[chosen]] = True
        rows.tiles_read += len(tiles)
        for term, region, tally in tallies:
            low, high = _cuts(term.range, view, rows.domain)
            tally.settle(chosen, tiles, region.count_tiles(pixels, chosen, tiles, low, high))
            rows.tighten(term, items, *tally.totals())
        pending &= undecided(items)


def _region(rows: Rows, pieces: Sequence[_Piece], roi: Roi) -> Steps[Region]:
    """A region on the rows of all pieces."""
    found = yield from side_by_side([rows.region(piece.number, roi) for piece in pieces])
    first, *others = [r.take(p.positions) for r, p in zip(found, pieces, strict=True)]
    return first.join(others) if others else first


def _read(pieces: Sequence[_Piece], chosen: Index, tiles: Index) -> Steps[npt.NDArray[Any]]:
    """Tiles of rows ``(n,)``, ascending, wherever they lie: ``(n, T, T)``."""
    batches = []
    for piece in pieces:
        low, high = np.searchsorted(chosen, [piece.start, piece.stop])
        if low < high:
            at = piece.positions[chosen[low:high] - piece.start]
            view = piece.view
            batches.append(TileBatch(view.segment, view.block, at, tiles[low:high]))
    pixels: npt.NDArray[Any] = yield ReadTiles(tuple(batches), joined=True)
    return pixels


def _tally(
    rows: Rows, pieces: Sequence[_Piece], region: Region, values: ValueRange
) -> Steps[Tally]:
    """Bounds tile by tile, from the cells of each tile."""
    grid, n = pieces[0].view.grid, pieces[-1].stop
    if rows.use_index:
        cells = region.cells()
        found = yield from side_by_side([_cells(rows, one, cells, values) for one in pieces])
        low = np.concatenate([lower for lower, _ in found])
        high = np.concatenate([upper for _, upper in found])
    else:
        high = np.repeat(grid.cell_areas()[None], n, axis=0)
        low = np.zeros_like(high)
    lower, upper = tile_bounds(low, high, region.coverage_of(np.arange(n)), grid)
    zero = np.zeros(n, np.int64)
    return Tally(lower, upper, zero, zero)


def _cells(
    rows: Rows, piece: _Piece, cells: npt.NDArray[np.int32], values: ValueRange
) -> Steps[tuple[Index, Index]]:
    """Bounds cell by cell."""
    view = piece.view
    marks = bracket(values, view.levels, view.shape.dtype, rows.domain)
    wanted = dict.fromkeys(stored_levels(marks.needed, view), cells)
    counts = yield ReadCounts(view.segment, view.block, wanted)
    return cell_bounds(counts, marks, view.grid, piece.positions)


def _cuts(values: ValueRange, view: BlockView, domain: Domain) -> tuple[float, float]:
    dtype = view.shape.dtype
    return stored_cut(values.start, dtype, domain), stored_cut(values.stop, dtype, domain)


def _terms_of(exprs: Iterable[Expr]) -> list[CountPixels]:
    found: dict[CountPixels, None] = {}
    for expr in exprs:
        found.update((leaf, None) for leaf in leaves(expr) if isinstance(leaf, CountPixels))
    return list(found)
