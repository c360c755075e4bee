"""One round trip: stages sent to workers, their replies taken, what a lost worker had sent again.

A stage finds the same rows wherever it runs, though not in the same order: what the bounds decide
at once depends on the index that a worker has. So rows that were handed on are known by what tells
them apart, and left out when another worker finds them, too.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from masksearch_ray.errors import MaskSearchError, WorkerError
from masksearch_ray.execute.partials import Filter, Finished, Partial, RowsFound
from masksearch_ray.model.logs import current_level
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.crew import Crew, Member
from masksearch_ray.runtime.ray.errand import Answers, Errand, Lost, Reply, Shard, packed
from masksearch_ray.runtime.ray.faults import is_memory, reason_of, start_error, worker_error
from masksearch_ray.runtime.ray.handed import Handed
from masksearch_ray.runtime.ray.names import stage_name
from masksearch_ray.runtime.ray.pulse import Pulse
from masksearch_ray.runtime.ray.staffing import choose_worker, describe_cluster, sent_together
from masksearch_ray.runtime.types import ShardTask

__all__ = ["RoundTrip", "left_of"]

_log = logging.getLogger("masksearch_ray.runtime")

_TICK = 0.1  # seconds between looks at the query's control while shards work
_LOOK = 0.5  # seconds between looks after workers from which nothing was heard
_LONGEST = 1e9  # seconds; Ray takes no more
_FETCH = 60.0  # seconds that an answer that is there may take to come
_SECONDS_BETWEEN_LINES = 10.0
_TRIES = 5  # workers that may be lost over one stage of a shard


@dataclass(eq=False)
class _Flight:
    """A stage of some shards: at a worker, or waiting for one. An answered shard is taken out."""

    tasks: dict[int, ShardTask]
    handed: Handed
    losses: int = 0
    alone: bool = False
    member: Member | None = None
    actor: Any = None
    name: str = ""
    pulse: Pulse | None = None
    parked: float = field(default_factory=time.monotonic)
    why: str = "its worker did not start"

    def split(self) -> list[_Flight]:
        """The same shard by shard, for several workers; rows of all were handed on as one's."""
        return [replace(self, tasks={shard: task}) for shard, task in self.tasks.items()]

    def join(self, others: Sequence[_Flight]) -> _Flight:
        """One of this and others of its kind."""
        for other in others:
            self.tasks |= other.tasks
        return self

    @property
    def kind(self) -> tuple[Hashable, ...]:
        """Equal for those that one worker may be sent together."""
        # What is begun anew leaves out rows that were handed on of the same shards.
        again = id(self.handed) if self.losses else None
        return self.losses, again, id(self) if self.alone else None


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
        self._watched = 0.0

    def run(self, tasks: Mapping[int, ShardTask]) -> Iterator[tuple[int, Partial]]:
        """Send stages; yield partials with their shard as they come."""
        self._parked = [_Flight({shard: task}, Handed(task.query)) for shard, task in tasks.items()]
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
        left = sum(len(flight.tasks) for flight in [*self._flying.values(), *self._parked])
        done = shards - left
        _log.info("%d of %d shards have answered", done, shards)
        return now

    def _ready(self) -> list[Any]:
        """Wait for answers, a moment at most; take all that are there, of whatever shards."""
        if time.monotonic() - self._watched > _LOOK:
            self._watch()
        if not (flying := list(self._flying)):
            return []
        wait = min(_TICK, left_of(self._control) or _TICK)
        ready: list[Any]
        ready, _ = ray.wait(flying, timeout=wait)
        if ready and len(flying) > 1:
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
                load[at[flight.member.name]] += len(flight.tasks)
        bound: dict[_Flight, tuple[int, *tuple[Hashable, ...]]] = {}
        for flight in waiting:
            (shard,) = flight.tasks
            home = self._members[self._homes[shard]]
            chosen = choose_worker(load, at.get(home.name), flight.losses)
            if chosen is None:
                self._park(flight)
            else:
                bound[flight] = (chosen, *flight.kind)
                load[chosen] += 1
        for first, *others in sent_together(bound):
            self._start(first.join(others), living[bound[first][0]])

    def _park(self, flight: _Flight) -> None:
        """Let a shard wait for a worker, for as long as is worth waiting."""
        patience = self._crew.terms.patience.lost
        if time.monotonic() - flight.parked > patience:
            raise WorkerError(
                f"{self._label(flight)}: {flight.why}, and no worker took its place within "
                f"{patience:g} s"
            )
        self._parked.append(flight)

    def _label(self, flight: _Flight) -> str:
        first, *others = flight.tasks
        label = self._shards[first].label
        return f"{label} and {len(others)} others" if others else label

    def _start(self, flight: _Flight, member: Member) -> None:
        control = self._control
        flight.name = uuid.uuid4().hex
        flight.member, flight.actor = member, member.actor
        flight.pulse = Pulse(member.actor, self._client)
        left, level = left_of(control), current_level()
        errands = [
            Errand(
                flight.name,
                self._client,
                self._shards[shard],
                task,
                control.timeout,
                left,
                control.threshold,
                flight.losses > 0,
                level,
                flight.alone,
                control.horizon,
            )
            for shard, task in flight.tasks.items()
        ]
        stage = errands[0].task.stage
        # Only Filter has more than one answer; a stream costs milliseconds more than a call.
        run = flight.actor.begin if isinstance(stage, Filter) else flight.actor.answer
        name = stage_name(stage, errands[0].shard.source.url)
        self._flying[run.options(name=name).remote(packed(errands))] = flight

    def _go_on(self, flight: _Flight) -> Any:
        """Ask for the rest of an answer that was begun."""
        shard, task = next(iter(flight.tasks.items()))
        name = stage_name(task.stage, self._shards[shard].source.url)
        return flight.actor.stream.options(name=name).remote(flight.name)

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
            self._stop(flight)
            self._lost(flight, reply)
            return
        done = {shard: part for shard, part in reply if isinstance(part, Finished | Lost)}
        ended = replace(flight, tasks={shard: flight.tasks.pop(shard) for shard in done})
        if flight.tasks:
            rest = self._go_on(flight) if isinstance(source, ray.ObjectRef) else source
            self._flying[rest] = flight  # last in line, so that no shard is starved
        for piece in ended.split():
            (shard,) = piece.tasks
            part = done[shard]
            if isinstance(part, Lost):
                self._lost(piece, part)
        yield from self._fresh(flight, reply)

    def _fresh(self, flight: _Flight, reply: Answers) -> Iterator[tuple[int, Partial]]:
        for shard, part in reply:
            if isinstance(part, Finished) and flight.losses:
                yield shard, Finished(replace(part.stats, restarts=flight.losses))
            elif isinstance(part, RowsFound):
                rows = flight.handed.fresh(part, repeated=flight.losses > 0)
                if rows.table.num_rows:
                    yield shard, rows
            elif not isinstance(part, Lost):
                yield shard, part

    def _reply(self, source: Any, flight: _Flight) -> Reply | Lost:
        left = left_of(self._control)
        try:
            answer = source if isinstance(source, ray.ObjectRef) else next(source)
            reply: Reply = ray.get(answer, timeout=_FETCH if left is None else min(left, _FETCH))
        except RayTaskError as error:
            if not is_memory(error):
                self._control.check()
                raise worker_error(error, self._label(flight)) from None
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

    def _lost(self, flight: _Flight, lost: Lost) -> None:
        """Have a stage done by others; give up where it costs one worker after another."""
        label, why = self._label(flight), f"its worker {lost.reason}"
        flight.losses += 1
        # Of an actor that Ray restarts it does not tell that it ended it for want of memory.
        flight.why, flight.alone = why, flight.alone or lost.memory or flight.losses > 1
        if flight.losses >= _TRIES:
            more = "give workers more memory, or the collection more workers"
            hint = more if lost.memory else f"if the nodes' raylet.out tells of memory, {more}"
            raise WorkerError(f"{label}: {why}, as did those that took its place; {hint}")
        _log.warning("%s: %s; another does its stage", label, why)
        flight.parked = time.monotonic()
        self._parked += flight.split()

    def _watch(self) -> None:
        """Look after workers from which nothing was heard, whatever others answer meanwhile."""
        self._watched = time.monotonic()
        patience = self._crew.terms.patience.silence
        for source, flight in list(self._flying.items()):
            if flight.pulse is not None and flight.pulse.silent() > patience:
                assert flight.member is not None
                del self._flying[source]
                self._crew.lost(flight.member, flight.actor, None)
                self._stop(flight)
                self._lost(flight, Lost("does not answer"))


def left_of(control: QueryControl) -> float | None:
    """Seconds to a deadline that is worth watching."""
    left = control.left
    return None if left is None or left > _LONGEST else max(0.0, left)
