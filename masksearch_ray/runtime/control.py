"""How a running query is watched and stopped."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from masksearch_ray.errors import InputError, QueryCancelledError, QueryTimeoutError
from masksearch_ray.execute.contest import Guide
from masksearch_ray.execute.ordering import Threshold

__all__ = ["Pause", "QueryControl", "Watch"]


@dataclass(frozen=True)
class Pause:
    """Yielded by a stage among its partials where whoever waits wants to take what is there."""


class Watch(Protocol):
    """What a worker looks at between its steps."""

    @property
    def guide(self) -> Guide:
        """What is known of a top-k elsewhere."""

    @property
    def pausing(self) -> bool:
        """Whether to yield a `Pause` now; true only once."""

    def check(self) -> None:
        """Stop here, by an error, if the query is to stop."""

    def step(self) -> None:
        """Do so between two steps, where nothing is held that others may wait for."""


@dataclass(eq=False)
class QueryControl:
    """Deadline, cancellation and threshold of one query.

    Parameters
    ----------
    timeout : float, optional
        Seconds from `start`.
    threshold, horizon : Threshold, optional
        Of a top-k, as `Guide` has them.
    pause : float, optional
        When to pause, once, by the monotonic clock.
    """

    timeout: float | None = None
    threshold: Threshold | None = None
    horizon: Threshold | None = None
    pause: float | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _start: float | None = None

    def __post_init__(self) -> None:
        try:
            senseless = self.timeout is not None and math.isnan(self.timeout)
        except TypeError:
            senseless = True
        if senseless:
            raise InputError(f"timeout = {self.timeout!r}: seconds wanted")

    def start(self) -> None:
        """Let the time run: nobody waits for a query that was not asked for yet."""
        self._start = time.monotonic()

    def cancel(self) -> None:
        """Ask the query to stop at its next step."""
        self._cancelled.set()

    @property
    def guide(self) -> Guide:
        """What is known of a top-k elsewhere."""
        return Guide(self.threshold, self.horizon)

    @property
    def pausing(self) -> bool:
        """Whether to pause now; it is not asked for again."""
        if self.pause is None or time.monotonic() < self.pause:
            return False
        self.pause = None
        return True

    @property
    def left(self) -> float | None:
        """Seconds to the deadline; None without one."""
        if self.timeout is None or self._start is None:
            return self.timeout
        return self.timeout - (time.monotonic() - self._start)

    def check(self) -> None:
        """Stop here if the query was cancelled or its time has passed.

        Raises
        ------
        QueryCancelledError, QueryTimeoutError
        """
        if self._cancelled.is_set():
            raise QueryCancelledError("the query was cancelled")
        left = self.left
        if left is not None and left <= 0:
            raise QueryTimeoutError(f"the query's time limit of {self.timeout:g} s passed")

    def step(self) -> None:
        """Do as `check`: there is nobody to let go first."""
        self.check()
