"""The actors of a runtime: started when first needed, then handed from pool to pool."""

from __future__ import annotations

import contextlib
import itertools
import threading
import uuid
from typing import Any

import ray
from ray.exceptions import RayError

from masksearch_ray.runtime.ray.actor import CONTROL, ShardActor
from masksearch_ray.runtime.ray.instance import current_session
from masksearch_ray.runtime.ray.names import worker_name

__all__ = ["Crew"]

_CONCURRENCY = 4  # stages of several queries that an actor runs at a time
# Times that a stage is sent again because its worker died. It gives the same partials in the same
# order, of which Ray leaves out those that were handed over.
_RETRIES = 2
_PARTING = 2.0  # seconds that actors have to let go of what they do


class Crew:
    """Actors of one runtime.

    Starting a process and loading the engine takes seconds, so an actor whose pool is closed
    waits for the next one, which comes with every new version of a collection.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._all: list[Any] = []
        self._numbers = itertools.count(1)
        self._name = uuid.uuid4().hex[:8]  # names of actors are unique in a cluster
        self._session = current_session()

    @property
    def valid(self) -> bool:
        """Whether Ray still is what it was when the actors were started."""
        return self._session is not None and current_session() == self._session

    def take(self, count: int) -> list[Any]:
        """Actors without a shard."""
        with self._lock:
            idle, self._idle = self._idle, []
        living = _living(idle)
        self.dismiss([actor for actor in idle if actor not in living])
        started = [self._start() for _ in range(count - len(living))]
        with self._lock:
            self._all += started
            self._idle += living[count:]
        return living[:count] + started

    def give_back(self, actors: list[Any], keys: list[str]) -> None:
        """Take back actors, and the shards of these keys, from a pool that is closed."""
        if self.valid:
            for actor, key in zip(actors, keys, strict=True):
                actor.release.options(num_returns=0, max_task_retries=0).remote(key)
            with self._lock:
                self._idle += actors

    def dismiss(self, actors: list[Any]) -> None:
        """End actors that failed."""
        with self._lock:
            self._all = [actor for actor in self._all if actor not in actors]
        for actor in actors:
            ray.kill(actor)

    def close(self) -> None:
        """End all actors."""
        if self.valid:
            with contextlib.suppress(RayError):
                parting = [actor.release.remote() for actor in self._all]
                ray.wait(parting, num_returns=len(parting), timeout=_PARTING)
            self.dismiss(list(self._all))
        self._idle, self._session = [], None

    def _start(self) -> Any:
        remote: Any = ray.remote  # its types lack what actors take
        kind = remote(concurrency_groups={CONTROL: 1}, max_concurrency=_CONCURRENCY)(ShardActor)
        # The default demand: a CPU is needed to be placed, none is held; so sessions left open
        # do not keep others from starting.
        return kind.options(
            name=worker_name(next(self._numbers), self._name),
            scheduling_strategy="SPREAD",
            max_restarts=-1,
            max_task_retries=_RETRIES,
        ).remote()


def _living(actors: list[Any]) -> list[Any]:
    """Those that answer at once: who died while idle is not worth waiting for."""
    pings = {actor.ping.options(max_task_retries=0).remote(): actor for actor in actors}
    if not pings:
        return []
    answered, _ = ray.wait(list(pings), num_returns=len(pings), timeout=_PARTING)
    living = []
    for ping in answered:
        with contextlib.suppress(RayError):
            ray.get(ping)
            living.append(pings[ping])
    return living
