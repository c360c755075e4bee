"""Verification of rows: tiles in doubt are read, most doubtful first, until rows are decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.interval import Bools
from masksearch_ray.execute.portions import portions, tile_bytes
from masksearch_ray.execute.search import Undecided
from masksearch_ray.execute.steps import side_by_side
from masksearch_ray.execute.stored import stored_levels
from masksearch_ray.index.bounds import row_tile_bounds, tile_bounds
from masksearch_ray.index.levels import bracket
from masksearch_ray.index.region import Region
from masksearch_ray.kernels.tiles import next_tiles, settle_tiles
from masksearch_ray.model.query import CountPixels, Expr, leaves
from masksearch_ray.model.shard import BlockView, ReadCounts, ReadTiles, Steps, TileBatch
from masksearch_ray.model.values import Domain, ValueRange, stored_cut

if TYPE_CHECKING:
    from masksearch_ray.execute.rows import Part, Rows

__all__ = ["verify"]

Index = npt.NDArray[np.int64]
_CHUNK = 512  # rows verified at a time: their bounds tile by tile take a few MB


def verify(
    rows: Rows,
    items: Index,
    exprs: Sequence[Expr],
    undecided: Undecided,
    *,
    whole: bool = False,
) -> Steps[None]:
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
    whole : bool
        Rows are to be exact in any case: all their tiles in doubt are read, whatever comes of
        the first of them.
    """
    terms = _terms_of(exprs)
    for some in _chunks(rows, items):
        yield from _verify_some(rows, some, terms, undecided, whole=whole)


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
    alike: dict[tuple[Any, ...], list[tuple[int, Part, Index]]] = {}
    for number, part, held in rows.split(items):
        view = part.view
        key = view.grid, view.shape.dtype, view.levels
        alike.setdefault(key, []).append((number, part, held))
    for parts in alike.values():
        some: list[Index] = []
        pieces: list[_Piece] = []
        for number, part, held in parts:
            while len(held):
                start = pieces[-1].stop if pieces else 0
                taken, held = held[: _CHUNK - start], held[_CHUNK - start :]
                some.append(taken)
                positions = part.positions[taken - part.start]
                pieces.append(_Piece(number, part.view, positions, start))
                if pieces[-1].stop == _CHUNK:
                    yield np.concatenate(some), pieces
                    some, pieces = [], []
        if some:
            yield np.concatenate(some), pieces


class _Terms:
    """Bounds of CP terms on rows that are verified together, tile by tile.

    Parameters
    ----------
    terms : sequence of CountPixels
    regions : sequence of Region
        Of each term, on all these rows.
    bounds : sequence of (numpy.ndarray, numpy.ndarray)
        Of each term: int64 ``(m, tiles)``, lower and upper.
    held : sequence of (numpy.ndarray, numpy.ndarray)
        Of each term: int64 ``(m,)``, bounds of the whole rows.
    """

    def __init__(
        self,
        terms: Sequence[CountPixels],
        regions: Sequence[Region],
        bounds: Sequence[tuple[Index, Index]],
        held: Sequence[tuple[Index, Index]],
    ) -> None:
        self.terms = terms
        self._regions = regions
        self._lower, self._upper = (np.stack(side) for side in zip(*bounds, strict=True))
        self._held = held
        none = np.zeros(0, np.int64)
        self._low, self._high = np.empty((2, *self._lower.shape[:2]), np.int64)
        for number in range(len(terms)):
            self._settle(number, none, none, none)

    def next_tiles(self, pending: Bools, *, whole: bool) -> tuple[Index, Index]:
        """Rows, and a tile of each, to be read next; ordered by row, then tile."""
        found: tuple[Index, Index]
        if whole:
            unknown = ((self._low < self._high) & pending)[:, :, None]
            rows, tiles = np.nonzero(((self._lower < self._upper) & unknown).any(axis=0))
            return rows, tiles
        found = next_tiles(self._lower, self._upper, self._low, self._high, pending)
        return found

    def take(
        self, number: int, chosen: Index, tiles: Index, pixels: Any, cuts: tuple[float, float]
    ) -> tuple[Index, Index]:
        """Count a term in tiles that were read; gives the bounds of whole rows ``(m,)``."""
        counts = self._regions[number].count_tiles(pixels, chosen, tiles, *cuts)
        return self._settle(number, chosen, tiles, counts)

    def _settle(
        self, number: int, chosen: Index, tiles: Index, counts: Index
    ) -> tuple[Index, Index]:
        low, high = self._low[number], self._high[number]
        lower, upper = self._lower[number], self._upper[number]
        settle_tiles(lower, upper, chosen, tiles, counts, self._held[number], low, high)
        return low, high


