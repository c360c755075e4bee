"""What a worker is at work on: stages that run, and those that are to stop."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from masksearch_ray.execute.ordering import Threshold, comes_before
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.errand import Errand
from masksearch_ray.runtime.types import RunningQuery

__all__ = ["Running"]

_KEPT_STOPS = 1024
_LEASE = 120.0  # seconds after which a silent client is taken for gone
_PATIENCE = 5.0  # seconds that a stage waits for an earlier one that was told to stop

Clock = Callable[[], float]


@dataclass(eq=False)
class _Stage:
    errand: Errand
    control: QueryControl
    began: float
    ended: threading.Event = field(default_factory=threading.Event)


class Running:
    """Stages at work in a worker; may be used by several threads.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stages: dict[tuple[str, str], _Stage] = {}
        self._stopped: OrderedDict[str, None] = OrderedDict()
        self._heard: dict[str, float] = {}
        self._used = clock()

    @contextmanager
    def stage(self, errand: Errand, forget: Callable[[str], None]) -> Iterator[QueryControl]:
        """Run one stage of a query on a shard at a time, as its stages share state.

        A second one finds a first only if that was abandoned or lost sight of; nobody waits for
        the first, and its state is left half-way.
        """
        query_id = errand.task.query_id
        key = query_id, errand.shard.key
        running = _Stage(errand, errand.control(), self._clock())
        with self._lock:
            self._used = self._heard[errand.client] = running.began
            earlier = self._stages.get(key)
            self._stages[key] = running
            if errand.name in self._stopped:
                running.control.cancel()
        try:
            if earlier is not None:
                earlier.control.cancel()
                # One whose reader is gone may be held back for good; it keeps its own state.
                earlier.ended.wait(_PATIENCE)
            if earlier is not None or errand.again:
                forget(query_id)
            yield running.control
        finally:
            running.ended.set()
            with self._lock:
                self._used = self._clock()
                if self._stages.get(key) is running:
                    del self._stages[key]

    def hear(self, client: str) -> None:
        """Note that a client is still there."""
        with self._lock:
            self._used = self._heard[client] = self._clock()

    def raise_threshold(self, query_id: str, threshold: Threshold) -> None:
        """Tell the running stages of a query a threshold; those that know a better one keep it.

        The coordinator tells of all shards that it has heard, and shards sent together of
        themselves: neither is ahead of the other for certain.
        """
        for stage in self._of(lambda one: one.errand.task.query_id == query_id):
            known = stage.control.threshold
            descending = [key.descending for key in stage.errand.task.query.order_by]
            if known is None or comes_before(threshold, known, descending):
                stage.control.threshold = threshold

    def stop(self, name: str) -> None:
        """Stop an errand, also one that has yet to arrive."""
        with self._lock:
            self._stopped[name] = None
            while len(self._stopped) > _KEPT_STOPS:
                self._stopped.popitem(last=False)
        for stage in self._of(lambda one: one.errand.name == name):
            stage.control.cancel()

    def wanted(self, errand: Errand) -> bool:
        """Whether an errand at which work began was neither stopped nor left by its client."""
        with self._lock:
            return errand.name not in self._stopped and errand.client in self._heard

    def stop_client(self, client: str) -> None:
        """Stop all that runs for a client."""
        for stage in self._of(lambda one: one.errand.client == client):
            stage.control.cancel()
        with self._lock:
            self._heard.pop(client, None)

    def stop_abandoned(self) -> set[str]:
        """Stop what runs for clients that were not heard of for long; gives who they are."""
        now = self._clock()
        with self._lock:
            silent = {client for client, when in self._heard.items() if now - when > _LEASE}
        for client in silent:
            self.stop_client(client)
        return silent

    def busy(self) -> set[str]:
        """Keys of the shards at work."""
        return {stage.errand.shard.key for stage in self._of(lambda one: True)}

    @property
    def idle(self) -> float:
        """Seconds since the last use; 0 while a stage runs whose client is still there."""
        with self._lock:
            if any(stage.errand.client in self._heard for stage in self._stages.values()):
                return 0.0
            return self._clock() - self._used

    def queries(self) -> tuple[RunningQuery, ...]:
        """Say which queries run."""
        now, found = self._clock(), dict[str, RunningQuery]()
        for stage in self._of(lambda one: True):
            task = stage.errand.task
            before = found.get(task.query_id)
            seconds = max(now - stage.began, before.seconds if before else 0.0)
            found[task.query_id] = RunningQuery(task.query_id, task.query.text, seconds)
        return tuple(found.values())

    def _of(self, chosen: Callable[[_Stage], bool]) -> list[_Stage]:
        with self._lock:
            return [stage for stage in self._stages.values() if chosen(stage)]
