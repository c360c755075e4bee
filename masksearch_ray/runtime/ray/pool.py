"""A pool of actors, one a shard."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayError

from masksearch_ray.errors import MaskSearchError, StorageError, WorkerError
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Filter, Finished, Partial
from masksearch_ray.model.logs import current_level
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.actor import Errand, Reply, Shard
from masksearch_ray.runtime.ray.crew import Crew
from masksearch_ray.runtime.ray.faults import worker_error
from masksearch_ray.runtime.ray.names import shard_label, stage_name
from masksearch_ray.runtime.ray.pulse import Pulse
from masksearch_ray.runtime.shards import balance
from masksearch_ray.runtime.types import CollectionSource, ShardTask

__all__ = ["RayPool"]

_log = logging.getLogger("masksearch_ray.runtime")

_TICK = 0.1  # seconds between looks at the query's control while shards work
_LONGEST = 1e9  # seconds; Ray takes no more
_START = 120.0  # seconds that actors may take to start


@dataclass(eq=False)
class _Awaited:
    shard: int
    pulse: Pulse


class RayPool:
    """Actors that own the shards of one version of a collection.

    Parameters
    ----------
    crew : Crew
        Where the actors come from, and go to.
    shards : list of Shard

    Raises
    ------
    StorageError
        If the actors cannot read the collection.
    WorkerError
        If they do not start.
    """

    def __init__(self, crew: Crew, shards: list[Shard]) -> None:
        self._crew = crew
        self._shards = shards
        self._actors = crew.take(len(shards))
        try:
            self._open()
        except BaseException as error:
            if isinstance(error, StorageError):
                self.close()
            else:
                crew.dismiss(self._actors)
            raise

    @classmethod
    def start(cls, crew: Crew, source: CollectionSource, workers: int | None) -> RayPool:
        """Cut a collection into shards and give each to an actor."""
        owned = balance([load.rows for load in source.segments], workers or _cpus())
        key = uuid.uuid4().hex
        bare = replace(source, segments=())  # needed no more, and sent with every errand
        count = len(owned)
        shards = [
            Shard(
                shard_label(n, count, source.url),
                f"{key}-{n}",
                bare,
                tuple(held),
                count,
                current_level(),
            )
            for n, held in enumerate(owned, 1)
        ]
        return cls(crew, shards)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self._shards)

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        """Run a stage on actors; a shard that runs ahead of the reader is held back."""
        actors = self._held()
        name = uuid.uuid4().hex
        waiting = {
            _start(actors[shard], self._errand(name, shard, task, control)): _Awaited(
                shard, Pulse(actors[shard])
            )
            for shard, task in tasks.items()
        }
        try:
            while waiting:
                control.check()
                self._held()
                ready, _ = ray.wait(list(waiting), timeout=min(_TICK, _left(control) or _TICK))
                if not ready:
                    self._watch(waiting.values())
                for source in ready:
                    awaited = waiting[source]
                    reply = self._take(source, awaited, control)
                    del waiting[source]
                    if not isinstance(reply[-1], Finished):
                        waiting[source] = awaited  # last in line, so that no shard is starved
                    for partial in reply:
                        yield awaited.shard, partial
        finally:
            for awaited in waiting.values():
                self._tell(awaited.shard, "stop", tasks[awaited.shard].query_id, name)

    def raise_threshold(self, query_id: str, threshold: Threshold, shards: Collection[int]) -> None:
        """Tell shards a better threshold, one way, without waiting."""
        for shard in shards:
            self._tell(shard, "raise_threshold", query_id, threshold)

    def forget(self, query_id: str) -> None:
        """Let shards drop the state of a query, one way."""
        for shard in range(self.shards):
            self._tell(shard, "forget", query_id)

    def close(self) -> None:
        """Let the actors go."""
        actors, self._actors = self._actors, []
        if actors:
            self._crew.give_back(actors, [shard.key for shard in self._shards])

    def _held(self) -> list[Any]:
        actors = self._actors
        if not self._crew.valid:
            raise WorkerError("Ray was shut down while the collection was open")
        if not actors:
            raise WorkerError("the workers of the collection were released")
        return actors

    def _open(self) -> None:
        opening = [
            actor.open.remote(shard)
            for actor, shard in zip(self._actors, self._shards, strict=True)
        ]
        for shard, opened in zip(self._shards, opening, strict=True):
            try:
                error = ray.get(opened, timeout=_START)
            except RayError as fault:
                raise worker_error(fault, shard.label) from None
            if error is not None:
                raise error

    def _errand(self, name: str, shard: int, task: ShardTask, control: QueryControl) -> Errand:
        limits = control.timeout, _left(control)
        return Errand(name, self._shards[shard], task, *limits, control.threshold)

    def _take(self, ready: Any, awaited: _Awaited, control: QueryControl) -> tuple[Partial, ...]:
        try:
            reply: Reply = ray.get(
                ready if isinstance(ready, ray.ObjectRef) else next(ready), timeout=_left(control)
            )
        except RayError as error:
            control.check()
            raise worker_error(error, self._shards[awaited.shard].label) from None
        awaited.pulse.felt()
        if isinstance(reply, MaskSearchError):
            raise reply
        if isinstance(reply[-1], Finished) and reply[-1].stats.restarts:
            label = self._shards[awaited.shard].label
            _log.warning("%s: its worker was lost, another has taken its place", label)
        return reply

    def _watch(self, silent: Iterable[_Awaited]) -> None:
        for awaited in silent:
            if awaited.pulse.lost():
                label = self._shards[awaited.shard].label
                raise WorkerError(f"{label}: its worker does not answer, and was not replaced")

    def _tell(self, shard: int, method: str, *args: object) -> None:
        actors = self._actors
        if actors and self._crew.valid:
            # Not sent again to a replacement, which has nothing to stop or forget.
            call = getattr(actors[shard], method).options(num_returns=0, max_task_retries=0)
            call.remote(*args)


def _start(actor: Any, errand: Errand) -> Any:
    # Only Filter has more than one answer; a stream costs a millisecond more than a call.
    run = actor.stream if isinstance(errand.task.stage, Filter) else actor.answer
    name = stage_name(errand.task.stage, errand.shard.source.url)
    return run.options(name=name).remote(errand)


def _cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def _left(control: QueryControl) -> float | None:
    """Seconds to a deadline that is worth watching."""
    left = control.left
    return None if left is None or left > _LONGEST else max(0.0, left)
