"""The actor: a worker and its shard in a process of Ray's."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pyarrow as pa
import ray

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Finished, Partial, RowsFound
from masksearch_ray.model.logs import log_to_stderr
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.metrics import measure_worker
from masksearch_ray.runtime.ray.report import actor_name, node_id, report_of, was_replaced
from masksearch_ray.runtime.reading import open_reader
from masksearch_ray.runtime.types import CollectionSource, RunningQuery, ShardTask, WorkerReport
from masksearch_ray.runtime.worker import Place, Worker

__all__ = ["CONTROL", "Errand", "Reply", "Shard", "ShardActor"]

_log = logging.getLogger("masksearch_ray.runtime")

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
    log_level : str
        Of whoever asks: log lines of workers go to Ray's logs from this level on.
    """

    label: str
    key: str
    source: CollectionSource
    segments: tuple[int, ...]
    shards: int = 1
    log_level: str = "warning"


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
    began: float = field(default_factory=time.monotonic)
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
        self._began = self._used = time.monotonic()

    def __repr__(self) -> str:
        return "worker without a shard" if self._shard is None else self._shard.label

    def open(self, shard: Shard) -> MaskSearchError | None:
        """Own a shard; the error if it cannot be opened."""
        try:
            self._own(shard)
        except MaskSearchError as error:
            return error
        measure_worker(self._report())
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
        measure_worker(self._report())

    @ray.method(concurrency_group=CONTROL)
    def ping(self) -> None:
        """Show that the actor lives."""

    @ray.method(concurrency_group=CONTROL)
    def report(self) -> WorkerReport:
        """What it holds and does."""
        return self._report()

    def _report(self) -> WorkerReport:
        now = time.monotonic()
        shard, worker = self._shard, self._worker
        with self._lock:
            running = [
                RunningQuery(r.errand.task.query_id, r.errand.task.query.text, now - r.began)
                for r in self._running.values()
            ]
        held = [] if shard is None or worker is None else [(shard, worker)]
        return report_of(held, running, now - self._began, now - self._used)

    def _replies(self, errand: Errand) -> Iterator[Reply]:
        held: list[Partial] = []
        replaced = self._worker is None and was_replaced()
        try:
            worker = self._own(errand.shard)
            with self._alone(errand, worker) as control:
                for partial in worker.run(errand.task, control):
                    held.append(_counted(partial) if replaced else partial)
                    if isinstance(partial, RowsFound):
                        yield tuple(held)
                        held = []
            yield tuple(held)
        except MaskSearchError as error:
            yield error

    def _own(self, shard: Shard) -> Worker:
        log_to_stderr(shard.log_level)
        with self._opening:
            if self._worker is None or self._shard is None or self._shard.key != shard.key:
                reader = open_reader(shard.source, shard.shards)
                place = Place(actor_name(), node_id(), shard.label)
                self._worker = Worker(reader, shard.segments, place)
                self._shard = shard
                _log.info("opened %s", shard.label)
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
            self._used = time.monotonic()
            with self._lock:
                if self._running.get(query_id) is running:
                    del self._running[query_id]
            measure_worker(self._report())


def _counted(partial: Partial) -> Partial:
    """Let statistics say that the worker took the place of a lost one."""
    if isinstance(partial, Finished):
        return Finished(replace(partial.stats, restarts=1))
    return partial
