"""Which bytes of an object are at hand, and which have to be read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from masksearch_ray.storage.types import Pieces, Ranges

__all__ = ["Held", "Span", "gaps_in", "slices", "union"]

Span = tuple[int, int]
"""First byte, and one past the last."""
Held = tuple[int, int, bytes | memoryview]
"""The same, and the bytes."""


def union(ranges: Ranges) -> list[Span]:
    """The bytes of ranges as few ranges, ascending and apart."""
    found: list[Span] = []
    for start, stop in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def gaps_in(wanted: Sequence[Span], held: Sequence[Held]) -> list[Span]:
    """What is wanted and not held; both ascending and disjoint."""
    gaps: list[Span] = []
    at = 0
    for start, stop in wanted:
        while at < len(held) and held[at][1] <= start:
            at += 1
        place, number = start, at
        while place < stop and number < len(held) and held[number][0] < stop:
            if place < held[number][0]:
                gaps.append((place, held[number][0]))
            place = max(place, held[number][1])
            number += 1
        if place < stop:
            gaps.append((place, stop))
    return gaps


def slices(ranges: Ranges, held: Sequence[Held]) -> Pieces:
    """Ranges in the order given, all of which is held; ascending and disjoint."""
    starts = [start for start, _, _ in held]
    found: Pieces = []
    for start, stop in ranges:
        parts = []
        at = bisect_right(starts, start) - 1
        while start < stop:
            begin, end, data = held[at]
            parts.append(memoryview(data)[start - begin : stop - begin])
            start, at = end, at + 1
        found.append(parts[0] if len(parts) == 1 else b"".join(parts))
    return found
