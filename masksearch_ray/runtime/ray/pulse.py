"""Telling a worker that takes its time from one that will never answer."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.exceptions import RayError

__all__ = ["Pulse"]

_EVERY = 5.0  # seconds of silence after which a worker is asked whether it lives


class Pulse:
    """Watches one worker while its answer is waited for; by the way it hears that we still do.

    Parameters
    ----------
    actor : ray.actor.ActorHandle
        Of `ShardActor`.
    client : str
        Who waits.
    """

    def __init__(self, actor: Any, client: str) -> None:
        self._actor = actor
        self._client = client
        self._asked: Any = None
        self._since: float | None = None
        self.felt()

    def felt(self) -> None:
        """Note that the worker lives."""
        self._looked = time.monotonic()
        self._next = self._looked + _EVERY
        self._asked = self._since = None

    def silent(self) -> float:
        """Seconds since it was asked for a sign of life that did not come; does not wait.

        Time in which nobody asked does not count: who reads an answer may pause for long.
        """
        now = time.monotonic()
        if self._asked is not None:
            self._listen(now)
        elif now >= self._next:
            self._asked = self._actor.ping.remote(self._client)
            self._since = now if self._since is None else self._since
        self._looked = now
        return 0.0 if self._since is None else now - self._since

    def _listen(self, now: float) -> None:
        ready, _ = ray.wait([self._asked], timeout=0)
        if not ready:
            return
        try:
            ray.get(self._asked)
        except RayError:
            self._asked = None
            self._next = now + 1.0
            # It failed at some time since the last look; it may have been back for long.
            if self._since is not None and now - self._looked > _EVERY:
                self._since = now
        else:
            self.felt()
