"""A worker: it owns a shard and answers the requests that execution makes on it."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from masksearch_ray.collection.counter import bytes_read_here
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.execute.partials import Emit, Finished, Offer, Partial, Ranked, ends_query
from masksearch_ray.execute.shard import ShardQuery
from masksearch_ray.model.interrupt import interruptible
from masksearch_ray.model.logs import about
from masksearch_ray.model.shard import Request, SegmentView
from masksearch_ray.model.usage import Meter, metered
from masksearch_ray.runtime.answers import Answers, kind_of
from masksearch_ray.runtime.control import Pause, Watch
from masksearch_ray.runtime.types import ShardTask

__all__ = ["Place", "Worker"]

_log = logging.getLogger("masksearch_ray.runtime")

_KEPT_QUERIES = 64  # states of queries whose owner vanished are dropped in the end


@dataclass(frozen=True)
class Place:
    """Where a worker works, as logs and records name it.

    Parameters
    ----------
    worker : str
        Unique.
    node : str
        The machine.
    shard : str
        Which one it owns, of how many of which collection.
    """

    worker: str
    node: str
    shard: str = ""


class Worker:
    """The owner of some segments of a collection: their rows, index columns and caches.

    Parameters
    ----------
    reader : CollectionReader
    segments : sequence of int
        Positions in the manifest of the segments that this worker owns.
    place : Place
        Where it works.
    """

    def __init__(
        self, reader: CollectionReader, segments: Sequence[int], place: Place | None = None
    ) -> None:
        self.reader = reader
        self.segments = tuple(segments)
        self.answers = Answers(reader)
        self.place = place or Place("this process", platform.node())
        self._queries: OrderedDict[tuple[str, bool], ShardQuery] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, task: ShardTask, control: Watch) -> Iterator[Partial | Pause]:
        """Run one stage; yields its partials, a `Finished` last. Pauses where it is asked to."""
        began = time.perf_counter()
        spent = _Spent(f"query {task.query_id[:8]}, {self.place.shard}".rstrip(", "))
        with spent.measured(), interruptible(control.check):
            query = self._query(task)
        spent.add("read metadata", began)
        before = query.stats()
        ended = ends_query(task.stage)
        for found in self._drive(query.run(task.stage), control, spent):
            # What is offered is final already, and the select list comes with it.
            ended |= (
                isinstance(task.stage, Offer) and task.stage.fetch and isinstance(found, Ranked)
            )
            yield found
        after = query.stats()
        if ended:
            self.forget(task.query_id)
        with about(spent.what):
            told = {kind: round(seconds, 6) for kind, seconds in spent.seconds.items()}
            _log.debug("%s took %s s", type(task.stage).__name__, told)
        yield Finished(
            replace(
                after,
                rows_total=after.rows_total - before.rows_total,
                rows_selected=after.rows_selected - before.rows_selected,
                rows_verified=after.rows_verified - before.rows_verified,
                tiles_total=after.tiles_total - before.tiles_total,
                tiles_read=after.tiles_read - before.tiles_read,
                bytes_read=spent.bytes,
                bytes_cached=spent.meter.usage.bytes_cached,
                requests=spent.meter.usage.requests,
                retries=spent.meter.usage.retries,
                workers=frozenset([self.place.worker]),
                nodes=frozenset([self.place.node]),
                seconds=time.perf_counter() - began,
                stages=spent.seconds,
                segments_cached=self._cached(task),
            )
        )

    def forget(self, query_id: str) -> None:
        """Drop the state of a query."""
        with self._lock:
            for given in (False, True):
                self._queries.pop((query_id, given), None)

    def _owned(self, task: ShardTask) -> Sequence[int]:
        if task.members is None:
            return self.segments
        owned: list[int] = np.unique(task.members.segments).tolist()
        return owned

    def _cached(self, task: ShardTask) -> frozenset[int]:
        owned = self._owned(task)
        return frozenset(s for s in owned if self.reader.segment(s).index_cached)

    def _query(self, task: ShardTask) -> ShardQuery:
        key = (task.query_id, task.members is not None)
        with self._lock:
            if key not in self._queries:
                views = [self._view(segment) for segment in self._owned(task)]
                self._queries[key] = ShardQuery(
                    task.query, views, task.members, use_index=task.use_index
                )
                while len(self._queries) > _KEPT_QUERIES:
                    self._queries.popitem(last=False)
            return self._queries[key]

    def _view(self, number: int) -> SegmentView:
        segment = self.reader.segment(number)
        return SegmentView(number, segment.blocks, segment.alive(), *segment.opening())

    def _drive(
        self,
        steps: Generator[Request | Emit, Any, None],
        control: Watch,
        spent: _Spent,
    ) -> Iterator[Partial | Pause]:
        answer: Any = None
        while True:
            found, answer = self._advance(steps, answer, control, spent)
            if found is None:
                return
            yield found.partial if isinstance(found, Emit) else found

    def _advance(
        self,
        steps: Generator[Request | Emit, Any, None],
        answer: Any,
        control: Watch,
        spent: _Spent,
    ) -> tuple[Emit | Pause | None, Any]:
        """Go on to the next partial, None at the end; and what is to be answered then."""
        # Indexing masks in place may take long: it is stopped as the query is.
        with spent.measured(), interruptible(control.check):
            while True:
                control.step()
                if control.pausing:
                    return Pause(), answer
                began = time.perf_counter()
                try:
                    wanted = steps.send(answer)
                except StopIteration:
                    return None, None
                finally:
                    spent.add("decide", began)
                if isinstance(wanted, Emit):
                    return wanted, None
                began = time.perf_counter()
                try:
                    answer = self.answers.of(wanted, control)
                finally:
                    spent.add(kind_of(wanted), began)


class _Spent:
    """Seconds by kind of work, and bytes read, of one stage.

    Bytes are those of the thread at work: other stages may read the same segments meanwhile.

    Parameters
    ----------
    what : str
        What log lines of the work are about.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.meter = Meter()
        self.seconds: dict[str, float] = {}
        self.bytes = 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count what is read here, by one thread."""
        read = bytes_read_here()
        try:
            with metered(self.meter), about(self.what):
                yield
        finally:
            self.bytes += bytes_read_here() - read

    def add(self, kind: str, began: float) -> None:
        """Add the time since then to that of a kind of work."""
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - began
