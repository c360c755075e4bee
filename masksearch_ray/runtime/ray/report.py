"""What an actor says of itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import ray

from masksearch_ray.model.text import plain_url
from masksearch_ray.runtime.types import RunningQuery, ShardHeld, WorkerReport
from masksearch_ray.storage import cache_counters

if TYPE_CHECKING:
    from masksearch_ray.runtime.ray.errand import Shard
    from masksearch_ray.runtime.worker import Worker

__all__ = ["actor_name", "end_actor", "node_id", "report_of"]


def actor_name() -> str:
    """Name of the actor that this process is; that of the process where it is none."""
    name = ray.get_runtime_context().get_actor_name() if _is_actor() else None
    return name or f"process {os.getpid()}"


def node_id() -> str:
    """Id of the node on which this actor runs."""
    name: str = ray.get_runtime_context().get_node_id() if _is_actor() else ""
    return name


def end_actor() -> None:
    """End this actor for good; who needs it starts another."""
    if _is_actor():
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def _host() -> str:
    address: str = ray.util.get_node_ip_address() if _is_actor() else ""  # type: ignore[no-untyped-call]
    return address


def _is_actor() -> bool:
    return ray.is_initialized() and ray.get_runtime_context().get_actor_id() is not None


def report_of(
    held: Sequence[tuple[Shard, Worker]],
    queries: Iterable[RunningQuery],
    uptime: float,
    idle: float,
    budget: int,
    keep_alive: float | None = None,
) -> WorkerReport:
    """Report of an actor.

    Parameters
    ----------
    held : sequence of (Shard, Worker)
    queries : iterable of RunningQuery
    uptime, idle : float
        Seconds since its process began, and since it was last used.
    budget : int
        Bytes that it may keep of what was read.
    keep_alive : float or None
        Seconds without use after which it ends itself.
    """
    running = tuple(queries)
    idle = 0.0 if running else idle
    caches = cache_counters()
    readers = {id(worker.reader): worker.reader for _, worker in held}.values()
    totals = [
        worker.reader.segment(number).counter.totals
        for _, worker in held
        for number in worker.segments
    ]
    return WorkerReport(
        name=actor_name(),
        node=node_id(),
        host=_host(),
        pid=os.getpid(),
        shards=tuple(_held(shard, worker) for shard, worker in held),
        queries=running,
        memory_kept=sum(reader.nbytes for reader in readers),
        memory_budget=budget,
        bytes_read=sum(total.bytes for total in totals),
        requests=sum(total.requests for total in totals),
        idle=idle,
        uptime=uptime,
        expires=None if keep_alive is None else max(0.0, keep_alive - idle),
        cache_bytes=sum(cache.size for cache in caches),
        cache_hits=sum(cache.hits for cache in caches),
        cache_misses=sum(cache.misses for cache in caches),
    )


def _held(shard: Shard, worker: Worker) -> ShardHeld:
    manifest = worker.reader.manifest
    rows = sum(manifest.segments[number].rows for number in worker.segments)
    url = plain_url(shard.source.url)
    return ShardHeld(shard.label, url, shard.source.version, len(worker.segments), rows)
