"""A pool of actors, one a shard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import ray
from ray.exceptions import RayError

from masksearch_ray.errors import MaskSearchError, WorkerError
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Finished, Partial
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.actor import CONCURRENCY, CONTROL, Errand, Reply, ShardActor
from masksearch_ray.runtime.ray.faults import worker_error
from masksearch_ray.runtime.shards import balance
from masksearch_ray.runtime.types import CollectionSource, ShardTask

__all__ = ["RayPool"]

_TICK = 0.1  # seconds between looks at the query's control while shards work
_AHEAD = 8  # answers that a shard may be ahead of the reader before it is held back
_RETRIES = 2  # times that a stage is sent again because its worker died
_START = 120.0  # seconds that actors may take to start


class RayPool:
    """Actors that own the shards of one version of a collection.

    Parameters
    ----------
    actors : list of ray.actor.ActorHandle
        Of `ShardActor`, by shard.
    labels : list of str
        Names of the shards, for people.
    """

    def __init__(self, actors: list[Any], labels: list[str]) -> None:
        self._actors = actors
        self._labels = labels

    @classmethod
    def start(cls, source: CollectionSource, workers: int | None) -> RayPool:
        """Start actors and wait until they have opened the collection."""
        shards = balance(source.segments, workers or _cpus())
        labels = [f"shard {n} of {len(shards)} of {source.url}" for n in range(1, len(shards) + 1)]
        remote: Any = ray.remote  # its types lack what actors take
        kind = remote(concurrency_groups={CONTROL: 1}, max_concurrency=CONCURRENCY)(ShardActor)
        prefix = f"masksearch {source.url.rstrip('/').rpartition('/')[2]} version {source.version}"
        suffix = uuid.uuid4().hex[:8]  # names are unique in a cluster
        actors = [
            kind.options(
                name=f"{prefix} shard {number} of {len(shards)} ({suffix})",
                scheduling_strategy="SPREAD",
                max_restarts=-1,
                max_task_retries=_RETRIES,
            ).remote(source, segments, label)
            for number, (segments, label) in enumerate(zip(shards, labels, strict=True), 1)
        ]
        pool = cls(actors, labels)
        try:
            pool._open()
        except BaseException:
            pool.close()
            raise
        return pool

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self._actors)

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        """Run a stage on actors; a shard that runs ahead of the reader is held back."""
        self._check()
        name = uuid.uuid4().hex
        waiting: dict[Any, int] = {
            self._start(shard, Errand(name, task, *_limits(control))): shard
            for shard, task in tasks.items()
        }
        try:
            while waiting:
                control.check()
                ready, _ = ray.wait(list(waiting), timeout=_tick(control))
                for stream in ready:
                    shard = waiting.pop(stream)
                    reply = self._take(stream, shard, control)
                    if not isinstance(reply[-1], Finished):
                        waiting[stream] = shard  # last in line, so that no shard is starved
                    for partial in reply:
                        yield shard, partial
        finally:
            for shard in waiting.values():
                query_id = tasks[shard].query_id
                self._tell(shard, "stop", query_id, name)

    def raise_threshold(self, query_id: str, threshold: Threshold) -> None:
        """Tell shards a better threshold, one way, without waiting."""
        for shard in range(self.shards):
            self._tell(shard, "raise_threshold", query_id, threshold)

    def forget(self, query_id: str) -> None:
        """Let shards drop the state of a query, one way."""
        for shard in range(self.shards):
            self._tell(shard, "forget", query_id)

    def close(self) -> None:
        """End the actors."""
        if ray.is_initialized():
            for actor in self._actors:
                ray.kill(actor)
        self._actors = []

    def _check(self) -> None:
        if not self._actors:
            raise WorkerError("the workers of this collection were ended")
        if not ray.is_initialized():
            raise WorkerError("Ray was shut down")

    def _open(self) -> None:
        refs = [actor.open.remote() for actor in self._actors]
        for label, ref in zip(self._labels, refs, strict=True):
            try:
                error = ray.get(ref, timeout=_START)
            except RayError as fault:
                raise worker_error(fault, label) from None
            if error is not None:
                raise error

    def _start(self, shard: int, errand: Errand) -> Any:
        run = self._actors[shard].run
        return run.options(_generator_backpressure_num_objects=_AHEAD).remote(errand)

    def _take(self, stream: Any, shard: int, control: QueryControl) -> tuple[Partial, ...]:
        try:
            reply: Reply = ray.get(next(stream), timeout=control.left)
        except RayError as error:
            control.check()
            raise worker_error(error, self._labels[shard]) from None
        if isinstance(reply, MaskSearchError):
            raise reply
        return reply

    def _tell(self, shard: int, method: str, *args: object) -> None:
        if self._actors and ray.is_initialized():
            getattr(self._actors[shard], method).options(num_returns=0).remote(*args)


def _cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def _limits(control: QueryControl) -> tuple[float | None, float, Threshold | None]:
    timeout, left = control.timeout, control.left
    spent = 0.0 if timeout is None or left is None else timeout - left
    return timeout, spent, control.threshold


def _tick(control: QueryControl) -> float:
    return _TICK if control.left is None else max(0.0, min(_TICK, control.left))
