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
        self.felt()

    def felt(self) -> None:
        """Note that the worker lives."""
        self._last = self._next = time.monotonic()
        self._next += _EVERY
        self._asked = None

    def silent(self) -> float:
        """Seconds since its last sign of life; does not wait."""
        now = time.monotonic()
        if self._asked is not None:
            self._listen()
        elif now >= self._next:
            self._asked = self._actor.ping.remote(self._client)
        return now - self._last

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
