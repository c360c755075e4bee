"""Cutting a collection into shards, and shards into groups, one for each worker."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from masksearch_ray.runtime.types import SegmentLoad

__all__ = ["Cut", "balance", "cut", "lie_apart", "overlapping"]

_ROWS_A_WORKER = 2_000_000
_ROWS_A_SHARD = 2_000_000  # bounds and places of as many are held at once by a running stage
_UNEVEN = 1.1  # how much larger the largest shard may be, so that groups lie together


@dataclass(frozen=True)
class Cut:
    """A collection cut into shards.

    Parameters
    ----------
    shards : tuple of tuple of int
        Segments of each shard, ascending: positions in the manifest. Never empty.
    groups : tuple of tuple of int
        Shards of each worker.
    bytes : int
        Predicted bytes in memory of the largest group.
    images_apart : bool
        Whether no image has masks on two shards.
    """

    shards: tuple[tuple[int, ...], ...]
    groups: tuple[tuple[int, ...], ...]
    bytes: int
    images_apart: bool

    @property
    def workers(self) -> int:
        """Workers wanted."""
        return len(self.groups)


def cut(
    loads: Sequence[SegmentLoad],
    cpus: int,
    workers: int | None = None,
    memory: int | None = None,
) -> Cut:
    """Cut a collection by rows and by bytes.

    Parameters
    ----------
    loads : sequence of SegmentLoad
    cpus : int
        Workers that would have a CPU now; more are wanted if these could not hold the collection.
    workers : int, optional
        Workers at most, in place of what rows and bytes ask for.
    memory : int, optional
        Bytes that one worker may keep.
    """
    rows, size = sum(load.rows for load in loads), sum(load.bytes for load in loads)
    by_bytes = -(-size // max(1, memory)) if memory else 1
    wanted = workers or max(1, cpus, by_bytes, -(-rows // _ROWS_A_WORKER))
    weights = [_weight(load, rows, size) for load in loads]
    shards = _together(loads, weights, max(wanted, by_bytes, -(-rows // _ROWS_A_SHARD)))
    heavy = [sum(weights[segment] for segment in shard) for shard in shards]
    groups = balance(heavy, wanted)
    largest = max(sum(loads[s].bytes for shard in group for s in shards[shard]) for group in groups)
    return Cut(
        tuple(map(tuple, shards)), tuple(map(tuple, groups)), largest, lie_apart(loads, shards)
    )


def balance(weights: Sequence[int], shards: int) -> list[list[int]]:
    """Give out items: the heaviest first, each to the share that is lightest until then.

    Parameters
    ----------
    weights : sequence of int
        Such as the rows of each segment.
    shards : int
        Wanted number of shares; fewer come back where there are fewer items, but at least one.

    Returns
    -------
    list of list of int
        Positions of items, ascending within a share.
    """
    count = max(1, min(shards, len(weights)))
    owned: list[list[int]] = [[] for _ in range(count)]
    # Among equals the one with fewer items, so that none stays empty.
    lightest = [(0, 0, share) for share in range(count)]
    for item in sorted(range(len(weights)), key=lambda i: (-weights[i], i)):
        load, items, share = lightest[0]
        owned[share].append(item)
        heapq.heapreplace(lightest, (load + weights[item], items + 1, share))
    return [sorted(items) for items in owned]


def overlapping(loads: Sequence[SegmentLoad]) -> list[list[int]]:
    """Segments whose ranges of ``image_id`` hang together: no image lies in two of the lists.

    Parameters
    ----------
    loads : sequence of SegmentLoad

    Returns
    -------
    list of list of int
        Positions of segments, ascending within a list. All in one where a range is not known.
    """
    ranges = [(load.image_min, load.image_max, at) for at, load in enumerate(loads)]
    kinds = {type(end) for first, last, _ in ranges for end in (first, last)}
    if kinds not in ({int}, {str}):
        return [list(range(len(loads)))] if loads else []
    found: list[list[int]] = []
    reach: int | str | None = None
    for first, last, at in sorted(ranges):
        if reach is not None and first <= reach:  # type: ignore[operator]
            found[-1].append(at)
            reach = max(reach, last)  # type: ignore[type-var]
        else:
            found.append([at])
            reach = last
    return [sorted(segments) for segments in found]


def lie_apart(loads: Sequence[SegmentLoad], shards: Sequence[Sequence[int]]) -> bool:
    """Whether no image lies in two shards, by the ranges of their segments.

    Parameters
    ----------
    loads : sequence of SegmentLoad
    shards : sequence of sequence of int
        Segments of each.
    """
    owner = {segment: number for number, shard in enumerate(shards) for segment in shard}
    return all(len({owner[s] for s in unit}) == 1 for unit in overlapping(loads))


def _weight(load: SegmentLoad, rows: int, size: int) -> int:
    """Share of a segment in all rows and in all bytes, as a whole number."""
    return load.rows * max(1, size) + load.bytes * max(1, rows)


def _together(loads: Sequence[SegmentLoad], weights: Sequence[int], shards: int) -> list[list[int]]:
    """Shards, of which none shares images with another if that leaves them about as even."""
    alone = balance(weights, shards)
    units = overlapping(loads)
    given = balance([sum(weights[s] for s in unit) for unit in units], shards)
    together = [sorted(s for unit in units_of for s in units[unit]) for units_of in given if units]
    if not together or len(together) < len(alone):
        return alone

    def largest(cut: list[list[int]]) -> int:
        return max(sum(weights[s] for s in shard) for shard in cut)

    return together if largest(together) <= _UNEVEN * largest(alone) else alone
