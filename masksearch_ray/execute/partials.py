"""Mergeable parts of an answer, and the stages that shards are asked to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.execute.aggregate import State
from masksearch_ray.execute.interval import Bools, Interval
from masksearch_ray.execute.ordering import Places, Threshold
from masksearch_ray.model.forecast import Forecast

__all__ = [
    "BoundGroups",
    "CountBounds",
    "Counted",
    "Emit",
    "Fetch",
    "Filter",
    "FindMembers",
    "Finished",
    "Foresee",
    "GroupStates",
    "MemberRefs",
    "Offer",
    "Offered",
    "Partial",
    "Ranked",
    "RefineGroups",
    "RowsFound",
    "ShardStats",
    "Stage",
    "Top",
    "ends_query",
]

Index = npt.NDArray[np.int64]


# -- stages: what a shard is asked ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Filter:
    """Answer with every item that satisfies the predicate."""


@dataclass(frozen=True, eq=False)
class Offer:
    """Answer with how early items may be and are certain to be: as `Offered`.

    A shard of which no item is in doubt answers with its first k at once, as to `Top`. With
    `fetch` it does so if it can add the select list on them without reading anything.
    """

    k: int
    fetch: bool = False


@dataclass(frozen=True, eq=False)
class Top:
    """Answer with the k first items, given the threshold of all shards.

    With `fetch` also with the select list on them, those known to be none of the first k left out.
    On the way a shard tells now and then how early its items may be: as `Offered`.
    """

    k: int
    threshold: Threshold | None
    fetch: bool = False


@dataclass(frozen=True, eq=False)
class Fetch:
    """Answer with the select list on some items, int64, as `Ranked` named them."""

    items: Index


@dataclass(frozen=True, eq=False)
class CountBounds:
    """Answer with how many rows surely and possibly satisfy WHERE; reads no pixels."""


@dataclass(frozen=True, eq=False)
class Foresee:
    """Answer with what bounds will be made of; reads directories only."""


@dataclass(frozen=True, eq=False)
class BoundGroups:
    """Settle WHERE, then answer with states of all groups; exact ones if asked."""

    exact: bool


@dataclass(frozen=True, eq=False)
class RefineGroups:
    """Answer with exact states of the groups of some keys."""

    keys: tuple[Interval, ...]


@dataclass(frozen=True, eq=False)
class FindMembers:
    """Settle WHERE, then answer with the rows that passed and their keys."""


Stage = (
    Filter | Offer | Top | Fetch | CountBounds | Foresee | BoundGroups | RefineGroups | FindMembers
)


def ends_query(stage: Stage) -> bool:
    """Whether a shard is asked nothing more of a query after a stage, and may forget it."""
    match stage:
        case Top(fetch=last) | BoundGroups(exact=last):
            return last
    return isinstance(stage, Filter | Fetch)


# -- partials: what it answers ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RowsFound:
    """Items of the answer with their places (sort keys, then ties)."""

    table: pa.Table
    places: Places


@dataclass(frozen=True, eq=False)
class Offered:
    """Answer to `Offer`.

    Parameters
    ----------
    places : Places
        The latest that the k items certain to rank first can have.
    hopes : Places
        The earliest that the k most promising items can have.
    shards : tuple of int
        Whose they are, where answers of several shards were combined.
    """

    places: Places
    hopes: Places
    shards: tuple[int, ...] = ()

    def owners(self, shard: int) -> tuple[int, ...]:
        """Shards that they speak for, given the one that answered."""
        return self.shards or (shard,)


@dataclass(frozen=True, eq=False)
class Ranked:
    """Answer to `Top`: items of the shard, int64, and their exact places, in order.

    Parameters
    ----------
    items : numpy.ndarray
        int64 ``(n,)``, as their shard numbers them.
    places : Places
    shards : numpy.ndarray, optional
        int64 ``(n,)``: whose the items are, where answers of several shards were combined.
    """

    items: Index
    places: Places
    shards: Index | None = None

    def owners(self, shard: int) -> Index:
        """Shard of each item, given the one that answered."""
        return np.full(len(self.items), shard) if self.shards is None else self.shards


@dataclass(frozen=True, eq=False)
class Counted:
    """Answer to `CountBounds`."""

    surely: int
    possibly: int


@dataclass(frozen=True, eq=False)
class GroupStates:
    """Keys of G groups and the states of all aggregates on them."""

    keys: tuple[Interval, ...]
    states: tuple[State, ...]
    groups: int


@dataclass(frozen=True, eq=False)
class MemberRefs:
    """Rows by segment and ordinal, with their group keys.

    Parameters
    ----------
    keys : tuple of Interval
    segments, ordinals : numpy.ndarray
        int64 ``(n,)``.
    verified : numpy.ndarray
        bool ``(n,)``: of which tiles were read already, and counted in statistics.
    shards : numpy.ndarray, optional
        int64 ``(n,)``: whose the rows are, where answers of several shards were combined.
    """

    keys: tuple[Interval, ...]
    segments: Index
    ordinals: Index
    verified: Bools
    shards: Index | None = None

    def owners(self, shard: int) -> Index:
        """Shard of each row, given the one that answered."""
        return np.full(len(self.ordinals), shard) if self.shards is None else self.shards

    def take(self, index: Index) -> MemberRefs:
        """Some of the rows."""
        return MemberRefs(
            tuple(key.take(index) for key in self.keys),
            self.segments[index],
            self.ordinals[index],
            self.verified[index],
            None if self.shards is None else self.shards[index],
        )

    @classmethod
    def concat(cls, parts: Sequence[tuple[int, MemberRefs]]) -> MemberRefs:
        """Rows of several shards, at least one, each given with its answer."""
        refs = [part for _, part in parts]
        return cls(
            tuple(map(Interval.concat, zip(*(part.keys for part in refs), strict=True))),
            np.concatenate([part.segments for part in refs]),
            np.concatenate([part.ordinals for part in refs]),
            np.concatenate([part.verified for part in refs]),
            np.concatenate([part.owners(shard) for shard, part in parts]),
        )


@dataclass(frozen=True)
class ShardStats:
    """What one stage did on one shard.

    Parameters
    ----------
    rows_total, rows_selected, rows_verified : int
        Live rows; those that metadata predicates leave; those of which tiles were read.
    tiles_total, tiles_read : int
        Tiles of the rows selected; tiles read.
    bytes_read, bytes_cached : int
        From storage; from a disk cache in its place.
    requests, retries : int
        Requests to storage; those that were a further try.
    restarts : int
        Workers that took the place of a lost one.
    seconds : float
    stages : dict of str to float
        Seconds by kind of work.
    segments_cached : frozenset of int
        Segments whose index is kept in the cache, as the collection cannot be written to.
    workers, nodes : frozenset of str
        Who did it, and on which machines.
    """

    rows_total: int = 0
    rows_selected: int = 0
    rows_verified: int = 0
    tiles_total: int = 0
    tiles_read: int = 0
    bytes_read: int = 0
    bytes_cached: int = 0
    requests: int = 0
    retries: int = 0
    restarts: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    segments_cached: frozenset[int] = frozenset()
    workers: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Finished:
    """The last partial of a stage."""

    stats: ShardStats


Partial = RowsFound | Offered | Ranked | Counted | Forecast | GroupStates | MemberRefs | Finished


@dataclass(frozen=True, eq=False)
class Emit:
    """Yielded by a computation to hand out a partial before it ends."""

    partial: Partial
