"""Levels: the cut-offs at which the index counts, and where a range of values lies among them.

Level index 0 stands for "all pixels that are not NaN", 1 to L for the cut-offs, L + 1 for "none".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from masksearch_ray.model.values import Domain, ValueRange, k_max, stored_cut

__all__ = ["Bracket", "block_levels", "bracket"]


def block_levels(edges: Sequence[float], dtype: str, domain: Domain) -> tuple[float, ...]:
    """Cut-offs in stored units at which masks of a dtype are counted.

    Parameters
    ----------
    edges : sequence of float
        Bin edges in the units of the domain; those at its ends or beyond say nothing.
    dtype : str
        One of `masksearch_ray.model.values.DTYPES`.
    domain : Domain

    Returns
    -------
    tuple of float
        Ascending, distinct; every one parts the storable values into two non-empty sets.
    """
    if dtype == "bool":
        return (1.0,)
    inner = (edge for edge in edges if domain.lo < edge < domain.hi)
    cuts = {stored_cut(float(edge), dtype, domain) for edge in inner}
    top = k_max(dtype)
    if top is not None:
        cuts = {cut for cut in cuts if 0 < cut <= top}
    return tuple(sorted(cuts))


@dataclass(frozen=True)
class Bracket:
    """The levels next to a range of values, one pair outside it and one inside.

    Parameters
    ----------
    start_outer, start_inner : int
        Level indices at or below, and at or above, the start of the range.
    stop_outer, stop_inner : int
        Level indices at or above, and at or below, the end of the range.
    empty : bool
        Whether the range holds no storable value.
    none : int
        Level index of "none", L + 1.
    """

    start_outer: int
    start_inner: int
    stop_outer: int
    stop_inner: int
    empty: bool
    none: int

    @property
    def exact(self) -> bool:
        """Whether counts at levels give the count in the range without doubt."""
        return self.empty or (
            self.start_outer == self.start_inner and self.stop_outer == self.stop_inner
        )

    @property
    def has_inner(self) -> bool:
        """Whether at least one bin lies inside the range."""
        return not self.empty and self.start_inner < self.stop_inner

    @property
    def needed(self) -> tuple[int, ...]:
        """Level indices whose counts bound the count in the range, ascending.

        "None" is never among them; 0 may be, and is to be read only where it is stored, that is
        where a block holds NaN.
        """
        if self.empty:
            return ()
        wanted = {self.start_outer, self.stop_outer}
        if self.has_inner:
            wanted |= {self.start_inner, self.stop_inner}
        return tuple(sorted(wanted - {self.none}))

    @property
    def needed_in_groups(self) -> tuple[int, ...]:
        """As `needed`, for aggregates of masks: each end counts for itself, and so does NaN."""
        wanted = {0, self.start_outer, self.start_inner, self.stop_outer, self.stop_inner}
        return tuple(sorted(wanted - {self.none}))


def bracket(values: ValueRange, levels: Sequence[float], dtype: str, domain: Domain) -> Bracket:
    """Find a range of values among levels.

    Parameters
    ----------
    values : ValueRange
    levels : sequence of float
        As `block_levels` gives them.
    dtype : str
        One of `masksearch_ray.model.values.DTYPES`.
    domain : Domain
    """
    start_outer, start_inner = _neighbours(values.start, levels, dtype, domain)
    stop_inner, stop_outer = _neighbours(values.stop, levels, dtype, domain)
    start = stored_cut(values.start, dtype, domain)
    stop = stored_cut(values.stop, dtype, domain)
    none = len(levels) + 1
    empty = start >= stop or start_outer == none or stop_outer == 0
    return Bracket(start_outer, start_inner, stop_outer, stop_inner, empty, none)


def _neighbours(
    value: float, levels: Sequence[float], dtype: str, domain: Domain
) -> tuple[int, int]:
    """Nearest level indices at or below, and at or above, a threshold."""
    cut = stored_cut(value, dtype, domain)
    top = k_max(dtype)
    lowest, highest = (domain.lo, domain.hi) if top is None else (0, top)
    if cut <= lowest:
        return 0, 0
    if cut > highest:
        return len(levels) + 1, len(levels) + 1
    above = bisect_left(levels, cut) + 1
    below = bisect_right(levels, cut)
    return below, above
