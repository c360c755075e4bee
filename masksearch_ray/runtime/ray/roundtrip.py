"""One round trip: stages sent to workers, their replies taken, what a lost worker had sent again.

A stage finds the same rows wherever it runs, though not in the same order: what the bounds decide
at once depends on the index that a worker has. So rows that were handed on are known by what tells
them apart, and left out when another worker finds them, too.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from masksearch_ray.errors import MaskSearchError, WorkerError
from masksearch_ray.execute.partials import Filter, Finished, Partial, RowsFound
from masksearch_ray.model.logs import current_level
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.crew import Crew, Member
from masksearch_ray.runtime.ray.errand import Errand, Lost, Reply, Shard
from masksearch_ray.runtime.ray.faults import is_memory, reason_of, start_error, worker_error
from masksearch_ray.runtime.ray.handed import Handed
from masksearch_ray.runtime.ray.names import stage_name
from masksearch_ray.runtime.ray.pulse import Pulse
from masksearch_ray.runtime.ray.staffing import choose_worker, describe_cluster
from masksearch_ray.runtime.types import ShardTask

__all__ = ["RoundTrip", "left_of"]

_log = logging.getLogger("masksearch_ray.runtime")

_TICK = 0.1  # seconds between looks at the query's control while shards work
_LONGEST = 1e9  # seconds; Ray takes no more
_FETCH = 60.0  # seconds that an answer that is there may take to come
_SECONDS_BETWEEN_LINES = 10.0
_TRIES = 5  # workers that may be lost over one stage of a shard


@dataclass(eq=False)
class _Flight:
    """A stage of one shard: at a worker, or waiting for one."""

    shard: int
    task: ShardTask
    handed: Handed
    losses: int = 0
    alone: bool = False
    member: Member | None = None
    actor: Any = None
    name: str = ""
    pulse: Pulse | None = None
    parked: float = field(default_factory=time.monotonic)
    why: str = "its worker did not start"


class RoundTrip:
    """Stages of one query on the shards of a pool.

    Parameters
    ----------
    crew : Crew
    members : sequence of Member
        Workers of the pool.
    shards : sequence of Shard
    homes : sequence of int
        Worker that each shard goes to if it lives.
    client : str
        Who asks.
    control : QueryControl
    check : callable
        Fails where there is no going on.
    """

    def __init__(
        self,
        crew: Crew,
        members: Sequence[Member],
        shards: Sequence[Shard],
        homes: Sequence[int],
        client: str,
        control: QueryControl,
        check: Callable[[], None],
    ) -> None:
        self._pool_check = check
        self._crew = crew
        self._members = members
        self._shards = shards
        self._homes = homes
        self._client = client
        self._control = control
        self._flying: dict[Any, _Flight] = {}
        self._parked: list[_Flight] = []

    def run(self, tasks: Mapping[int, ShardTask]) -> Iterator[tuple[int, Partial]]:
        """Send stages; yield partials with their shard as they come."""
        self._parked = [_Flight(shard, task, Handed(task.query)) for shard, task in tasks.items()]
        self._crew.begin()
        try:
            self._wait_for_workers()
            told = time.monotonic()
            while self._flying or self._parked:
                told = self._tell(told, len(tasks))
                self._check()
                self._send()
                if not self._flying:
                    time.sleep(_TICK)
                    continue
                for source in self._ready():
                    yield from self._take(source)
        finally:
            self._crew.end()
            for flight in self._flying.values():
                self._stop(flight)

    def _tell(self, told: float, shards: int) -> float:
        """Log now and then how far it is; gives when that was last."""
        now = time.monotonic()
        if now - told <= _SECONDS_BETWEEN_LINES:
            return told
        done = shards - len(self._flying) - len(self._parked)
        _log.info("%d of %d shards have answered", done, shards)
        return now

    def _ready(self) -> list[Any]:
        """Wait for answers, a moment at most; take all that are there, of whatever shards."""
        flying = list(self._flying)
        wait = min(_TICK, left_of(self._control) or _TICK)
        ready: list[Any]
        ready, _ = ray.wait(flying, timeout=wait)
        if not ready:
            self._watch()
        elif len(flying) > 1:
            ready, _ = ray.wait(flying, num_returns=len(flying), timeout=0)
        return ready

    def _check(self) -> None:
        self._control.check()
        self._pool_check()

    # -- workers ------------------------------------------------------------------------------

    def _wait_for_workers(self) -> None:
        """Wait until all are there, or for as long as is worth waiting for the rest."""
        patience = self._crew.terms.patience
        began, told = time.monotonic(), 0.0
        while True:
            self._check()
            living = self._crew.look(self._members)
            starting = [
                m for m in self._members if m.state == "starting" and not (living and m.failing)
            ]
            if not living and all(m.failing and m.asked is None for m in self._members):
                raise self._nobody("no worker could be started")
            now = time.monotonic()
            waited = now - min((m.since for m in starting), default=now)
            if not starting or (living and waited > patience.start):
                return
            if not living and now - began > patience.none:
                raise self._nobody(
                    f"none of {len(self._members)} workers started within {patience.none:g} s; "
                    f"{describe_cluster(self._crew.terms)}"
                )
            if now - told > 5.0:
                told = now
                _log.info("waiting for %d of %d workers", len(starting), len(self._members))
            asked = [m.asked for m in starting if m.asked is not None]
            if asked:
                ray.wait(asked, timeout=_TICK)
            else:
                time.sleep(_TICK)

    def _nobody(self, what: str) -> WorkerError:
        """Say that there is no worker, and how those failed that could not start."""
        errors = [member.error for member in self._members if member.error is not None]
        why = f": {start_error(errors[-1])}" if errors else ""
        found = WorkerError(f"{self._shards[0].label}: {what}{why}")
        for error in errors[-1:]:
            found.add_note(str(error))
        return found

    def _send(self) -> None:
        """Give shards that wait to workers that live."""
        if not self._parked:
            return
        living = self._crew.look(self._members)
        waiting, self._parked = self._parked, []
        at = {member.name: number for number, member in enumerate(living)}
        load = [0] * len(living)
        for flight in self._flying.values():
            if flight.member is not None and flight.member.name in at:
                load[at[flight.member.name]] += 1
        for flight in waiting:
            home = self._members[self._homes[flight.shard]]
            chosen = choose_worker(load, at.get(home.name), flight.losses)
            if chosen is not None:
                self._start(flight, living[chosen])
                load[chosen] += 1
                continue
            patience = self._crew.terms.patience.lost
            if time.monotonic() - flight.parked > patience:
                raise WorkerError(
                    f"{self._shards[flight.shard].label}: {flight.why}, and no worker took its "
                    f"place within {patience:g} s"
                )
            self._parked.append(flight)

    def _start(self, flight: _Flight, member: Member) -> None:
        control = self._control
        flight.name = uuid.uuid4().hex
        flight.member, flight.actor = member, member.actor
        flight.pulse = Pulse(member.actor, self._client)
        errand = Errand(
            flight.name,
            self._client,
            self._shards[flight.shard],
            flight.task,
            control.timeout,
            left_of(control),
            control.threshold,
            flight.losses > 0,
            current_level(),
            flight.alone,
        )
        # Only Filter has more than one answer; a stream costs a millisecond more than a call.
        streamed = isinstance(flight.task.stage, Filter)
        run = flight.actor.stream if streamed else flight.actor.answer
        name = stage_name(flight.task.stage, errand.shard.source.url)
        self._flying[run.options(name=name).remote(errand)] = flight

    def _stop(self, flight: _Flight) -> None:
        if self._crew.valid:
            flight.actor.stop.options(num_returns=0).remote(flight.name)

    # -- replies ------------------------------------------------------------------------------

    def _take(self, source: Any) -> Iterator[tuple[int, Partial]]:
        flight = self._flying.pop(source)
        reply = self._reply(source, flight)
        if isinstance(reply, MaskSearchError):
            raise reply
        if isinstance(reply, Lost):
            self._lost(flight, f"its worker {reply.reason}", reply.memory)
            return
        if not isinstance(reply[-1], Finished):
            self._flying[source] = flight  # last in line, so that no shard is starved
        for partial in reply:
            if isinstance(partial, Finished) and flight.losses:
                partial = Finished(replace(partial.stats, restarts=flight.losses))
            if isinstance(partial, RowsFound):
                partial = flight.handed.fresh(partial, repeated=flight.losses > 0)
                if not partial.table.num_rows:
                    continue
            yield flight.shard, partial

    def _reply(self, source: Any, flight: _Flight) -> Reply:
        left = left_of(self._control)
        try:
            answer = source if isinstance(source, ray.ObjectRef) else next(source)
            reply: Reply = ray.get(answer, timeout=_FETCH if left is None else min(left, _FETCH))
        except RayTaskError as error:
            if not is_memory(error):
                self._control.check()
                raise worker_error(error, self._shards[flight.shard].label) from None
            return Lost("ran out of memory", memory=True)
        except RayError as error:
            self._control.check()
            if not isinstance(error, GetTimeoutError):
                assert flight.member is not None
                self._crew.lost(flight.member, flight.actor, error)
            return Lost(reason_of(error), is_memory(error))
        except StopIteration:
            return Lost("ended its answer before it was whole")
        if flight.pulse is not None:
            flight.pulse.felt()
        return reply

    def _lost(self, flight: _Flight, why: str, memory: bool) -> None:
        """Have a stage done by somebody else; give up where it costs one worker after another."""
        label = self._shards[flight.shard].label
        flight.losses += 1
        # Of an actor that Ray restarts it does not tell that it ended it for want of memory.
        flight.why, flight.alone = why, flight.alone or memory or flight.losses > 1
        if flight.losses >= _TRIES:
            more = "give workers more memory, or the collection more workers"
            hint = f"; {more}" if memory else f"; if the nodes' raylet.out tells of memory, {more}"
            raise WorkerError(f"{label}: {why}, as did those that took its place{hint}")
        _log.warning("%s: %s; another does its stage", label, why)
        self._stop(flight)
        flight.parked = time.monotonic()
        self._parked.append(flight)

    def _watch(self) -> None:
        """Look after workers from which nothing was heard."""
        patience = self._crew.terms.patience.silence
        for source, flight in list(self._flying.items()):
            if flight.pulse is not None and flight.pulse.silent() > patience:
                assert flight.member is not None
                del self._flying[source]
                self._crew.lost(flight.member, flight.actor, None)
                self._lost(flight, "its worker does not answer", memory=False)


def left_of(control: QueryControl) -> float | None:
    """Seconds to a deadline that is worth watching."""
    left = control.left
    return None if left is None or left > _LONGEST else max(0.0, left)
