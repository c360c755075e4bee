"""Which byte ranges of an object to read together."""

from __future__ import annotations

from dataclasses import dataclass

from masksearch_ray.storage.types import Ranges


@dataclass(frozen=True)
class Read:
    """One request that answers several ranges."""

    start: int
    """First byte."""
    stop: int
    """One past the last byte."""
    members: tuple[int, ...]
    """Positions, in the ranges asked for, of those that lie inside."""


def coalesce(ranges: Ranges, gap: int, max_size: int) -> tuple[Read, ...]:
    """Merge ranges that lie close together, so that fewer requests are made.

    Parameters
    ----------
    ranges : sequence of (int, int)
        Half-open byte ranges, in any order; they may overlap.
    gap : int
        Ranges with at most so many unwanted bytes between them may be read together.
    max_size : int
        Bytes that a merged request may span. A single range is never split, and what lies
        inside another range is read with it.

    Returns
    -------
    tuple of Read
        Sorted by start. Every range that is not empty is a member of exactly one.
    """
    wanted = sorted(
        (start, stop, position) for position, (start, stop) in enumerate(ranges) if start < stop
    )
    reads: list[Read] = []
    members: list[int] = []
    first = last = 0
    for start, stop, position in wanted:
        end = max(last, stop)
        near = bool(members) and start <= last + gap
        if near and (end == last or end - first <= max_size):
            members.append(position)
            last = end
            continue
        if members:
            reads.append(Read(first, last, tuple(members)))
        first, last, members = start, stop, [position]
    if members:
        reads.append(Read(first, last, tuple(members)))
    return tuple(reads)


def cut(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Cut ``start:stop`` into parts of `size` bytes, of which the last may be shorter."""
    return [(begin, min(begin + size, stop)) for begin in range(start, stop, size)]
