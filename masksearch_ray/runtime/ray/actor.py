"""The actor: a worker and its shard in a process of Ray's."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import ray

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Partial, RowsFound
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.reading import open_reader
from masksearch_ray.runtime.types import CollectionSource, ShardTask
from masksearch_ray.runtime.worker import Worker

__all__ = ["CONTROL", "Errand", "Reply", "Shard", "ShardActor"]

CONTROL = "control"  # calls of this group overtake the stages that run
_AHEAD = 8  # answers that a shard may be ahead of the reader before it is held back
_KEPT_STOPS = 256
_PATIENCE = 5.0  # seconds that a stage waits for an earlier one that was told to stop

Reply = tuple[Partial, ...] | MaskSearchError
"""What an actor answers: partials, or an error of ours as a value."""


@dataclass(frozen=True, eq=False)
class Shard:
    """What an actor is given to own.

    Parameters
    ----------
    label : str
        Its name, for people.
    key : str
        Its name, unique.
    source : CollectionSource
    segments : tuple of int
        Positions in the manifest.
    shards : int
        Of the collection; their actors may all lie on one machine.
    """

    label: str
    key: str
    source: CollectionSource
    segments: tuple[int, ...]
    shards: int = 1


@dataclass(frozen=True, eq=False)
class Errand:
    """One stage as it is sent to an actor.

    Parameters
    ----------
    name : str
        By which it can be stopped.
    shard : Shard
        Given with every errand: an actor that was started anew opens it again.
    task : ShardTask
    timeout, left : float or None
        The query's time limit and what was left of it when this was sent, in seconds.
    threshold : Threshold or None
        The best known when this was sent.
    """

    name: str
    shard: Shard
    task: ShardTask
    timeout: float | None
    left: float | None
    threshold: Threshold | None

    def control(self) -> QueryControl:
        """Control of the query on the actor's side."""
        if self.timeout is None or self.left is None:
            return QueryControl(None, self.threshold)
        spent = self.timeout - self.left
        return QueryControl(self.timeout, self.threshold, _start=time.monotonic() - spent)


@dataclass(eq=False)
class _Running:
    errand: Errand
    control: QueryControl
    ended: threading.Event = field(default_factory=threading.Event)


class ShardActor:
    """One shard at a time: what its worker yields is streamed to the caller."""

    def __init__(self) -> None:
        pa.set_cpu_count(1)  # other shards use the other cores
        self._shard: Shard | None = None
        self._worker: Worker | None = None
        self._opening = threading.Lock()
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._stopped: OrderedDict[str, None] = OrderedDict()

    def __repr__(self) -> str:
        return "worker without a shard" if self._shard is None else self._shard.label

    def open(self, shard: Shard) -> MaskSearchError | None:
        """Own a shard; the error if it cannot be opened."""
        try:
            self._own(shard)
        except MaskSearchError as error:
            return error
        return None

    def answer(self, errand: Errand) -> Reply:
        """Run a stage and give its whole answer."""
        whole: list[Partial] = []
        for reply in self._replies(errand):
            if isinstance(reply, MaskSearchError):
                return reply
            whole += reply
        return tuple(whole)

    @ray.method(num_returns="streaming", _generator_backpressure_num_objects=_AHEAD)
    def stream(self, errand: Errand) -> Iterator[Reply]:
        """Run a stage; rows are handed out as they are found, all else at the end."""
        yield from self._replies(errand)

    @ray.method(concurrency_group=CONTROL)
    def raise_threshold(self, query_id: str, threshold: Threshold) -> None:
        """Tell the running stage of a query a better threshold."""
        with self._lock:
            running = self._running.get(query_id)
        if running is not None:
            running.control.threshold = threshold

    @ray.method(concurrency_group=CONTROL)
    def stop(self, query_id: str, name: str) -> None:
        """Stop an errand, also one that has yet to arrive."""
        with self._lock:
            self._stopped[name] = None
            while len(self._stopped) > _KEPT_STOPS:
                self._stopped.popitem(last=False)
            running = self._running.get(query_id)
        if running is not None and running.errand.name == name:
            running.control.cancel()

    @ray.method(concurrency_group=CONTROL)
    def forget(self, query_id: str) -> None:
        """Drop the state of a query."""
        worker = self._worker
        if worker is not None:
            worker.forget(query_id)

    @ray.method(concurrency_group=CONTROL)
    def release(self, key: str | None = None) -> None:
        """Stop what runs on a shard and drop it; any shard without a `key`.

        This call may come late, when the actor owns the next shard already; that one stays.
        """
        with self._lock:
            running = [r for r in self._running.values() if key in (None, r.errand.shard.key)]
        for one in running:
            one.control.cancel()
        with self._opening:
            if self._shard is not None and key in (None, self._shard.key):
                self._shard = self._worker = None

    @ray.method(concurrency_group=CONTROL)
    def ping(self) -> None:
        """Show that the actor lives."""

    def _replies(self, errand: Errand) -> Iterator[Reply]:
        held: list[Partial] = []
        try:
            worker = self._own(errand.shard)
            with self._alone(errand, worker) as control:
                for partial in worker.run(errand.task, control):
                    held.append(partial)
                    if isinstance(partial, RowsFound):
                        yield tuple(held)
                        held = []
            yield tuple(held)
        except MaskSearchError as error:
            yield error

    def _own(self, shard: Shard) -> Worker:
        with self._opening:
            if self._worker is None or self._shard is None or self._shard.key != shard.key:
                reader = open_reader(shard.source, shard.shards)
                self._worker = Worker(reader, shard.segments)
                self._shard = shard
            return self._worker

    @contextmanager
    def _alone(self, errand: Errand, worker: Worker) -> Iterator[QueryControl]:
        """Run one errand of a query at a time, as its stages share state.

        A second one finds a first only if that was abandoned, or if Ray lost sight of it and sent
        it again; either way nobody waits for the first, and its state is left half-way.
        """
        query_id = errand.task.query_id
        running = _Running(errand, errand.control())
        with self._lock:
            earlier = self._running.get(query_id)
            self._running[query_id] = running
            if errand.name in self._stopped:
                running.control.cancel()
        try:
            if earlier is not None:
                earlier.control.cancel()
                # One whose reader is gone may be held back for good; it keeps its own state.
                earlier.ended.wait(_PATIENCE)
                worker.forget(query_id)
            yield running.control
        finally:
            running.ended.set()
            with self._lock:
                if self._running.get(query_id) is running:
                    del self._running[query_id]
