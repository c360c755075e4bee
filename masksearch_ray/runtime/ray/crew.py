"""The workers of a runtime: started when first needed, shared by its pools, replaced when lost."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnschedulableError,
    RayError,
    RuntimeEnvSetupError,
)

from masksearch_ray._version import __version__
from masksearch_ray.runtime.ray.actor import CONTROL, STREAMS, ShardActor
from masksearch_ray.runtime.ray.faults import start_error
from masksearch_ray.runtime.ray.idle import end_idle
from masksearch_ray.runtime.ray.instance import current_session
from masksearch_ray.runtime.ray.names import worker_name
from masksearch_ray.runtime.ray.terms import Terms
from masksearch_ray.runtime.types import WorkerReport

__all__ = ["NAMESPACE", "Crew", "Member"]

_log = logging.getLogger("masksearch_ray.runtime")

NAMESPACE = "masksearch"
"""Ray namespace of workers that outlive the process that started them."""

_THREADS = 32  # stages that a worker has begun; more wait in line
_STREAMS = 128  # answers that come in parts, of which most may be left unread for long
_AGAIN = 0.5  # seconds between tries to reach a worker
_PARTING = 2.0  # seconds that workers have to let go of what they do
_IDLE = 5.0  # seconds without use after which a worker that is kept may make room for others
_FAILURES = 3  # creations of a worker that may fail before it is no longer waited for
_LONGEST = 30.0  # seconds between creations that fail
# After these an actor is no more, and will not be restarted by Ray.
_GONE = (ActorDiedError, ActorUnschedulableError, RuntimeEnvSetupError)


@dataclass(eq=False)
class Member:
    """A worker as this process knows it.

    Parameters
    ----------
    name : str
        Its name in Ray.
    state : {"ended", "starting", "living", "away"}
    since : float
        When it came to be so, by the monotonic clock.
    actor : ActorHandle
    asked : ObjectRef or None
        Its answer to whether it lives, if that is awaited.
    next : float
        When to ask, or to start it anew where that failed.
    failures : int
        How often it failed to start since it was last wanted or lived.
    error : RayError or None
        How it failed last.
    """

    name: str
    state: Literal["ended", "starting", "living", "away"] = "ended"
    since: float = 0.0
    actor: Any = None
    asked: Any = None
    next: float = 0.0
    failures: int = 0
    error: RayError | None = None

    @property
    def failing(self) -> bool:
        """Whether it fails to start again and again, so that waiting for it is in vain."""
        return self.failures >= _FAILURES


class Crew:
    """Workers of one runtime, numbered; a pool uses as many of the first as it wants.

    Starting a process and loading the engine takes seconds, so workers are not ended with the
    pool that asked for them: the next comes with every new version of a collection.

    Parameters
    ----------
    terms : Terms
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._rounds = 0
        self._session = current_session()
        # Workers that stay are found again by their names, by processes with the same code.
        own, shared = uuid.uuid4().hex[:8], f"kept by masksearch {__version__}"
        self._session_name = own if terms.keep_alive is None else shared
        remote: Any = ray.remote  # its types lack what actors take
        groups = {CONTROL: 2, STREAMS: _STREAMS}
        self._kind = remote(concurrency_groups=groups, max_concurrency=_THREADS)(ShardActor)

    @property
    def valid(self) -> bool:
        """Whether Ray still is what it was when the workers were started."""
        return self._session is not None and current_session() == self._session

    def take(self, count: int) -> list[Member]:
        """Ask for so many workers, without waiting for them."""
        with self._lock:
            for number in range(len(self._members) + 1, count + 1):
                self._members.append(Member(worker_name(number, self._session_name)))
            for member in self._members[:count]:
                if member.state == "ended":
                    self._start(member)
            return self._members[:count]

    def look(self, members: Sequence[Member]) -> list[Member]:
        """See which workers live now, without waiting; start anew those that ended."""
        with self._lock:
            asked = {member.asked: member for member in members if member.asked is not None}
            if asked:
                ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
                for answer in ready:
                    self._hear(asked[answer], answer)
            now = time.monotonic()
            for member in members:
                if member.state == "ended":
                    self._start(member)
                elif member.state != "living" and member.asked is None and now >= member.next:
                    again = self._start if member.actor is None else self._ask
                    again(member)
            return [member for member in members if member.state == "living"]

    def lost(self, member: Member, actor: Any, error: RayError | None) -> None:
        """Note that a worker failed; it is asked for until it, or its replacement, answers."""
        with self._lock:
            if member.actor is actor and member.state == "living":
                self._away(member, error)

    def begin(self) -> None:
        """Note that a round trip begins."""
        with self._lock:
            self._rounds += 1

    def end(self) -> None:
        """Note that it has ended."""
        with self._lock:
            self._rounds -= 1

    def relieve(self, *, kept: bool = False) -> None:
        """Give CPUs back that idle workers hold; they start anew when they are needed.

        Parameters
        ----------
        kept : bool
            Also those that are kept alive, of whatever process, if nobody has used them lately.
        """
        with self._lock:
            if self.terms.hold and self.terms.keep_alive is None and not self._rounds:
                self._dismiss()
            if self.terms.hold and kept:
                ended = end_idle(NAMESPACE, _IDLE, _PARTING)
                for member in self._members:
                    if self.terms.keep_alive is not None and member.name in ended:
                        self._end(member)

    def reports(self, timeout: float = _PARTING) -> list[WorkerReport]:
        """Ask all workers what they hold and do; those that do not answer in time are left out."""
        with self._lock:
            actors = [member.actor for member in self._members if member.state == "living"]
        asked = [actor.report.remote() for actor in actors]
        found = []
        ready, _ = ray.wait(asked, num_returns=len(asked), timeout=timeout) if asked else ([], [])
        for answer in ready:
            with contextlib.suppress(RayError):
                found.append(ray.get(answer))
        return found

    def close(self) -> None:
        """End all workers, but those that are to stay."""
        with self._lock:
            if self.valid and self.terms.keep_alive is None:
                self._dismiss()
            self._members, self._session = [], None

    def _dismiss(self) -> None:
        there = [member for member in self._members if member.actor is not None]
        # Let go first: a worker that is killed at work leaves files half written.
        parting = [member.actor.ping.remote() for member in there if member.state == "living"]
        if parting:
            ray.wait(parting, num_returns=len(parting), timeout=_PARTING)
        for member in there:
            with contextlib.suppress(RayError):
                ray.kill(member.actor)
            self._end(member)

    def _end(self, member: Member) -> None:
        member.actor = member.asked = None
        self._now(member, "ended")
        member.failures, member.error = 0, None

    def _start(self, member: Member) -> None:
        terms = self.terms
        options: dict[str, Any] = {
            "name": member.name,
            "get_if_exists": True,
            "scheduling_strategy": "SPREAD",
            "max_restarts": -1,
            # Sent again by us: Ray would wait for as long as a cluster has no room.
            "max_task_retries": 0,
        }
        if terms.hold:
            options["num_cpus"] = 1
        if terms.memory is not None:
            options["memory"] = terms.memory
        if terms.keep_alive is not None:
            options |= {"namespace": NAMESPACE, "lifetime": "detached"}
        member.actor = self._kind.options(**options).remote(terms.budget, terms.keep_alive)
        if member.state != "starting":  # else it is waited for since it was first started
            self._now(member, "starting")
        self._ask(member)

    def _ask(self, member: Member) -> None:
        member.asked = member.actor.ping.remote("", self.terms.keep_alive)

    def _hear(self, member: Member, answer: Any) -> None:
        member.asked = None
        member.next = time.monotonic() + _AGAIN
        try:
            ray.get(answer)
        except RayError as error:
            if isinstance(error, _GONE):
                self._away(member, error)
        else:
            self._now(member, "living")
            member.failures, member.error = 0, None

    def _away(self, member: Member, error: RayError | None) -> None:
        if not isinstance(error, _GONE):
            self._now(member, "away")
            self._ask(member)
            return
        # It will not come back.
        member.actor = member.asked = None
        if member.state == "starting":
            self._failed(member, error)
        else:
            self._start(member)

    def _failed(self, member: Member, error: RayError) -> None:
        """Note that a worker could not be started; `look` starts it anew when it is time."""
        member.failures += 1
        member.error = error
        pause = min(_LONGEST, _AGAIN * 2.0 ** min(member.failures, 10))
        member.next = time.monotonic() + pause
        _log.warning("%s did not start, again in %g s: %s", member.name, pause, start_error(error))

    def _now(self, member: Member, state: Literal["ended", "starting", "living", "away"]) -> None:
        member.state, member.since = state, time.monotonic()
