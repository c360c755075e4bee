"""What a query did, as users see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from masksearch_ray.execute.partials import ShardStats
from masksearch_ray.model.record import QueryRecord

__all__ = ["Stats", "explain_stats"]


@dataclass(frozen=True)
class Stats:
    """What a query did.

    Parameters
    ----------
    rows_total : int
        Rows of the collection.
    rows_selected : int
        Rows that the metadata predicates leave.
    rows_decided_by_index : int
        Of those, rows of which no pixel was read.
    rows_verified : int
        Of those, rows of which tiles were read.
    tiles_read, tiles_total : int
        Tiles read, and tiles of the rows selected.
    bytes_read : int
        From storage: metadata, index and tiles; what a cache held already is not counted.
    bytes_cached : int
        From a cache on this machine's disk, in place of the storage; see `open`.
    seconds : float
        From when the answer was asked for until it was whole.
    stages : mapping of str to float
        Seconds by kind of work, added up over shards.
    round_trips : int
        Times that the coordinator waited for all shards.
    shards : mapping of int to ShardStats
        The same by shard.
    index_cached : int
        Segments whose index is kept in the cache, as the collection cannot be written to.
    record : QueryRecord, optional
        What is written down of the query, for machines.
    """

    rows_total: int = 0
    rows_selected: int = 0
    rows_decided_by_index: int = 0
    rows_verified: int = 0
    tiles_read: int = 0
    tiles_total: int = 0
    bytes_read: int = 0
    bytes_cached: int = 0
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    round_trips: int = 0
    shards: Mapping[int, ShardStats] = field(default_factory=dict)
    index_cached: int = 0
    record: QueryRecord | None = None

    @classmethod
    def of(cls, record: QueryRecord, shards: Mapping[int, ShardStats], cached: int) -> Stats:
        """Statistics of a query that has ended."""
        return cls(
            rows_total=record.rows_total,
            rows_selected=record.rows_selected,
            rows_decided_by_index=record.rows_decided,
            rows_verified=record.rows_verified,
            tiles_read=record.tiles_read,
            tiles_total=record.tiles_total,
            bytes_read=record.bytes_read,
            bytes_cached=record.bytes_from_cache,
            seconds=record.seconds,
            stages=record.stages,
            round_trips=record.round_trips,
            shards=shards,
            index_cached=cached,
            record=record,
        )

    def to_dict(self) -> dict[str, Any]:
        """The record of the query as what JSON knows."""
        return {} if self.record is None else self.record.to_dict()


def explain_stats(stats: Stats) -> list[str]:
    """Lines of EXPLAIN ANALYZE: what a query did, in all and by shard."""
    trips = "round trip" if stats.round_trips == 1 else "round trips"
    lines = [
        f"done in {stats.seconds * 1000:,.1f} ms, {stats.round_trips} {trips}",
        f"  rows: {stats.rows_total:,} in all, {stats.rows_selected:,} selected by metadata, "
        f"{stats.rows_decided_by_index:,} decided by the index alone, "
        f"{stats.rows_verified:,} verified",
        f"  tiles read: {stats.tiles_read:,} of {stats.tiles_total:,}",
        f"  bytes read: {stats.bytes_read:,}{_from_cache(stats)}",
        *_work_lines(stats.record),
        f"  time: {_times(stats.stages)}",
    ]
    if stats.index_cached:
        lines.append(
            f"  index kept in the cache, as the collection cannot be written to: "
            f"{stats.index_cached:,} segments"
        )
    for shard, held in sorted(stats.shards.items()):
        lines.append(
            f"  shard {shard}: {held.rows_total:,} rows, {held.rows_verified:,} verified, "
            f"{held.tiles_read:,} tiles, {held.bytes_read:,} bytes, {_times(held.stages)}"
        )
    return lines


def _work_lines(record: QueryRecord | None) -> list[str]:
    if record is None:
        return []
    again = f", {record.storage_retries:,} of them tried again" if record.storage_retries else ""
    lines = [f"  requests to storage: {record.storage_requests:,}{again}"]
    if record.worker_restarts:
        lines.append(f"  workers lost, whose part others did: {record.worker_restarts:,}")
    return lines


def _from_cache(stats: Stats) -> str:
    return f"; from the cache on disk: {stats.bytes_cached:,}" if stats.bytes_cached else ""


def _times(stages: Mapping[str, float]) -> str:
    return ", ".join(f"{kind} {seconds * 1000:,.1f} ms" for kind, seconds in stages.items())
