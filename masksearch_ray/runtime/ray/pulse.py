"""Telling a worker that takes its time from one that will never answer."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.exceptions import RayError

__all__ = ["Pulse"]

_EVERY = 5.0  # seconds of silence after which a worker is asked whether it lives
_PATIENCE = 60.0  # seconds that it, or its replacement, has to say so


class Pulse:
    """Watches one actor while its answer is waited for.

    Ray sends a stage again once a dead worker is replaced, and waits for that as long as it
    takes; where a cluster has no room left this would be forever.

    Parameters
    ----------
    actor : ray.actor.ActorHandle
        Of `ShardActor`.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._asked: Any = None
        self.felt()

    def felt(self) -> None:
        """Note that the worker lives."""
        self._last = self._next = time.monotonic()
        self._next += _EVERY
        self._asked = None

    def lost(self) -> bool:
        """Whether the worker has given no sign of life for too long; does not wait."""
        now = time.monotonic()
        if self._asked is not None:
            self._listen()
        elif now >= self._next:
            self._asked = self._actor.ping.options(max_task_retries=0).remote()
        return now - self._last > _PATIENCE

    def _listen(self) -> None:
        ready, _ = ray.wait([self._asked], timeout=0)
        if not ready:
            return
        try:
            ray.get(self._asked)
        except RayError:
            self._asked = None
            self._next = time.monotonic() + 1.0
        else:
            self.felt()
