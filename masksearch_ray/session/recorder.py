"""Writing down what becomes of a query: one record each, however it ends."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from masksearch_ray.model.record import QueryKind, QueryRecord, Sink, outcome_of
from masksearch_ray.model.text import plain_url
from masksearch_ray.plan.types import Plan
from masksearch_ray.runtime.coordinator import Coordinator
from masksearch_ray.runtime.types import Runtime

__all__ = ["Origin", "Recorder"]

_log = logging.getLogger("masksearch_ray.query")


@dataclass(frozen=True)
class Origin:
    """Whom queries are asked of.

    Parameters
    ----------
    collection : str
        URL.
    version : int
    runtime : Runtime
    on_query : Sink, optional
        Where records go besides.
    """

    collection: str
    version: int
    runtime: Runtime
    on_query: Sink | None = None


class Recorder:
    """Makes the record of one query when that ends, and hands it on once.

    Parameters
    ----------
    text : str
        The query as given.
    params : mapping
        Values of its parameters: they are logged at DEBUG, and never kept.
    origin : Origin
    bounds : bool
        Whether only bounds of a count are asked for.
    """

    def __init__(
        self, text: str, params: Mapping[str, Any], origin: Origin, *, bounds: bool = False
    ) -> None:
        self.query_id = uuid.uuid4().hex
        self._text = text
        self._params = params
        self._origin = origin
        self._bounds = bounds
        self._coordinator: Coordinator | None = None
        self._lock = threading.Lock()
        self._record: QueryRecord | None = None
        self.start()

    @property
    def record(self) -> QueryRecord | None:
        """The record; None before the query has ended."""
        return self._record

    def start(self) -> None:
        """Let the time run: nobody waits for a query that was not asked for yet."""
        self._started, self._began = datetime.now(UTC), time.perf_counter()

    def follow(self, coordinator: Coordinator) -> None:
        """Name who carries the query out."""
        self._coordinator = coordinator
        _log.debug("query %s is %r with parameters %r", self.query_id, self._text, self._params)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """End the record with an error that passes through."""
        try:
            yield
        except BaseException as error:
            self.end(error)
            raise

    def end(self, error: BaseException | None = None) -> QueryRecord:
        """Make the record and hand it on; what ends a query first is how it ended."""
        with self._lock:
            if self._record is not None:
                return self._record
            self._record = record = self._make(error)
        if _log.isEnabledFor(logging.INFO):
            _log.info("%s", json.dumps(record.to_dict(), ensure_ascii=False))
        try:
            self._origin.runtime.record(record)
            if self._origin.on_query is not None:
                self._origin.on_query(record)
        except Exception:  # whatever befalls the record, the answer is right
            _log.exception("the record of query %s was lost", self.query_id)
        return record

    def _make(self, error: BaseException | None) -> QueryRecord:
        origin, coordinator = self._origin, self._coordinator
        record = QueryRecord(
            query_id=self.query_id,
            text=self._text,
            kind="refused",
            collection=plain_url(origin.collection),
            version=origin.version,
            runtime=origin.runtime.name,
            started=self._started.isoformat(timespec="milliseconds"),
            seconds=time.perf_counter() - self._began,
            outcome=outcome_of(error),
        )
        if coordinator is None:
            return record
        kind = "bounds" if self._bounds else _kind(coordinator.plan)
        return replace(record, kind=kind, **_work(coordinator))


def _kind(plan: Plan) -> QueryKind:
    if plan.groups is not None:
        return "groups"
    return "rows" if plan.k is None else "top-k"


def _work(coordinator: Coordinator) -> dict[str, Any]:
    """What all shards did together."""
    total = coordinator.total()
    return {
        "shards": coordinator.pool.shards,
        "workers": len(total.workers),
        "nodes": len(total.nodes),
        "stages": total.stages,
        "rows_total": total.rows_total,
        "rows_selected": total.rows_selected,
        "rows_decided": total.rows_selected - total.rows_verified,
        "rows_verified": total.rows_verified,
        "tiles_read": total.tiles_read,
        "tiles_total": total.tiles_total,
        "bytes_read": total.bytes_read,
        "bytes_from_cache": total.bytes_cached,
        "storage_requests": total.requests,
        "storage_retries": total.retries,
        "worker_restarts": total.restarts,
        "round_trips": coordinator.round_trips,
    }