def _verify_some(
    rows: Rows,
    some: tuple[Index, list[_Piece]],
    terms: Sequence[CountPixels],
    undecided: Undecided,
    *,
    whole: bool,
) -> Steps[None]:
    items, pieces = some
    pending = undecided(items)
    held = yield from _terms(rows, items, pieces, terms)
    if held is None:
        return
    while pending.any():
        chosen, tiles = held.next_tiles(pending, whole=whole)
        if not len(chosen):
            break
        sizes = np.full(len(chosen), tile_bytes([pieces[0].view]))
        for at in portions(sizes):
            yield from _take(rows, some, held, chosen[at], tiles[at])
        pending &= undecided(items)


def _take(
    rows: Rows, some: tuple[Index, list[_Piece]], held: _Terms, chosen: Index, tiles: Index
) -> Steps[None]:
    """Read tiles, and tighten what they tell of."""
    items, pieces = some
    pixels = yield from _read(pieces, chosen, tiles)
    rows.verified[items[chosen]] = True
    rows.tiles_read += len(tiles)
    for number, term in enumerate(held.terms):
        cuts = _cuts(term.range, pieces[0].view, rows.domain)
        rows.tighten(term, items, *held.take(number, chosen, tiles, pixels, cuts))


def _terms(
    rows: Rows, items: Index, pieces: Sequence[_Piece], terms: Sequence[CountPixels]
) -> Steps[_Terms | None]:
    """Bounds of the terms that are in doubt; None where there are none."""
    doubtful, regions, bounds, held = [], [], [], []
    for term in terms:
        low, high = rows.term(term).lower[items], rows.term(term).upper[items]
        if not (low < high).any():
            continue
        on_blocks = yield from side_by_side([rows.region(p.number, term.roi) for p in pieces])
        parts = list(zip(pieces, on_blocks, strict=True))
        found = yield from side_by_side([_bounds(rows, *part, term.range) for part in parts])
        first, *others = [region.take(piece.positions) for piece, region in parts]
        doubtful.append(term)
        regions.append(first.join(others) if others else first)
        lower, upper = zip(*found, strict=True)
        bounds.append((np.concatenate(lower), np.concatenate(upper)))
        held.append((low, high))
    return _Terms(doubtful, regions, bounds, held) if doubtful else None


def _bounds(
    rows: Rows, piece: _Piece, region: Region, values: ValueRange
) -> Steps[tuple[Index, Index]]:
    """Bounds tile by tile: int64 ``(m, tiles)`` each, from the cells of each tile."""
    view, grid = piece.view, piece.view.grid
    coverage = region.coverage_on(piece.positions)
    if not rows.use_index:
        high = np.repeat(grid.cell_areas()[None], len(piece.positions), axis=0)
        inside = coverage.of(np.arange(len(high)))
        return tile_bounds(np.zeros_like(high), high, inside, grid)
    marks = bracket(values, view.levels, view.shape.dtype, rows.domain)
    wanted = dict.fromkeys(stored_levels(marks.needed, view), coverage.cells)
    counts = yield ReadCounts(view.segment, view.block, wanted)
    return row_tile_bounds(counts, marks, grid, coverage, piece.positions)


def _read(pieces: Sequence[_Piece], chosen: Index, tiles: Index) -> Steps[npt.NDArray[Any]]:
    """Tiles of rows ``(n,)``, ascending, wherever they lie: ``(n, T, T)``."""
    cuts = np.searchsorted(chosen, [0, *[piece.stop for piece in pieces]]).tolist()
    batches = []
    for piece, low, high in zip(pieces, cuts, cuts[1:], strict=False):
        if low < high:
            at = piece.positions[chosen[low:high] - piece.start]
            batches.append(TileBatch(piece.view.segment, piece.view.block, at, tiles[low:high]))
    pixels: npt.NDArray[Any] = yield ReadTiles(tuple(batches), joined=True)
    return pixels


def _cuts(values: ValueRange, view: BlockView, domain: Domain) -> tuple[float, float]:
    dtype = view.shape.dtype
    return stored_cut(values.start, dtype, domain), stored_cut(values.stop, dtype, domain)


def _terms_of(exprs: Iterable[Expr]) -> list[CountPixels]:
    found: dict[CountPixels, None] = {}
    for expr in exprs:
        found.update((leaf, None) for leaf in leaves(expr) if isinstance(leaf, CountPixels))
    return list(found)
