"""Cutting a collection into shards."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["balance"]


def balance(rows: Sequence[int], shards: int) -> list[list[int]]:
    """Segments of each shard: the largest first, each to the shard with the fewest rows.

    Parameters
    ----------
    rows : sequence of int
        Rows of each segment.
    shards : int
        Wanted number; fewer come back where there are fewer segments, but at least one.

    Returns
    -------
    list of list of int
        Positions of segments, ascending within a shard.
    """
    count = max(1, min(shards, len(rows)))
    owned: list[list[int]] = [[] for _ in range(count)]
    load = [0] * count
    for segment in sorted(range(len(rows)), key=lambda s: (-rows[s], s)):
        least = load.index(min(load))
        owned[least].append(segment)
        load[least] += rows[segment]
    return [sorted(segments) for segments in owned]
