"""What is written down of every query that was asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["QueryKind", "QueryRecord", "Sink", "outcome_of"]

QueryKind = Literal["rows", "top-k", "groups", "bounds", "refused"]
"""All rows that pass, the first k, groups, `count_bounds`; or a text that was not understood."""


@dataclass(frozen=True)
class QueryRecord:
    """One query: who asked what of whom, what it took, and how it ended.

    Parameters
    ----------
    query_id : str
        Unique; logs of workers name it too.
    text : str
        The SQL as given; values of parameters are no part of it.
    kind : QueryKind
    collection : str
        Its URL.
    version : int
        Of the collection.
    runtime : str
    shards, workers, nodes : int
        Shards of the collection; workers and machines that answered for them.
    started : str
        UTC, ISO 8601.
    seconds : float
        From when the answer was asked for until it was whole, or the query failed.
    outcome : str
        ``ok``, ``cancelled``, ``timed out``, or the name of the error.
    stages : mapping of str to float
        Seconds by kind of work, added up over shards.
    rows_total, rows_selected : int
        Rows of the collection; those that the metadata predicates leave.
    rows_decided, rows_verified : int
        Of those, rows of which no pixel was read; rows of which tiles were read.
    tiles_read, tiles_total : int
        Tiles read, and tiles of the rows selected.
    bytes_read : int
        From storage: metadata, index and tiles.
    bytes_from_cache : int
        From a disk cache in place of storage.
    storage_requests, storage_retries : int
        Requests to storage; those that were a further try.
    worker_restarts : int
        Workers that were lost and replaced while the query ran.
    round_trips : int
        Times that the coordinator waited for all shards.
    """

    query_id: str
    text: str
    kind: QueryKind
    collection: str
    version: int
    runtime: str
    started: str
    seconds: float
    outcome: str
    shards: int = 0
    workers: int = 0
    nodes: int = 0
    stages: Mapping[str, float] = field(default_factory=dict)
    rows_total: int = 0
    rows_selected: int = 0
    rows_decided: int = 0
    rows_verified: int = 0
    tiles_read: int = 0
    tiles_total: int = 0
    bytes_read: int = 0
    bytes_from_cache: int = 0
    storage_requests: int = 0
    storage_retries: int = 0
    worker_restarts: int = 0
    round_trips: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The same as what JSON knows."""
        return {**dataclasses.asdict(self), "stages": dict(self.stages)}


class Sink(Protocol):
    """Where records go; called once a query, from the thread that asked, and must return soon."""

    def __call__(self, record: QueryRecord, /) -> None:
        """Take a record."""
        ...


_OUTCOMES = {
    "QueryCancelledError": "cancelled",
    "GeneratorExit": "cancelled",
    "KeyboardInterrupt": "cancelled",
    "QueryTimeoutError": "timed out",
}


def outcome_of(error: BaseException | None) -> str:
    """How a query ended that ended by this error, or by none."""
    if error is None:
        return "ok"
    name = type(error).__name__
    return _OUTCOMES.get(name, name)
