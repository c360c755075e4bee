"""Our numbers among Ray's metrics, which every node exports to Prometheus.

Ray puts ``ray_`` before each name. docs/observability.md lists them all.
"""

from __future__ import annotations

import threading

from ray.util.metrics import Counter, Gauge, Histogram

from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.ray.instance import current_session
from masksearch_ray.runtime.types import WorkerReport

__all__ = ["count_query", "measure_worker"]

_SECONDS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]
_COUNTED = {
    "masksearch_rows_verified_total": ("rows_verified", "Rows of which pixels were read."),
    "masksearch_tiles_read_total": ("tiles_read", "Tiles read."),
    "masksearch_storage_requests_total": ("storage_requests", "Requests to storage by queries."),
    "masksearch_storage_retries_total": ("storage_retries", "Those that were a further try."),
    "masksearch_worker_restarts_total": ("worker_restarts", "Workers lost and replaced."),
}
_MEASURED = {
    "masksearch_memory_bytes": ("memory_kept", "Bytes of what was read and is kept."),
    "masksearch_memory_budget_bytes": ("memory_budget", "Bytes that may be kept."),
    "masksearch_cache_bytes": ("cache_bytes", "Bytes in the disk cache."),
    "masksearch_cache_hits": ("cache_hits", "Times that the disk cache held what was wanted."),
    "masksearch_cache_misses": ("cache_misses", "Times that it did not."),
}


class _Queries:
    """Counters of the process that asks."""

    def __init__(self) -> None:
        self._queries = Counter(
            "masksearch_queries_total", "Queries that have ended.", tag_keys=("outcome", "kind")
        )
        self._seconds = Histogram(
            "masksearch_query_seconds",
            "Seconds from question to whole answer.",
            boundaries=_SECONDS,
            tag_keys=("kind",),
        )
        self._bytes = Counter(
            "masksearch_bytes_read_total", "Bytes read, by where from.", tag_keys=("from",)
        )
        self._counted = {name: Counter(name, told) for name, (_, told) in _COUNTED.items()}

    def add(self, record: QueryRecord) -> None:
        """Count a query."""
        self._queries.inc(1, tags={"outcome": record.outcome, "kind": record.kind})
        self._seconds.observe(record.seconds, tags={"kind": record.kind})
        for origin, read in (("storage", record.bytes_read), ("cache", record.bytes_from_cache)):
            if read:
                self._bytes.inc(read, tags={"from": origin})
        for name, (field, _) in _COUNTED.items():
            value = getattr(record, field)
            if value:  # Ray counts no zeros
                self._counted[name].inc(value)


class _Worker:
    """Gauges of a worker's process."""

    def __init__(self) -> None:
        keys = ("worker",)
        self._shards = Gauge("masksearch_shards", "Shards that a worker holds.", tag_keys=keys)
        self._running = Gauge("masksearch_queries_running", "Queries it works on.", tag_keys=keys)
        self._measured = {
            name: Gauge(name, told, tag_keys=keys) for name, (_, told) in _MEASURED.items()
        }

    def set(self, report: WorkerReport) -> None:
        """Show what a worker says of itself."""
        tags = {"worker": report.name}
        self._shards.set(len(report.shards), tags=tags)
        self._running.set(len(report.queries), tags=tags)
        for name, (field, _) in _MEASURED.items():
            self._measured[name].set(getattr(report, field), tags=tags)


_lock = threading.Lock()
# Of one connection to Ray: its metrics end with it.
_made: dict[str, tuple[_Queries, _Worker]] = {}


def count_query(record: QueryRecord) -> None:
    """Count a query that has ended; where Ray is not there, nobody does."""
    metrics = _current()
    if metrics is not None:
        metrics[0].add(record)


def measure_worker(report: WorkerReport) -> None:
    """Show what the worker of this process holds."""
    metrics = _current()
    if metrics is not None:
        metrics[1].set(report)


def _current() -> tuple[_Queries, _Worker] | None:
    session = current_session()
    if session is None:
        return None
    with _lock:
        if session not in _made:
            _made.clear()
            _made[session] = _Queries(), _Worker()
        return _made[session]
