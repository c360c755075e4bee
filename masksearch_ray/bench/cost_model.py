"""What a collection of N masks costs: bytes, requests, memory, nodes, money. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Constants", "Cost", "Prices", "Setting", "costs", "first_limits"]

_MONTH = 730.0  # hours


@dataclass(frozen=True)
class Constants:
    """What was measured.

    Parameters
    ----------
    masks, side : int
        Measured on so many masks of so many pixels a side, uint8.
    pixels, index, metadata : float
        Bytes stored a mask.
    memory : float
        Bytes a mask in the memory of the worker that owns it, predicted by the engine.
    ingest : float
        CPU seconds a mask.
    bound : float
        CPU seconds a mask of a query whose index columns are in memory.
    cold_bytes : float
        Bytes a mask that bounds read, once, for one region.
    cold_requests : float
        GETs a segment for them.
    verified : float
        Share of the masks whose pixels a filter reads.
    verify_requests, verify_bytes : float
        GETs and bytes a verified mask.
    entry : float
        Bytes of a segment in the manifest.
    entry_open : float
        CPU seconds to parse it, and to make shards of it.
    shard : float
        CPU seconds that a shard costs the coordinator in a top-k, by simulation.
    """

    masks: int
    side: int
    pixels: float
    index: float
    metadata: float
    memory: float
    ingest: float
    bound: float
    cold_bytes: float
    cold_requests: float
    verified: float
    verify_requests: float
    verify_bytes: float
    entry: float
    entry_open: float
    shard: float


@dataclass(frozen=True)
class Prices:
    """Prices in one currency: parameters, to be set to those of one's own contract.

    Parameters
    ----------
    storage : float
        A GB and month.
    gets, puts : float
        Of 1,000 requests.
    node : float
        A node and hour.
    """

    storage: float = 0.023
    gets: float = 0.0004
    puts: float = 0.005
    node: float = 1.0


@dataclass(frozen=True)
class Setting:
    """How a collection is cut and where it runs: parameters too.

    Parameters
    ----------
    segment_rows, shard_rows : int
        Masks of a segment and of a shard.
    cores : int
        Of a node.
    memory : float
        Bytes that the workers of a node may keep.
    bandwidth : float
        Bytes a second that a node reads from object storage.
    """

    segment_rows: int = 4096
    shard_rows: int = 2_000_000
    cores: int = 16
    memory: float = 64e9
    bandwidth: float = 1e9


@dataclass(frozen=True)
class Cost:
    """What N masks cost.

    Parameters
    ----------
    masks, segments, shards, nodes : int
        Nodes: so many that the index of all masks stays in their memory.
    stored, index, manifest : float
        Bytes: of everything, of the index alone, of the manifest.
    open_seconds : float
        To parse the manifest and cut the collection.
    ingest_core_hours : float
    cold_gets, cold_bytes, cold_seconds : float
        Of a query that nothing is in memory for; its seconds are those of bandwidth alone.
    warm_gets, warm_seconds : float
        Of the next one; GETs are for pixels, seconds for bounds.
    coordinator_seconds : float
        Of a top-k.
    storage_month, ingest_money, cold_money, nodes_month : float
        Money: a month of storage; PUTs and nodes of the ingest; GETs of a cold query; a month of
        nodes that never sleep.
    """

    masks: int
    segments: int
    shards: int
    nodes: int
    stored: float
    index: float
    manifest: float
    open_seconds: float
    ingest_core_hours: float
    cold_gets: float
    cold_bytes: float
    cold_seconds: float
    warm_gets: float
    warm_seconds: float
    coordinator_seconds: float
    storage_month: float
    ingest_money: float
    cold_money: float
    nodes_month: float


_OBJECTS = 3  # of a segment: rows, tiles, index


def costs(
    masks: int, known: Constants, prices: Prices | None = None, setting: Setting | None = None
) -> Cost:
    """Cost of a collection.

    Parameters
    ----------
    masks : int
        At least 1.
    known : Constants
    prices : Prices, optional
    setting : Setting, optional
    """
    prices, setting = prices or Prices(), setting or Setting()
    segments = -(-masks // setting.segment_rows)
    shards = -(-masks // setting.shard_rows)
    nodes = max(1, math.ceil(masks * known.memory / setting.memory))
    manifest = segments * known.entry
    stored = masks * (known.pixels + known.index + known.metadata) + manifest
    ingest = masks * known.ingest / 3600
    warm_gets = masks * known.verified * known.verify_requests
    cold_gets = segments * known.cold_requests + warm_gets + 1
    cold_bytes = masks * (known.cold_bytes + known.verified * known.verify_bytes) + manifest
    return Cost(
        masks=masks,
        segments=segments,
        shards=shards,
        nodes=nodes,
        stored=stored,
        index=masks * known.index,
        manifest=manifest,
        open_seconds=segments * known.entry_open,
        ingest_core_hours=ingest,
        cold_gets=cold_gets,
        cold_bytes=cold_bytes,
        cold_seconds=cold_bytes / (nodes * setting.bandwidth),
        warm_gets=warm_gets,
        warm_seconds=masks * known.bound / (nodes * setting.cores),
        coordinator_seconds=shards * known.shard,
        storage_month=stored / 1e9 * prices.storage,
        ingest_money=segments * _OBJECTS * prices.puts / 1000
        + ingest / setting.cores * prices.node,
        cold_money=cold_gets * prices.gets / 1000,
        nodes_month=nodes * prices.node * _MONTH,
    )


def first_limits(cost: Cost, seconds: float = 1.0) -> Sequence[str]:
    """Say which steps of a query take longer than some seconds, the slowest first."""
    steps = {
        "opening the manifest": cost.open_seconds,
        "a cold query's bytes": cost.cold_seconds,
        "bounds of a warm query": cost.warm_seconds,
        "the coordinator": cost.coordinator_seconds,
    }
    late = [(took, step) for step, took in steps.items() if took > seconds]
    return [step for _, step in sorted(late, reverse=True)]
