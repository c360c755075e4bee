"""A pool: the shards of one version of a collection on the workers of a runtime."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from masksearch_ray.errors import WorkerError
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Partial
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.crew import Crew, Member
from masksearch_ray.runtime.ray.errand import Shard, shards_of
from masksearch_ray.runtime.ray.lease import heard_of
from masksearch_ray.runtime.ray.roundtrip import RoundTrip
from masksearch_ray.runtime.ray.staffing import budget_of, cluster_cpus
from masksearch_ray.runtime.shards import Cut, cut
from masksearch_ray.runtime.types import CollectionSource, ShardTask

__all__ = ["RayPool"]


class RayPool:
    """Shards, and the workers that they go to; nothing is opened before the first query.

    Parameters
    ----------
    crew : Crew
        Whose workers these are.
    members : list of Member
    shards : list of Shard
    plan : Cut
        Says which worker each shard goes to.
    """

    def __init__(self, crew: Crew, members: list[Member], shards: list[Shard], plan: Cut) -> None:
        self.images_apart = plan.images_apart
        self._crew = crew
        self._members = members
        self._shards = shards
        self._homes = [0] * len(shards)
        for worker, group in enumerate(plan.groups):
            for shard in group:
                self._homes[shard] = worker
        self._client = uuid.uuid4().hex
        self._closed = False

    @classmethod
    def start(cls, crew: Crew, source: CollectionSource, workers: int | None) -> RayPool:
        """Cut a collection into shards, and ask for workers for them."""
        cpus = cluster_cpus()
        budget = budget_of(crew.terms, workers or cpus)
        plan = cut(source.segments, cpus, workers, budget)
        crew.terms = replace(crew.terms, budget=budget)
        members = crew.take(plan.workers)
        return cls(crew, members, shards_of(source, plan.shards), plan)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self._shards)

    @property
    def _actors(self) -> list[Any]:
        """Handles of the workers; tests kill them."""
        return [member.actor for member in self._members]

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        """Run a stage on workers; a shard that runs ahead of the reader is held back."""
        self._check()
        trip = RoundTrip(
            self._crew,
            self._members,
            self._shards,
            self._homes,
            self._client,
            control,
            self._check,
        )
        # Workers that end with this process have no need to hear that it lives.
        lasting = self._crew.terms.keep_alive is not None
        with heard_of(self._hello) if lasting else contextlib.nullcontext():
            yield from trip.run(tasks)

    def _hello(self) -> None:
        self._tell("ping", self._client)

    def raise_threshold(self, query_id: str, threshold: Threshold, shards: Collection[int]) -> None:
        """Tell the workers of shards a better threshold, one way, without waiting."""
        homes = {self._homes[shard] for shard in shards}
        self._tell("raise_threshold", query_id, threshold, to=[self._members[at] for at in homes])

    def forget(self, query_id: str) -> None:
        """Let workers drop the state of a query, one way."""
        self._tell("forget", query_id)

    def close(self) -> None:
        """Let the workers drop what they hold for this pool."""
        if not self._closed:
            self._tell("release", self._client)
            self._closed = True

    def _check(self) -> None:
        if not self._crew.valid:
            raise WorkerError("Ray was shut down while the collection was open")
        if self._closed:
            raise WorkerError("the workers of the collection were released")

    def _tell(self, method: str, *args: object, to: Iterable[Member] | None = None) -> None:
        if self._closed or not self._crew.valid:
            return
        for member in self._members if to is None else to:
            if member.state == "living":
                getattr(member.actor, method).options(num_returns=0).remote(*args)
