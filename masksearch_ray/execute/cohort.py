"""Groups of rows whose masks are taken together: mask aggregates and scalar aggregates alike.

All members of a group are at hand, so a group is an item like a row: its terms have bounds cell
by cell, derived from the members' own counts, and reading a tile of every member settles them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.execute import aggregate as scalar
from masksearch_ray.execute.columns import arrow_of, boxes_of
from masksearch_ray.execute.evaluate import evaluate
from masksearch_ray.execute.grouping import Groups, group
from masksearch_ray.execute.interval import Bools, Interval
from masksearch_ray.execute.members import Members
from masksearch_ray.execute.portions import tile_bytes
from masksearch_ray.execute.rows import Rows
from masksearch_ray.execute.search import Undecided, settle_values
from masksearch_ray.execute.verify_groups import verify_groups
from masksearch_ray.model.query import (
    Aggregate,
    Area,
    CountPixels,
    Expr,
    Key,
    Output,
    roi_columns,
)
from masksearch_ray.model.shard import Steps

__all__ = ["Cohort"]

Index = npt.NDArray[np.int64]
_BOUNDED = 2048  # members bounded at a time: their counts take some MB
_FEWEST, _VERIFIED, _TILE_BYTES = 64, 4096, 16 << 20  # as many are verified, as many bytes allow


class Cohort:
    """Groups of rows as items.

    Parameters
    ----------
    rows : Rows
        The members: rows that passed WHERE, each in one group.
    keys : sequence of Interval
        Exact GROUP BY keys of the rows; none make one group of all.
    """

    def __init__(self, rows: Rows, keys: Sequence[Interval]) -> None:
        self.rows = rows
        self.groups: Groups = group(keys, rows.n)
        self.n = len(self.groups)
        self.members = Members(rows, self.groups)
        self._bounds: dict[CountPixels, tuple[Index, Index, Bools]] = {}
        self._areas: dict[Area, Interval] = {}

    # -- leaves -------------------------------------------------------------------------------

    def load(self, exprs: Iterable[Expr | None]) -> Steps[None]:
        """Read what expressions need for their first bounds."""
        nodes = [node for expr in exprs for node in group_leaves(expr)]
        yield from self._count(
            [
                n
                for n in dict.fromkeys(nodes)
                if isinstance(n, CountPixels) and n not in self._bounds
            ]
        )
        for node in nodes:
            if isinstance(node, Aggregate):
                yield from self.rows.load([node.argument])
            elif isinstance(node, Area) and node not in self._areas:
                self._areas[node] = yield from self._area(node)

    def evaluate(self, expr: Expr, items: Index | None = None) -> Interval:
        """Intervals of an expression on all groups, or on some."""
        at = np.arange(self.n) if items is None else items
        return evaluate(expr, lambda leaf: self._leaf(leaf, at), len(at))

    def ties(self, items: Index) -> list[Interval]:
        """Keys of groups, which settle ties; the one group without keys has none to settle."""
        keys = [key.take(items) for key in self.groups.keys]
        return keys or [Interval.constant(0, "int", len(items))]

    def table(self, outputs: Sequence[Output], items: Index) -> Steps[pa.Table]:
        """The select list on groups of which all outputs are exact."""
        yield from ()
        columns = [arrow_of(self.evaluate(o.expr, items), o.name) for o in outputs]
        return pa.table(columns, names=[o.name for o in outputs])

    def _leaf(self, leaf: Expr, at: Index) -> Interval:
        if isinstance(leaf, Key):
            return self.groups.keys[leaf.index].take(at)
        if isinstance(leaf, Area):
            return self._areas[leaf].take(at)
        if isinstance(leaf, CountPixels):
            lower, upper, null = self._bounds[leaf]
            return Interval.between("int", lower[at], upper[at], null[at])
        assert isinstance(leaf, Aggregate)
        items, local = self.members.of(at)
        argument = None if leaf.argument is None else self.rows.evaluate(leaf.argument, items)
        return scalar.finalize(leaf, scalar.chunk(leaf, argument, local))

    def _area(self, leaf: Area) -> Steps[Interval]:
        yield from self.check([leaf])
        yield from self.rows.load([leaf])
        return self.rows.leaf(leaf).take(self.members.first)

    def check(self, terms: Sequence[CountPixels | Area]) -> Steps[None]:
        """Refuse groups whose masks differ in size, or in the box that a term reads.

        Raises
        ------
        QueryError
            Names the group.
        """
        if not terms or not self.n:
            return
        self.members.require_same(self.members.sizes(), "masks of several sizes", self._name)
        for name in dict.fromkeys(n for term in terms for n in roi_columns(term.roi)):
            boxes = yield from self._box_codes(name)
            self.members.require_same(boxes, f"several boxes in column {name!r}", self._name)

    def _box_codes(self, name: str) -> Steps[Index]:
        """Number of each row's box (or list of boxes) among the different ones."""
        held = (yield from self.rows.column([name])).column(0)
        if pa.types.is_fixed_size_list(held.type):
            boxes = boxes_of(held)
            rows = np.column_stack([boxes.boxes, boxes.null])
            return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
        texts = np.array([str(boxes) for boxes in held.to_pylist()], object)
        return np.unique(texts, return_inverse=True)[1]

    def _name(self, at: int) -> str:
        values = [k.lower[at] if not k.surely_null[at] else None for k in self.groups.keys]
        return f"({', '.join(repr(_plain(v)) for v in values)})"

    # -- bounds and verification --------------------------------------------------------------

    def _count(self, terms: Sequence[CountPixels]) -> Steps[None]:
        """Find the first bounds of terms, all of them on some groups before the next groups."""
        if not terms:
            return
        yield from self.check(terms)
        for term in terms:
            zero = np.zeros(self.n, np.int64)
            self._bounds[term] = zero, zero.copy(), np.zeros(self.n, np.bool_)
        for at in self._chunks(np.arange(self.n), _BOUNDED):
            for term in terms:
                found = yield from self.members.bounds(term, at)
                lower, upper, null = self._bounds[term]
                lower[at], upper[at] = found.lower[:, 0], found.upper[:, 0]
                null[at] = found.null
        for term in terms:
            lower, upper, null = self._bounds[term]
            lower[null] = upper[null] = 0

    def _chunks(self, at: Index, most: int) -> Iterator[Index]:
        """Ascending groups, cut into pieces of one mask size and so many members at most."""
        grids = self.members.grids[at]
        for grid in np.unique(grids):
            same = at[grids == grid]
            before = np.cumsum(self.groups.sizes[same]) - self.groups.sizes[same]
            # Where the members before fill another piece; a large group is one by itself.
            cuts = np.flatnonzero(np.diff(before // most)) + 1
            yield from np.split(same, cuts)

    def _together(self) -> int:
        """Members verified at a time: a tile of each takes some MB."""
        tile = tile_bytes(part.view for part in self.rows.parts)
        return max(_FEWEST, min(_VERIFIED, _TILE_BYTES // tile))

    def refine(
        self, items: Index, exprs: Sequence[Expr], undecided: Undecided, *, whole: bool = False
    ) -> Steps[None]:
        """Read tiles of members until none of the groups is undecided."""
        nodes = [node for expr in exprs for node in group_leaves(expr)]
        terms = list(dict.fromkeys(n for n in nodes if isinstance(n, CountPixels)))
        for at in self._chunks(items, self._together()):
            yield from verify_groups(self.members, self._bounds, at, terms, undecided, whole=whole)
        arguments = [
            n.argument for n in nodes if isinstance(n, Aggregate) and n.argument is not None
        ]
        left = items[undecided(items)] if arguments else items[:0]
        if len(left):
            members = np.sort(self.members.of(left)[0])
            yield from settle_values(self.rows, arguments, members)


def group_leaves(expr: Expr | None) -> Iterator[Expr]:
    """Leaves of a grouped expression; an aggregate is one."""
    if expr is None:
        return
    stack = [expr]
    while stack:
        node = stack.pop()
        below = getattr(node, "args", ())
        if below:
            stack.extend(reversed(below))
        else:
            yield node


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
