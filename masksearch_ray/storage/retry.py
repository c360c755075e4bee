"""Trying again what may pass, ever less often, until one deadline."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from masksearch_ray.errors import TransientError
from masksearch_ray.model.interrupt import sleep
from masksearch_ray.model.usage import note_usage
from masksearch_ray.storage.types import Storage
from masksearch_ray.storage.wrappers import WrappedStorage

__all__ = ["Retry", "RetryingStorage"]

T = TypeVar("T")

_log = logging.getLogger("masksearch_ray.storage")

# A server that is started again is back within this many attempts, some 15 s.
_ATTEMPTS = 10


@dataclass(frozen=True)
class Retry:
    """When to try again.

    Parameters
    ----------
    attempts : int
        Calls in all, the first included.
    deadline : float
        Seconds from the first call after which no further one is begun.
    base : float
        Longest wait before the second call, in seconds; it doubles with each.
    longest : float
        Seconds that no wait exceeds.
    jitter : float
        Share of each wait, in [0, 1], that is left to chance, so that many clients that
        failed together do not return together.
    sleep, clock, chance : callable
        How to wait, tell the time in seconds, and draw from [0, 1).
    """

    attempts: int = _ATTEMPTS
    deadline: float = 60.0
    base: float = 0.1
    longest: float = 5.0
    jitter: float = 0.5
    sleep: Callable[[float], None] = sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def run(self, call: Callable[[], T]) -> T:
        """Call until it succeeds, or fails by what will not pass.

        Raises
        ------
        TransientError
            If attempts or time are used up; it says how many and how much.
        """
        began, attempt = self.clock(), 1
        while True:
            try:
                return call()
            except TransientError as error:
                wait = min(self.longest, self.base * 2 ** (attempt - 1))
                wait *= 1 - self.jitter * self.chance()
                spent = self.clock() - began
                if attempt >= self.attempts or spent + wait > self.deadline:
                    times = f"{attempt} attempt{'s' if attempt > 1 else ''} in {spent:.1f} s"
                    raise TransientError(f"{error.message} ({times})", error.object) from error
                _log.info("failed, again in %.2f s, try %d: %s", wait, attempt + 1, error)
            note_usage(requests=1, retries=1)
            self.sleep(wait)
            attempt += 1


class RetryingStorage(WrappedStorage):
    """Tries again after a `TransientError`, and after no other, ever less often.

    A `put_if_absent` whose answer was lost may find its own object when tried again: an
    `ExistsError` from here, too, is settled by reading.

    Parameters
    ----------
    inner : Storage
        Does the work.
    attempts, deadline, base, longest, jitter, sleep, clock, chance
        See `Retry`.
    """

    def __init__(
        self,
        inner: Storage,
        attempts: int = _ATTEMPTS,
        deadline: float = 60.0,
        base: float = 0.1,
        longest: float = 5.0,
        jitter: float = 0.5,
        *,
        sleep: Callable[[float], None] = sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(inner)
        self.retry = Retry(attempts, deadline, base, longest, jitter, sleep, clock, chance)

    def _around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        return self.retry.run(call)
