"""Verification of groups: tiles of all members, the most doubtful first, until all are decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.interval import Bools
from masksearch_ray.execute.members import Members
from masksearch_ray.execute.portions import portions, tile_bytes
from masksearch_ray.execute.search import Undecided
from masksearch_ray.execute.tally import Tally, choose_tiles
from masksearch_ray.model.query import CountPixels
from masksearch_ray.model.shard import Steps

__all__ = ["verify_groups"]

Index = npt.NDArray[np.int64]
Bounds = Mapping[CountPixels, tuple[Index, Index, Bools]]


def verify_groups(
    members: Members,
    bounds: Bounds,
    at: Index,
    terms: Sequence[CountPixels],
    undecided: Undecided,
    *,
    whole: bool = False,
) -> Steps[None]:
    """Read tiles of the members of some groups until none of these is undecided.

    Parameters
    ----------
    members : Members
    bounds : mapping of CountPixels to tuple
        Lower and upper bounds of each term, int64, and where it is NULL, on all groups; tightened.
    at : numpy.ndarray
        int64: groups of one grid.
    terms : sequence of CountPixels
    undecided : callable
    whole : bool
        Groups are to be exact in any case: all their tiles in doubt are read, whatever comes of
        the first of them.
    """
    tallies: list[tuple[CountPixels, Tally]] = []
    for term in terms:
        lower, upper, _ = bounds[term]
        if (lower[at] < upper[at]).any():
            found = yield from members.tile_bounds(term, at)
            tallies.append((term, Tally(found.lower, found.upper, lower[at], upper[at])))
    left, rounds = np.flatnonzero(undecided(at)), 0
    tile = tile_bytes(part.view for part in members.rows.parts)
    while tallies and len(left):
        chosen, tiles = _choose([tally for _, tally in tallies], left, whole, one=rounds < 2)
        if not len(chosen):
            break
        rounds += 1
        for part in portions(members.groups.sizes[at[chosen]] * tile):
            yield from _take(members, tallies, at, chosen[part], tiles[part])
        some = at[left]
        for term, tally in tallies:
            lower, upper, _ = bounds[term]
            lower[some], upper[some] = tally.totals(left)
        left = left[undecided(some)]


def _take(
    members: Members,
    tallies: Sequence[tuple[CountPixels, Tally]],
    at: Index,
    chosen: Index,
    tiles: Index,
) -> Steps[None]:
    """Read tiles of all members of groups, and settle their counts."""
    pixels = yield from members.read(at[chosen], tiles)
    for term, tally in tallies:
        counts = yield from members.count(term, at[chosen], tiles, pixels)
        tally.settle(chosen, tiles, counts)


def _choose(
    tallies: Sequence[Tally], left: Index, whole: bool, *, one: bool
) -> tuple[Index, Index]:
    """Tiles of some groups to read next.

    A tile of every member is read, and the first or the second often decides: these are read one by
    one. From then on reading half of what is left keeps the number of rounds logarithmic.
    """
    doubt = sum((tally.doubt(left) for tally in tallies), np.zeros((), np.int64))
    if one and not whole:
        tiles = doubt.argmax(axis=1)
        some = np.flatnonzero(doubt[np.arange(len(left)), tiles])
        return left[some], tiles[some]
    chosen, tiles = choose_tiles(doubt, np.ones(len(left), np.bool_), whole=whole)
    return left[chosen], tiles
